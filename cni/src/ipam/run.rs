//! Running a plugin and understanding how it ended.

use std::io;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify;
use serde_json::Value;

use super::exchange::{Said, exchange};
use crate::printable::excerpt;
use crate::protocol::{CniError, Command, Folded, code};

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
        let failed = |error: &io::Error| {
            CniError::new(
                code::INTERNAL,
                format!("running {} {}: {error}", self.program.display(), self.command.as_str()),
            )
        };
        let child = self.spawn_when_written().map_err(|error| failed(&error))?;
        let said = exchange(child, self.config).map_err(|error| failed(&error))?;
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
    fn spawn_when_written(&self) -> io::Result<Child> {
        for _attempt in 1..BUSY_ATTEMPTS {
            match self.spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => wait_for_close(self.program)?,
                child => return child,
            }
        }
        self.spawn()
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut process = Process::new(self.program);
        process.env("CNI_COMMAND", self.command.as_str());
        process.envs(self.variables.iter().map(|(name, value)| (name, value)));
        process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        process.spawn()
    }
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
    let fields = Folded::new(&object);
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
    }
}
