//! The DDP profile of an Intel adapter, as the program `ddptool` tells it.
//!
//! Contract: `ddptool -l -a -j -s ADDRESS` prints JSON with `.DDPInventory.DDPpackage.name`. The kernel's own answer (devlink
//! info, `fw.app.name`) is not asked for: sriov-network-device-plugin means to, but its question always fails, so profiles
//! in existing configurations are those of the tool.

use std::io::{self, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use hardwire_pci::PciAddress;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

const PROGRAM: &str = "ddptool";
/// It reads a few registers through the driver.
const BOUND: Duration = Duration::from_secs(5);
/// Its answer has some hundred bytes.
const ANSWER_MAX: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum DdpError {
    /// It cannot be run, or read from.
    #[error("{PROGRAM}: {0}")]
    Run(#[from] io::Error),
    /// It takes too long.
    #[error("{PROGRAM} did not answer within {} s", BOUND.as_secs())]
    Late,
    /// It names no profile.
    #[error("{PROGRAM} told no DDPInventory.DDPpackage.name")]
    Silent,
}

/// The name of the profile that the adapter at an address is loaded with.
pub(super) fn profile(address: PciAddress) -> Result<String, DdpError> {
    let mut command = Command::new(PROGRAM);
    command.args(["-l", "-a", "-j", "-s", &address.to_string()]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut tool = ServedPool(command.spawn()?);
    let answer = match tool.0.stdout.take() {
        Some(stdout) => read(stdout, Instant::now() + BOUND)?,
        None => Vec::new(),
    };
    name(&answer).ok_or(DdpError::Silent)
}

fn read(mut from: ChildStdout, deadline: Instant) -> Result<Vec<u8>, DdpError> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() < ANSWER_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(DdpError::Late),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(io::Error::from(error).into()),
        }
        match from.read(&mut buffer)? {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(answer)
}

fn name(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let name = answer.pointer("/DDPInventory/DDPpackage/name")?.as_str()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// Ends with its caller.
struct ServedPool(Child);

impl Drop for ServedPool {
    fn drop(&mut self) {
        // It mostly has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_in_what_the_tool_prints() {
        let answer = br#"{"DDPInventory": {"device": "1592", "address": "0000:af:00.0", "name": "ens801f0",
            "DDPpackage": {"track_id": "c0000002", "version": "1.3.36.0", "name": "ICE COMMS Package"}}}"#;
        assert_eq!(name(answer).as_deref(), Some("ICE COMMS Package"));
        for other in [
            &b""[..],
            b"junk",
            b"{}",
            br#"{"DDPInventory": {"DDPpackage": {"name": ""}}}"#,
        ] {
            assert_eq!(name(other), None);
        }
    }
}
