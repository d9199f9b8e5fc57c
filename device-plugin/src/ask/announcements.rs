//! Announcements that wait for a carrier, which the CNI plugin leaves here so that no ADD waits (`hardwire_cni::attach`).
//!
//! The carrier is looked for ever more seldom, in the pod's namespace, which is left after each look: nothing of ours keeps a
//! namespace alive whose pod has ended. A courtesy: what does not fit is left out.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::attach::{ANNOUNCEMENTS, LateAnnouncement, Tried};
use tokio::net::UnixDatagram;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::events::backoff::Backoff;
use crate::events::socket::{BindError, SocketFile, bind_datagram};

/// An interface has some addresses.
const LARGEST: usize = 8 << 10;
/// As many as a node starts at once after a boot.
const MOST: usize = 256;
/// Looks at the same time: each takes a thread for as long as the kernel's lock of links is busy.
const AT_ONCE: usize = 4;
/// Between two looks. The first is a VF's whose PF has its carrier, the last a switch's that is being started.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// A link that has no carrier by then is told of by the pod's own traffic.
const LONGEST: Duration = Duration::from_secs(30);

/// The socket, bound.
#[derive(Debug)]
pub struct Announcements {
    socket: UnixDatagram,
    /// Removed with this.
    file: SocketFile,
}

// === impl Announcements ===

impl Announcements {
    /// Takes the socket's place in `state`, the state directory. Within a runtime.
    pub fn bind(state: &Path) -> Result<Self, BindError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
        made.map_err(|source| BindError::Io {
            path: state.to_owned(),
            source,
        })?;
        let (socket, file) = bind_datagram(&state.join(ANNOUNCEMENTS))?;
        file.for_root_only()?;
        Ok(Self { socket, file })
    }

    /// Announces what comes, until the socket fails.
    pub async fn run(self) -> io::Error {
        let path = self.file.path().display();
        let (looks, mut waiting) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        // One more, to tell a datagram that is too large.
        let mut buffer = vec![0; LARGEST + 1];
        loop {
            let length = tokio::select! {
                received = self.socket.recv(&mut buffer) => match received {
                    Ok(length) => length,
                    Err(error) => return error,
                },
                Some(_ended) = waiting.join_next() => continue,
            };
            match read(&buffer[..length]) {
                Ok(late) if waiting.len() < MOST => {
                    waiting.spawn(announce(late, Arc::clone(&looks)));
                }
                Ok(late) => info!(
                    "{}: {MOST} others wait for their carrier: it is not announced",
                    late.ifname
                ),
                Err(why) => debug!("{path}: a datagram of {length} bytes was ignored: {why}"),
            }
        }
    }
}

/// Announces until it is dropped, with another socket where one fails.
pub async fn run(state: &Path) {
    let mut backoff = Backoff::default();
    loop {
        match Announcements::bind(state) {
            Ok(announcements) => {
                let error = announcements.run().await;
                warn!("the plugin's announcements: {error}; listening anew");
            }
            Err(error) => warn!("nothing is announced for the plugin yet: {error}"),
        }
        sleep(backoff.pause()).await;
    }
}

async fn announce(late: LateAnnouncement, looks: Arc<Semaphore>) {
    let late = Arc::new(late);
    let (ifname, path) = (&late.ifname, &late.netns_path);
    let (end, mut pauses) = (Instant::now() + LONGEST, Backoff::between(PAUSE.0, PAUSE.1));
    while Instant::now() < end {
        sleep(pauses.pause()).await;
        let Ok(_look) = looks.acquire().await else { return };
        let this = Arc::clone(&late);
        match spawn_blocking(move || this.attempt()).await {
            Ok(Tried::Early) => {}
            Ok(Tried::Told) => return debug!("{ifname} of {path}: its carrier came, and its addresses are announced"),
            Ok(Tried::Over(why)) => return debug!("{ifname} of {path} is not announced: {why}"),
            Err(error) => return warn!("{ifname} of {path} is not announced: {error}"),
        }
    }
    info!("{ifname} of {path} is not announced: there is no carrier after {LONGEST:?}");
}

pub(crate) fn read(datagram: &[u8]) -> Result<LateAnnouncement, String> {
    if datagram.len() > LARGEST {
        return Err(format!("more than {LARGEST} bytes"));
    }
    let late: LateAnnouncement = serde_json::from_slice(datagram).map_err(|error| error.to_string())?;
    if late.version != LateAnnouncement::VERSION {
        return Err(format!(
            "version {}: this program knows {}",
            late.version,
            LateAnnouncement::VERSION
        ));
    }
    Ok(late)
}
