//! What an operator asks of the running daemon, over a socket in the state directory: one line, answered with one.
//!
//! - `adopt ID`: take the device's present state for its idle state;
//! - `apply PF...`: make PFs and VFs as configured, these even where that interrupts their links ([`Apply`]);
//! - `configuration`: what is in force, as JSON ([`Running`]);
//! - `fix plugin`, `fix sockets`, `fix release ID`: mend that ([`Fix`]).
//!
//! A socket rather than a file, so that who asks hears at once whether a daemon is there, and what it says.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::debug;

use super::fix::{FIXES, Fix, Mender};
use super::in_force::{InForce, Running};
use super::listening::listen;
use super::rights::Rights;
use crate::events::connections::{self, Limits};
use crate::telemetry::metrics::Metrics;

/// Name of the socket in the state directory.
const SOCKET: &str = "control.sock";
/// The request for the configuration in force.
const CONFIGURATION: &str = "configuration";
/// The request to make PFs as configured.
const APPLY: &str = "apply";
/// Longer than any request.
const LONGEST: u64 = 1024;
/// For a look at a PF and all its VFs, on a slow card.
const ANSWER_BOUND: Duration = Duration::from_secs(20);
/// For the firmware of several cards, each with hundreds of VFs.
const APPLY_BOUND: Duration = Duration::from_secs(900);
/// Operators are few; what is read and what is answered has a bound each.
const LIMITS: Limits = Limits {
    most: 16,
    longest: Duration::from_secs(ANSWER_BOUND.as_secs() + APPLY_BOUND.as_secs() + 5),
};

/// A request to take a device's present state for its idle state.
#[derive(Debug)]
pub struct Adopt {
    /// Which device.
    pub device: DeviceId,
    /// Takes what was done, or why it was not.
    pub reply: oneshot::Sender<Result<String, String>>,
}

/// A request to make PFs and VFs as configured.
#[derive(Debug)]
pub struct Apply {
    /// PFs that are changed even where that interrupts their links.
    pub forced: BTreeSet<String>,
    /// Takes what was done, or why nothing was.
    pub reply: oneshot::Sender<Result<Applied, String>>,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// For a person.
    pub text: String,
    /// The exit status of `apply`.
    pub status: u8,
}

/// What requests are answered with.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Takes requests to adopt.
    pub adopt: mpsc::Sender<Adopt>,
    /// Takes requests to make PFs as configured.
    pub apply: mpsc::Sender<Apply>,
    /// The daemon, as its flags made it.
    pub running: Running,
    /// Its configuration.
    pub in_force: watch::Receiver<InForce>,
    /// Where its pools are with the kubelet.
    pub metrics: Metrics,
    /// Does what `fix` asks for.
    pub mender: Mender,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("{}: {source}; is hardwired running, with this state directory?", path.display())]
    NoDaemon {
        /// Where it would listen.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The daemon says no.
    #[error("{0}")]
    Refused(String),
}

/// Answers until it is dropped. `state` is the state directory.
pub async fn serve(state: &Path, answers: Answers) {
    let (listener, _file) = listen(&state.join(SOCKET)).await;
    let answer = |stream| {
        let answers = answers.clone();
        async move {
            if let Err(error) = answer(stream, &answers).await {
                debug!("a request was not answered: {error}");
            }
        }
    };
    connections::serve("requests", &listener, LIMITS, answer).await;
}

async fn answer(stream: UnixStream, answers: &Answers) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    timeout(ANSWER_BOUND, (&mut stream).take(LONGEST).read_line(&mut line)).await??;
    let answer = match answers.to(line.trim_end()).await {
        Ok(text) => format!("ok {text}\n"),
        Err(text) => format!("error {text}\n"),
    };
    stream.write_all(answer.as_bytes()).await
}

// === impl Answers ===

impl Answers {
    async fn to(&self, line: &str) -> Result<String, String> {
        match line.split_once(' ') {
            Some(("adopt", id)) => self.adopt(id).await,
            Some(("fix", fix)) => self.fix(fix).await,
            Some((APPLY, forced)) => self.apply(forced).await,
            None if line == APPLY => self.apply("").await,
            None if line == CONFIGURATION => self.configuration(),
            _ => Err(format!(
                "{line:?} is no request (expected adopt ID, {APPLY}, {CONFIGURATION}, or fix with {FIXES})"
            )),
        }
    }

    async fn adopt(&self, id: &str) -> Result<String, String> {
        let device = id
            .parse()
            .map_err(|error: hardwire_pci::BadDeviceId| error.to_string())?;
        let (reply, replied) = oneshot::channel();
        let stopping = || "the daemon is stopping".to_owned();
        let request = Adopt { device, reply };
        self.adopt.send(request).await.map_err(|_closed| stopping())?;
        match timeout(ANSWER_BOUND, replied).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_dropped)) => Err(stopping()),
            Err(_elapsed) => Err("the device could not be looked at in time".to_owned()),
        }
    }

    /// JSON escapes the ends of lines.
    async fn apply(&self, forced: &str) -> Result<String, String> {
        let (reply, replied) = oneshot::channel();
        let stopping = || "the daemon is stopping".to_owned();
        let forced = forced.split_whitespace().map(str::to_owned).collect();
        let request = Apply { forced, reply };
        self.apply.send(request).await.map_err(|_closed| stopping())?;
        let applied = match timeout(APPLY_BOUND, replied).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_dropped)) => return Err(stopping()),
            Err(_elapsed) => {
                return Err("it is not done yet: the daemon goes on, and its log says how it ends".to_owned());
            }
        };
        serde_json::to_string(&applied).map_err(|error| error.to_string())
    }

    async fn fix(&self, fix: &str) -> Result<String, String> {
        let fix: Fix = fix.parse()?;
        match timeout(ANSWER_BOUND, self.mender.mend(fix)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err("it is not done yet: the daemon goes on, and its log says how it ends".to_owned()),
        }
    }

    /// JSON escapes the ends of lines.
    fn configuration(&self) -> Result<String, String> {
        let running = Running {
            in_force: self.in_force.borrow().clone(),
            unregistered: self.metrics.unregistered(),
            provisioning: self.metrics.not_provisioned(),
            rights: Rights::of_this_process(&self.running.sysfs_root),
            ..self.running.clone()
        };
        serde_json::to_string(&running).map_err(|error| error.to_string())
    }
}

/// Asks the daemon of this state directory to adopt a device's state, and returns what it says.
pub fn adopt(state: &Path, device: &str) -> Result<String, ControlError> {
    ask(state, &format!("adopt {device}"))
}

/// Asks the daemon of this state directory to mend something, and returns what it says.
pub fn fix(state: &Path, fix: &Fix) -> Result<String, ControlError> {
    ask(state, &format!("fix {fix}"))
}

/// Asks the daemon of this state directory to make PFs and VFs as configured, and returns what it says.
pub fn apply(state: &Path, forced: &[String]) -> Result<Applied, ControlError> {
    let request = [&[APPLY.to_owned()], forced].concat().join(" ");
    let answer = ask_within(state, &request, APPLY_BOUND)?;
    serde_json::from_str(&answer)
        .map_err(|error| ControlError::Refused(format!("the daemon is another version: {error}")))
}

/// Asks the daemon of this state directory what it runs with.
pub fn running(state: &Path) -> Result<Running, ControlError> {
    let answer = ask(state, CONFIGURATION)?;
    serde_json::from_str(&answer)
        .map_err(|error| ControlError::Refused(format!("the daemon is another version: {error}")))
}

fn ask(state: &Path, request: &str) -> Result<String, ControlError> {
    ask_within(state, request, ANSWER_BOUND)
}

fn ask_within(state: &Path, request: &str, bound: Duration) -> Result<String, ControlError> {
    let path = state.join(SOCKET);
    let answer = exchange(&path, &format!("{request}\n"), bound).map_err(|source| ControlError::NoDaemon {
        path: path.clone(),
        source,
    })?;
    match answer.trim_end().split_once(' ') {
        Some(("ok", text)) => Ok(text.to_owned()),
        Some(("error", text)) => Err(ControlError::Refused(text.to_owned())),
        _ => Err(ControlError::Refused("the daemon ended before it answered".to_owned())),
    }
}

fn exchange(path: &Path, request: &str, bound: Duration) -> io::Result<String> {
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.set_read_timeout(Some(bound + Duration::from_secs(5)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
