//! Our entry is put back when somebody writes the default network's list anew, but not for ever: who does so again and again
//! within a minute is told of, and the daemon is not ready until the entry is in the list again by somebody else's hand.

use std::collections::VecDeque;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::Context;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::place::{Chained, chain_first, missing_in};
use super::wanted::Wanted;
use super::{copied_without_entry, without_entry};
use crate::events::backoff::Backoff;
use crate::events::directory::Directory;
use crate::telemetry::metrics::Metrics;

/// So often within so long is a mistake; more often is another program that wants it otherwise.
const MOST: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);

/// When our entry was put back.
#[derive(Debug, Default)]
struct PutBacks {
    at: VecDeque<Instant>,
    /// It was too often: it is not put back until it was seen in the list.
    gave_up: bool,
}

// === impl PutBacks ===

impl PutBacks {
    /// Whether it may be put back now; if so, it is counted.
    fn may(&mut self, now: Instant) -> bool {
        self.at.retain(|at| now.duration_since(*at) < WITHIN);
        self.gave_up |= self.at.len() >= MOST;
        if !self.gave_up {
            self.at.push_back(now);
        }
        !self.gave_up
    }

    /// Somebody has put it there.
    fn seen(&mut self) {
        self.gave_up = false;
    }
}

/// Keeps our entry where it was put, until it is dropped, and tells whether it is there. `directory` is the runtime's.
pub async fn keep(context: Context, directory: PathBuf, metrics: Metrics, tell: Arc<watch::Sender<Option<String>>>) {
    let watched = when_there(&directory).await;
    let mut changes = watched.changes();
    let mut put_backs = PutBacks::default();
    loop {
        changes.mark_unchanged();
        let is_wanted = Wanted::at(&context).program().is_some();
        let missing = look(&context, &directory, &mut put_backs).await;
        metrics.chained(missing.clone().filter(|_| is_wanted));
        tell.send_if_modified(|told| std::mem::replace(told, missing.clone()) != missing);
        if changes.changed().await.is_err() {
            return pending().await;
        }
    }
}

/// A runtime, or its network plugin, makes the directory when it is installed.
async fn when_there(directory: &Path) -> Directory {
    let mut pauses = Backoff::default();
    loop {
        if let Ok(watched) = Directory::watch_existing(directory, None) {
            return watched;
        }
        let above = directory.ancestors().skip(1).find(|above| above.is_dir());
        let Some(Ok(above)) = above.map(|above| Directory::watch_existing(above, None)) else {
            sleep(pauses.pause()).await;
            continue;
        };
        let is_nearer = |path: &Path| {
            let next = directory.ancestors().find(|below| below.parent() == Some(path));
            next.is_none_or(Path::is_dir).then_some(())
        };
        above.wait_for(is_nearer).await;
    }
}

/// Puts our entry back where it is missing and is to be there; why it is not there in the end.
async fn look(context: &Context, directory: &Path, put_backs: &mut PutBacks) -> Option<String> {
    let read = directory.to_owned();
    let looked = spawn_blocking(move || missing_in(&read).map(|missing| (missing, copied_without_entry(&read))));
    let (path, behind) = match looked
        .await
        .map(|looked| looked.map(|(missing, copied)| missing.ok_or(copied)))
    {
        Ok(Ok(Err(copied))) => {
            put_backs.seen();
            if let Some(why) = &copied {
                warn!("pods without a NAD get no devices: {why}");
            }
            return copied;
        }
        Ok(Ok(Ok(missing))) => missing,
        Ok(Err(error)) => {
            warn!("pods without a NAD get no devices: {error}");
            return Some(error.to_string());
        }
        Err(lost) => return Some(format!("looking for our entry: {lost}")),
    };
    let Some(program) = Wanted::at(context).program() else {
        return Some(without_entry(&path));
    };
    if !put_backs.may(Instant::now()) {
        let why = format!(
            "{}: our entry was put back {MOST} times within {WITHIN:?}, and {behind} writes the file anew each time: let it keep \
             other plugins' entries, or have it write ours (Cilium: cni.exclusive=false, or cni.customConf); then hardwired \
             install-cni --chain",
            path.display()
        );
        error!("{why}");
        return Some(why);
    }
    let directory = directory.to_owned();
    match spawn_blocking(move || chain_first(&directory, &program)).await {
        Ok(Ok(Chained::Now { path, behind })) => {
            info!("{}: our entry is in it again, behind {behind}", path.display());
            None
        }
        Ok(Ok(Chained::Already(_) | Chained::Later)) => None,
        Ok(Err(error)) => {
            warn!("pods without a NAD get no devices: {error}");
            Some(error.to_string())
        }
        Err(lost) => Some(format!("putting our entry back: {lost}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_put_back_three_times_a_minute_and_no_more() {
        let begin = Instant::now();
        let mut put_backs = PutBacks::default();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let answers: Vec<bool> = [0, 1, 2, 3, 59, 60, 600].map(|second| put_backs.may(at(second))).into();
        assert_eq!(answers, [true, true, true, false, false, false, false], "a fight ends");
        put_backs.seen();
        assert!(put_backs.may(at(601)), "an operator saw to it");
    }
}
