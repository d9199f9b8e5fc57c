//! The DDP profile of an Intel adapter, as the program `ddptool` tells it.
//!
//! Contract: `ddptool -l -a -j -s ADDRESS` prints JSON with `.DDPInventory.DDPpackage.name`. The kernel's own answer (devlink
//! info, `fw.app.name`) is not asked for: sriov-network-device-plugin means to, but its question always fails, so profiles
//! in existing configurations are those of the tool.
//!
//! The tool belongs to somebody else: it has a bound on time and output, and it ends with whoever waits for it, together
//! with all that it started.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hardwire_pci::PciAddress;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::timeout;

const PROGRAM: &str = "ddptool";
/// It reads a few registers through the driver.
const BOUND: Duration = Duration::from_secs(5);
/// Its answer has some hundred bytes.
const ANSWER_MAX: u64 = 1 << 20;

/// Why there is no answer. Says nothing of the adapter, so that one cause is one text.
#[derive(Debug, thiserror::Error)]
pub enum DdpError {
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

/// The name of the profile that the adapter with this function is loaded with. The tool ends when the answer is there, and
/// when nobody waits for it any more.
pub async fn ask(function: PciAddress) -> Result<String, DdpError> {
    let mut command = Command::new(PROGRAM);
    command.args(["-l", "-a", "-j", "-s", &function.to_string()]);
    answer(command, BOUND).await
}

async fn answer(mut command: Command, bound: Duration) -> Result<String, DdpError> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // A group of its own, so that what it starts in turn can be ended too.
    let mut tool = Tool(command.process_group(0).spawn()?);
    let Some(stdout) = tool.0.stdout.take() else {
        return Err(DdpError::Silent);
    };
    let mut stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?.take(ANSWER_MAX);
    let mut answer = Vec::new();
    let read = timeout(bound, stdout.read_to_end(&mut answer)).await;
    read.map_err(|_elapsed| DdpError::Late)??;
    name(&answer).ok_or(DdpError::Silent)
}

fn name(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let name = answer.pointer("/DDPInventory/DDPpackage/name")?.as_str()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// Ends with its caller.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        // It mostly has ended by itself; until it is waited for its number is nobody else's.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, bound: Duration) -> Result<String, DdpError> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(answer(command, bound))
    }

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

    #[test]
    fn a_tool_that_hangs_ends_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("child");
        // The child keeps the pipe open, and would for as long as it lives.
        let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let late = shell(&script, Duration::from_millis(500));
        assert!(matches!(late, Err(DdpError::Late)), "{late:?}");
        let child = std::fs::read_to_string(file).unwrap();
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        // Killed, whether or not somebody has waited for it yet.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while stat().is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(std::time::Instant::now() < deadline, "it still runs");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_tool_that_prints_without_end_is_not_listened_to_for_ever() {
        let endless = shell("yes", Duration::from_secs(60));
        assert!(matches!(endless, Err(DdpError::Silent)), "{endless:?}");
    }
}
