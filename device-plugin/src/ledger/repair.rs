//! Repair: an attachment whose pod is gone and for which no DEL comes is released, by the very code that DEL uses and under
//! the same locks.
//!
//! A runtime that was restarted, a Multus that was down, a node agent that lost its cache: nobody sends the DEL then, and the
//! VF would keep its VLAN and trust (sriov-network-device-plugin #685). Events: a record comes or goes (inotify on the
//! journal), a named namespace goes (inotify on the folder of its path). The end of a namespace known only as
//! /proc/PID/ns/net has no event: one slow timer looks for it, and only while there are records (rule 10).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::select_all;
use hardwire_cni::Context;
use hardwire_cni::ipam::ReleasedBy;
use hardwire_cni::journal::{Ending, Record};
use hardwire_cni::release::{is_abandoned, is_orphaned, reclaim};
use hardwire_pci::DeviceId;
use hardwire_pci::netlink::Socket;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::events::directory::Directory;
use crate::telemetry::metrics::Metrics;

/// Between looks for what sends no event.
const SLOW: Duration = Duration::from_secs(60);

/// The attachments of the node by device, and whether each has lost its owner.
pub type Attachments = BTreeMap<DeviceId, bool>;

/// What is known of the attachments of the node.
#[derive(Debug, Default)]
struct Orphans {
    /// By attempt: since when an attachment is known to have no owner.
    since: HashMap<String, Instant>,
    /// Folders whose changes matter.
    folders: HashMap<PathBuf, Directory>,
}

/// Repairs until told to stop, and tells which attachments there are. `grace` is how long a DEL is waited for.
pub async fn run(
    context: Context,
    grace: Duration,
    attachments: watch::Sender<Attachments>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut orphans = Orphans::default();
    match context.journal.directory() {
        Ok(directory) => orphans.watch(directory, Some("json")),
        Err(error) => warn!("no repair: {error}"),
    }
    loop {
        let mut changed = orphans.changes();
        let next = orphans.look(&context, grace, &attachments, &metrics).await;
        let slept = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = slept => {}
            () = any(&mut changed) => {}
        }
    }
}

async fn any(changed: &mut [tokio::sync::watch::Receiver<()>]) {
    if changed.is_empty() {
        return std::future::pending().await;
    }
    // One that ended tells nothing any more; the others and the timer go on.
    let waits = changed.iter_mut().map(|receiver| {
        Box::pin(async {
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    });
    select_all(waits).await;
}

// === impl Orphans ===

impl Orphans {
    fn watch(&mut self, folder: &Path, extension: Option<&'static str>) {
        if self.folders.contains_key(folder) || !folder.is_dir() || folder.starts_with("/proc") {
            return;
        }
        match Directory::watch(folder, extension) {
            Ok(directory) => drop(self.folders.insert(folder.to_owned(), directory)),
            Err(error) => warn!("{} is not watched: {error}", folder.display()),
        }
    }

    /// Marked as seen before anything is looked at, so that a change in between is not lost.
    fn changes(&self) -> Vec<tokio::sync::watch::Receiver<()>> {
        let mark = |directory: &Directory| {
            let mut changes = directory.changes();
            changes.mark_unchanged();
            changes
        };
        self.folders.values().map(mark).collect()
    }

    /// Releases what is due, and tells when to look again even if nothing happens.
    async fn look(
        &mut self,
        context: &Context,
        grace: Duration,
        attachments: &watch::Sender<Attachments>,
        metrics: &Metrics,
    ) -> Option<Instant> {
        let records = read(context).await;
        let now = records
            .iter()
            .map(|(record, orphaned)| (record.device.clone(), *orphaned));
        let now: Attachments = now.collect();
        attachments.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        if records.is_empty() {
            self.since.clear();
            return None;
        }
        let before = self.folders.len();
        for folder in records
            .iter()
            .filter_map(|(record, _)| Path::new(&record.owner.netns_path).parent())
        {
            self.watch(folder, None);
        }
        let now = Instant::now();
        // One whose DEL has begun is nobody's failure yet, and nobody's any more if that DEL does not end it.
        let is_due = |(record, orphaned): &(Record, bool)| *orphaned || record.ending == Some(Ending::Del);
        let due: Vec<Record> = records.into_iter().filter(is_due).map(|(record, _)| record).collect();
        self.since
            .retain(|attempt, _| due.iter().any(|record| record.attempt == *attempt));
        let mut next = now
            + if self.folders.len() > before {
                Duration::ZERO
            } else {
                SLOW
            };
        for record in due {
            let since = *self.since.entry(record.attempt.clone()).or_insert(now);
            if since + grace > now {
                next = next.min(since + grace);
            } else {
                metrics.repaired(repair(context.clone(), record).await);
            }
        }
        Some(next)
    }
}

/// The records, and whether each has lost its owner.
async fn read(context: &Context) -> Vec<(Record, bool)> {
    let journal = context.journal.clone();
    let read = spawn_blocking(move || {
        let (records, unreadable) = journal.all()?;
        for record in unreadable {
            warn!("{record}");
        }
        let judged = |record: Record| {
            let orphaned = is_orphaned(&record);
            (record, orphaned)
        };
        Ok::<_, hardwire_cni::journal::JournalError>(records.into_iter().map(judged).collect())
    });
    match read.await {
        Ok(Ok(records)) => records,
        Ok(Err(error)) => {
            warn!("repair: {error}");
            Vec::new()
        }
        Err(error) => {
            warn!("repair: reading the journal: {error}");
            Vec::new()
        }
    }
}

/// Tells whether the device is as it was.
async fn repair(context: Context, record: Record) -> bool {
    let (device, container) = (record.device.clone(), record.owner.container_id.clone());
    info!(%device, %container, "no DEL came: releasing the attachment");
    let done = spawn_blocking(move || match Socket::open() {
        Ok(mut host) => reclaim(&context, &record, is_abandoned, ReleasedBy::Repair, &mut host)
            .iter()
            .map(ToString::to_string)
            .collect(),
        Err(error) => vec![error.to_string()],
    });
    let errors: Vec<String> = done.await.unwrap_or_else(|error| vec![error.to_string()]);
    let ok = errors.is_empty();
    if ok {
        info!(%device, %container, "released: the device is as it was");
    }
    for error in errors {
        warn!(%device, %container, "not released yet: {error}");
    }
    ok
}
