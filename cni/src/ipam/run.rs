//! Running a plugin and understanding how it ended.

use std::io;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify;
use serde_json::Value;

use super::exchange::{ExchangeError, Said, exchange};
use super::running::Running;
use crate::printable::excerpt;
use crate::protocol::{AnyCase, CniError, Command, code};

/// As often as libcni tries a plugin that is busy, and as long as it waits between.
const BUSY_ATTEMPTS: u32 = 6;
/// As much of a plugin's own words as an error quotes, bytes.
const QUOTED: usize = 1 << 10;
/// As many lines of a plugin's stderr as are logged.
const LOGGED: usize = 64;
const BUSY_BOUND: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// One call of a plugin.
#[derive(Debug)]
pub struct Call<'a> {
    /// The executable.
    pub program: &'a Path,
    /// `CNI_COMMAND`.
    pub command: Command,
    /// stdin.
    pub config: &'a [u8],
    /// Variables beside our own.
    pub variables: &'a [(&'static str, String)],
}

impl Call<'_> {
    /// Runs it to its end and returns its stdout. Its stderr goes into our log, line by line: it is the operator's, not the
    /// protocol's.
    pub fn run(&self) -> Result<Vec<u8>, CniError> {
        self.run_within(bound(self.command))
    }

    fn run_within(&self, bound: Duration) -> Result<Vec<u8>, CniError> {
        let plugin = self.spawn_when_written().map_err(ExchangeError::from);
        let said = plugin.and_then(|plugin| exchange(plugin, self.config, bound));
        let said = said.map_err(|error| {
            let code = match error {
                ExchangeError::TooLate(_) => code::TRY_AGAIN,
                ExchangeError::Io(_) | ExchangeError::TooLong => code::INTERNAL,
            };
            let msg = format!("running {} {}: {error}", self.program.display(), self.command.as_str());
            CniError::new(code, msg)
        })?;
        self.log(&said);
        if said.status.success() {
            Ok(said.stdout)
        } else {
            Err(failure(&said))
        }
    }

    fn log(&self, said: &Said) {
        let plugin = self.program.file_name().unwrap_or_default().to_string_lossy();
        let text = String::from_utf8_lossy(&said.stderr);
        for line in text.lines().take(LOGGED) {
            tracing::warn!("IPAM plugin {plugin}: {line}");
        }
        if text.lines().nth(LOGGED).is_some() {
            tracing::warn!("IPAM plugin {plugin}: what else it printed on stderr is left out");
        }
    }

    /// A plugin that is just being installed is busy until its writer closes it.
    fn spawn_when_written(&self) -> io::Result<Running> {
        for _attempt in 1..BUSY_ATTEMPTS {
            match self.spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => wait_for_close(self.program)?,
                plugin => return plugin,
            }
        }
        self.spawn()
    }

    fn spawn(&self) -> io::Result<Running> {
        let mut process = Process::new(self.program);
        process.env("CNI_COMMAND", self.command.as_str());
        process.envs(self.variables.iter().map(|(name, value)| (name, value)));
        process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::spawn(&mut process)
    }
}

/// How long a plugin may take. whereabouts gives itself up to two minutes for an ADD and one for a DEL while others change
/// its pools, and its API server may be slow beside; a runtime gives up later, if at all.
const fn bound(command: Command) -> Duration {
    Duration::from_secs(match command {
        Command::Add => 180,
        Command::Del | Command::Gc => 120,
        Command::Check => 60,
        Command::Status | Command::Version => 30,
    })
}

fn wait_for_close(program: &Path) -> io::Result<()> {
    let events = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&events, program, inotify::WatchFlags::CLOSE_WRITE)?;
    let mut readable = [PollFd::new(&events, PollFlags::IN)];
    match rustix::event::poll(&mut readable, Some(&BUSY_BOUND)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The plugin's own error, unchanged, where it printed one.
fn failure(said: &Said) -> CniError {
    let text = String::from_utf8_lossy(&said.stdout);
    if text.trim().is_empty() {
        // In Go's words, which people search for.
        let chatter = String::from_utf8_lossy(&said.stderr);
        if !chatter.trim().is_empty() {
            let msg = format!("netplugin failed: \"{}\"", excerpt(&chatter, QUOTED));
            return CniError::new(code::INTERNAL, msg);
        }
        let ended = said
            .status
            .code()
            .map_or_else(|| said.status.to_string(), |code| format!("exit status {code}"));
        return CniError::new(
            code::INTERNAL,
            format!("netplugin failed with no error message: {ended}"),
        );
    }
    let garbage = |problem: &dyn std::fmt::Display| {
        let text = excerpt(&text, QUOTED);
        let msg = format!("netplugin failed but error parsing its diagnostic message \"{text}\": {problem}");
        CniError::new(code::INTERNAL, msg)
    };
    let object = match serde_json::from_slice::<Value>(&said.stdout) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return garbage(&"it is no object"),
        Err(error) => return garbage(&error),
    };
    let fields = AnyCase::new(&object);
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let code = fields
        .get("code")
        .and_then(Value::as_u64)
        .and_then(|code| u32::try_from(code).ok())
        .filter(|code| *code != 0);
    CniError {
        // 0 would be no error.
        code: code.unwrap_or(code::INTERNAL),
        msg: text("msg"),
        details: text("details"),
        next_step: None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn rule_9_a_plugin_that_hangs_is_named_with_its_verb_and_the_bound() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("hangs");
        fs::write(&program, "#!/bin/sh\nsleep 1000\n").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let call = Call {
            program: &program,
            command: Command::Del,
            config: b"{}",
            variables: &[],
        };
        let error = call.run_within(Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.code, code::TRY_AGAIN);
        for part in ["/hangs DEL: ", "within 0.2 s"] {
            assert!(error.msg.contains(part), "{part}: {}", error.msg);
        }
    }

    #[test]
    fn rule_9_every_verb_has_a_bound_and_whereabouts_has_its_time() {
        assert!(bound(Command::Add) >= Duration::from_secs(150));
        assert!(bound(Command::Del) >= Duration::from_secs(90));
    }
}
