//! A watched directory (the kubelet's device plugins, the journal, network namespaces): something in it changed.
//!
//! Only that much is told. What a change means, each reader finds out by looking, so that no event that inotify merges,
//! reorders or loses (`IN_Q_OVERFLOW`) can mislead anyone.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{Event, EventMask, EventStream, Inotify, WatchMask};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

/// Room for a few dozen events; what does not fit stays in the kernel's queue.
const BUFFER: usize = 4096;
/// Between attempts to watch a directory that cannot be watched. There is no event for "now it can".
const RETRY: Duration = Duration::from_secs(1);
const GONE: &str = "it is gone";

/// How a directory is opened to be watched.
type Open = fn(&Path) -> io::Result<EventStream<[u8; BUFFER]>>;

/// A watched directory.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
    changes: watch::Receiver<()>,
}

// === impl Directory ===

impl Directory {
    /// Makes the directory, as the kubelet does, and watches it as long as the runtime lives: the entries with this
    /// extension, or all.
    pub fn watch(path: &Path, extension: Option<&'static str>) -> io::Result<Self> {
        Self::watch_by(make_and_open, path, extension)
    }

    /// Watches a directory that somebody else makes, and that is not made where its name is mistyped.
    pub fn watch_existing(path: &Path, extension: Option<&'static str>) -> io::Result<Self> {
        Self::watch_by(open, path, extension)
    }

    fn watch_by(open: Open, path: &Path, extension: Option<&'static str>) -> io::Result<Self> {
        let events = open(path)?;
        let (tell, changes) = watch::channel(());
        tokio::spawn(follow_always(open, path.to_owned(), extension, events, tell));
        Ok(Self {
            path: path.to_owned(),
            changes,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hears of each change.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.clone()
    }

    /// Waits until `look`, which is asked at once and after each change, finds something.
    pub async fn wait_for<T>(&self, mut look: impl FnMut(&Path) -> Option<T>) -> T {
        let mut changes = self.changes.clone();
        loop {
            changes.mark_unchanged();
            if let Some(found) = look(&self.path) {
                return found;
            }
            if changes.changed().await.is_err() {
                // The runtime is being shut down.
                std::future::pending::<()>().await;
            }
        }
    }
}

fn make_and_open(path: &Path) -> io::Result<EventStream<[u8; BUFFER]>> {
    std::fs::DirBuilder::new().recursive(true).mode(0o750).create(path)?;
    open(path)
}

fn open(path: &Path) -> io::Result<EventStream<[u8; BUFFER]>> {
    let inotify = Inotify::init()?;
    let mask = WatchMask::CREATE
        | WatchMask::CLOSE_WRITE
        | WatchMask::DELETE
        | WatchMask::MOVED_FROM
        | WatchMask::MOVED_TO
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR;
    inotify.watches().add(path, mask)?;
    inotify.into_event_stream([0; BUFFER])
}

/// Follows it whatever happens: whoever waits for a change would wait for ever otherwise.
async fn follow_always(
    open: Open,
    path: PathBuf,
    extension: Option<&'static str>,
    mut events: EventStream<[u8; BUFFER]>,
    tell: watch::Sender<()>,
) {
    loop {
        let watched = tokio::spawn(until_gone(events, extension, tell.clone()));
        let why = match watched.await {
            Ok(None) => GONE.to_owned(),
            Ok(Some(error)) => error.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        warn!("{} is watched no more: {why}; watching it anew", path.display());
        events = loop {
            match open(&path) {
                Ok(events) => break events,
                Err(error) => debug!("{}: {error}", path.display()),
            }
            sleep(RETRY).await;
        };
        tell.send_replace(());
        if why != GONE {
            // Whatever it was may happen again at once.
            sleep(RETRY).await;
        }
    }
}

/// Tells of changes until the directory is gone or inotify fails.
async fn until_gone(
    mut events: EventStream<[u8; BUFFER]>,
    extension: Option<&'static str>,
    tell: watch::Sender<()>,
) -> Option<io::Error> {
    let gone = EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::IGNORED | EventMask::UNMOUNT;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) if event.mask.intersects(gone) => return None,
            Ok(event) if !matters(&event, extension) => {}
            Ok(_) => tell.send_replace(()),
            Err(error) => return Some(error),
        }
    }
    None
}

/// What lies there besides (the kubelet's checkpoint, written with each pod; temporary files of the journal) does not.
fn matters(event: &Event<impl AsRef<OsStr>>, extension: Option<&str>) -> bool {
    let Some(wanted) = extension else { return true };
    let has_it = |name: &OsStr| Path::new(name).extension().is_some_and(|extension| extension == wanted);
    event.name.as_ref().is_none_or(|name| has_it(name.as_ref()))
}
