//! What an operator asks of the running daemon, over a socket in the state directory: `adopt ID`, one line, answered with one.
//!
//! A socket rather than a file, so that who asks hears at once whether a daemon is there, and what it says.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardwire_pci::DeviceId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Name of the socket in the state directory.
const SOCKET: &str = "control.sock";
/// Longer than any request.
const LONGEST: u64 = 256;
/// For a look at a PF and all its VFs, on a slow card.
const ANSWER_BOUND: Duration = Duration::from_secs(20);

/// A request to take a device's present state for its idle state.
#[derive(Debug)]
pub struct Adopt {
    /// Which device.
    pub device: DeviceId,
    /// Takes what was done, or why it was not.
    pub reply: oneshot::Sender<Result<String, String>>,
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

/// Listens below `state`, the state directory. Its lock is held: who left the socket there has ended.
pub fn listen(state: &Path) -> io::Result<UnixListener> {
    let path = state.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers until told to stop.
pub async fn serve(listener: UnixListener, requests: mpsc::Sender<Adopt>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let requests = requests.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &requests).await {
                        debug!("a request was not answered: {error}");
                    }
                });
            }
            Err(error) => return warn!("no more requests are taken: {error}"),
        }
    }
}

async fn answer(stream: UnixStream, requests: &mpsc::Sender<Adopt>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    timeout(ANSWER_BOUND, (&mut stream).take(LONGEST).read_line(&mut line)).await??;
    let answer = match ask(line.trim_end(), requests).await {
        Ok(text) => format!("ok {text}\n"),
        Err(text) => format!("error {text}\n"),
    };
    stream.write_all(answer.as_bytes()).await
}

async fn ask(line: &str, requests: &mpsc::Sender<Adopt>) -> Result<String, String> {
    let id = line.strip_prefix("adopt ");
    let id = id.ok_or_else(|| format!("{line:?} is no request (expected adopt ID)"))?;
    let device = id
        .parse()
        .map_err(|error: hardwire_pci::BadDeviceId| error.to_string())?;
    let (reply, replied) = oneshot::channel();
    let stopping = || "the daemon is stopping".to_owned();
    let request = Adopt { device, reply };
    requests.send(request).await.map_err(|_closed| stopping())?;
    match timeout(ANSWER_BOUND, replied).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_dropped)) => Err(stopping()),
        Err(_elapsed) => Err("the device could not be looked at in time".to_owned()),
    }
}

/// Asks the daemon of this state directory to adopt a device's state, and returns what it says.
pub fn adopt(state: &Path, device: &str) -> Result<String, ControlError> {
    let path = state.join(SOCKET);
    let answer = exchange(&path, &format!("adopt {device}\n")).map_err(|source| ControlError::NoDaemon {
        path: path.clone(),
        source,
    })?;
    match answer.trim_end().split_once(' ') {
        Some(("ok", text)) => Ok(text.to_owned()),
        Some(("error", text)) => Err(ControlError::Refused(text.to_owned())),
        _ => Err(ControlError::Refused("the daemon ended before it answered".to_owned())),
    }
}

fn exchange(path: &Path, request: &str) -> io::Result<String> {
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER_BOUND + Duration::from_secs(5)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
