//! The helper's process: found beside the daemon's program, started, and started again when it ends.
//!
//! It ends with the daemon: its stdin is a pipe that only the daemon holds, whose end the kernel closes however the daemon ends.
//! What it may do it gives up itself, before it speaks to anybody ([`super::helper::confine`]).

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use hardwire_cni::printable::printable;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::line::{Heard, LineError, Requests};
use super::measure::cut;
use super::messages::PROGRAM as NAME;
use crate::events::backoff::Backoff;

/// Pauses before it is started again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// One that ran for so long has a new reason to end.
const STABLE: Duration = Duration::from_secs(60);
/// What is asked in a pause as short as this waits; in a longer one it is refused.
const SHORT: Duration = Duration::from_secs(2);
/// A program whose stdout is closed is about to end.
const ENDING: Duration = Duration::from_secs(1);
/// Characters of what is said of it.
const LONGEST: usize = 500;

/// The program, and what it is started with.
#[derive(Debug, Clone)]
pub(super) struct Program {
    arguments: Vec<OsString>,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
enum ProgramError {
    /// Nobody knows where it would be.
    #[error("/proc/self/exe: {0}")]
    Own(io::Error),
    /// It cannot be started.
    #[error("{}: {source}", path.display())]
    Start {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It ran.
    #[error("{NAME} (pid {pid}): {}{line}", status.as_deref().unwrap_or_default())]
    Ran {
        /// Its process id.
        pid: u32,
        /// How it ended, if it did by itself.
        status: Option<String>,
        /// Why nothing more is said to it.
        line: LineError,
    },
}

// === impl Program ===

impl Program {
    /// For the API that `kube` names, and the node.
    pub(super) fn new(kube: &str, node: &str) -> Self {
        Self {
            arguments: ["--kube", kube, "--node", node].map(OsString::from).into(),
        }
    }

    /// Keeps it running, and carries what is asked of it.
    pub(super) async fn keep(self, mut requests: Requests) -> Infallible {
        let mut backoff = Backoff::between(PAUSES.0, PAUSES.1);
        let mut said = String::new();
        loop {
            let begun = Instant::now();
            let Err(error) = self.run(&mut requests).await;
            if begun.elapsed() > STABLE {
                backoff.reset();
                said.clear();
            }
            let pause = backoff.pause();
            let error = error.to_string();
            let error = cut(&printable(&error), LONGEST).into_owned();
            // Process ids differ, and are no news.
            let without_numbers: String = error.chars().filter(|letter| !letter.is_ascii_digit()).collect();
            if without_numbers != said {
                warn!("{error}; all else goes on, and it is started again, in {pause:?} and then ever later");
                said = without_numbers;
            }
            if pause <= SHORT {
                sleep(pause).await;
            } else {
                let _elapsed = timeout(pause, requests.refuse(&error)).await;
            }
        }
    }

    async fn run(&self, requests: &mut Requests) -> Result<Infallible, ProgramError> {
        let path = beside(&fs::read_link("/proc/self/exe").map_err(ProgramError::Own)?);
        let mut child = self
            .start(&path)
            .map_err(|source| ProgramError::Start { path, source })?;
        let pid = child.id().unwrap_or_default();
        let line = match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => {
                let mut heard = Heard::new(from);
                match heard.opening().await {
                    Ok(opening) => {
                        info!(pid, version = %printable(&opening.program), "{NAME} runs, which tells the cluster of this node");
                        heard.carry(to, requests).await
                    }
                    Err(error) => error,
                }
            }
            _ => LineError::Ended,
        };
        let status = match timeout(ENDING, child.wait()).await {
            Ok(Ok(status)) => Some(ending(status)),
            // Dropped, it is killed.
            _ => None,
        };
        Err(ProgramError::Ran { pid, status, line })
    }

    /// The thread that does it must live on: the kernel ends the helper with it.
    fn start(&self, path: &Path) -> io::Result<Child> {
        Command::new(path)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a terminal's Ctrl-C ends is the daemon, which then ends the helper.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// One that was replaced while it ran is called "FILE (deleted)", in the same folder.
fn beside(own: &Path) -> PathBuf {
    own.with_file_name(NAME)
}

fn ending(status: ExitStatus) -> String {
    format!("{status}; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_beside_the_daemon_even_if_that_was_replaced() {
        for own in ["/usr/bin/hardwired", "/usr/bin/hardwired (deleted)"] {
            assert_eq!(beside(Path::new(own)), Path::new("/usr/bin/hardwired-cluster"));
        }
    }
}
