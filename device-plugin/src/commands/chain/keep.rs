//! Our entry is put back when somebody writes the default network's list anew, but not for ever: who does so again and again
//! within a minute is told of, and the daemon is not ready until the list is changed otherwise.

use std::collections::VecDeque;
use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use hardwire_cni::Context;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::place::{Chained, chain_first};
use super::wanted::Wanted;
use crate::events::directory::Directory;
use crate::telemetry::metrics::Metrics;

/// So often within so long is a mistake; more often is another program that wants it otherwise.
const MOST: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);

/// When our entry was put back.
#[derive(Debug, Default)]
struct PutBacks(VecDeque<Instant>);

// === impl PutBacks ===

impl PutBacks {
    /// Whether it may be put back now; if so, it is counted.
    fn may(&mut self, now: Instant) -> bool {
        self.0.retain(|at| now.duration_since(*at) < WITHIN);
        let may = self.0.len() < MOST;
        if may {
            self.0.push_back(now);
        }
        may
    }
}

/// Keeps our entry where it was put, until it is dropped. `directory` is the runtime's.
pub async fn keep(context: Context, directory: PathBuf, metrics: Metrics) {
    let Ok(watched) = Directory::watch_existing(&directory, None) else {
        // No runtime reads networks there.
        return pending().await;
    };
    let mut changes = watched.changes();
    let mut put_backs = PutBacks::default();
    loop {
        changes.mark_unchanged();
        look(&context, &directory, &mut put_backs, &metrics).await;
        if changes.changed().await.is_err() {
            return pending().await;
        }
    }
}

async fn look(context: &Context, directory: &std::path::Path, put_backs: &mut PutBacks, metrics: &Metrics) {
    let Some(program) = Wanted::at(context).program() else {
        metrics.chained(None);
        return;
    };
    let missing = {
        let directory = directory.to_owned();
        spawn_blocking(move || super::place::missing_in(&directory)).await
    };
    let (path, behind) = match missing {
        Ok(Ok(None)) => {
            // It may be there since we gave up.
            metrics.chained(None);
            return;
        }
        Ok(Ok(Some(missing))) => missing,
        Ok(Err(error)) => {
            warn!("pods without a NAD get no devices: {error}");
            metrics.chained(Some(error.to_string()));
            return;
        }
        Err(lost) => {
            warn!("looking for our entry: {lost}");
            return;
        }
    };
    if !put_backs.may(Instant::now()) {
        let why = format!(
            "{}: our entry was put back {MOST} times within {WITHIN:?}, and {behind} writes the file anew each time: let it keep \
             other plugins' entries, or have it write ours (Cilium: cni.exclusive=false, or cni.customConf)",
            path.display()
        );
        error!("{why}");
        metrics.chained(Some(why));
        return;
    }
    let directory = directory.to_owned();
    match spawn_blocking(move || chain_first(&directory, &program)).await {
        Ok(Ok(Chained::Now { path, behind })) => {
            info!("{}: our entry is in it again, behind {behind}", path.display());
            metrics.chained(None);
        }
        Ok(Ok(Chained::Already(_))) => metrics.chained(None),
        Ok(Err(error)) => {
            warn!("pods without a NAD get no devices: {error}");
            metrics.chained(Some(error.to_string()));
        }
        Err(lost) => warn!("putting our entry back: {lost}"),
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
        let answers: Vec<bool> = [0, 1, 2, 3, 59, 60, 61].map(|second| put_backs.may(at(second))).into();
        assert_eq!(answers, [true, true, true, false, false, true, true]);
    }
}
