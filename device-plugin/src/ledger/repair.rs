//! Repair: an attachment whose pod is gone and for which no DEL comes is released, by the very code that DEL uses and under
//! the same locks.
//!
//! A runtime that was restarted, a Multus that was down, a node agent that lost its cache: nobody sends the DEL then, and the
//! VF would keep its VLAN and trust (sriov-network-device-plugin #685). Events: a record comes or goes (inotify on the
//! journal), a named namespace goes (inotify on the folder of its path), a device comes back to the host. The end of a
//! namespace known only as /proc/PID/ns/net has no event: one slow timer looks for it, and only while there are records.
//!
//! Before anything is released the kubelet is asked anew, and its word is a veto: a pod that it says has the device keeps it,
//! whatever can be seen of its namespace from here. Each repair is a task of its own, so one that waits for its IPAM plugin
//! keeps no other from ending.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use hardwire_cni::Context;
use hardwire_cni::ipam::ReleasedBy;
use hardwire_cni::journal::Record;
use hardwire_cni::release::{is_abandoned, reclaim};
use hardwire_pci::netlink::Socket;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::attachments::{Attachments, Records};
use super::orphans::{Orphans, SLOW, veto};
use super::podresources::PodResources;
use super::told::Teller;
use crate::events::directory::Directory;
use crate::telemetry::metrics::Metrics;

/// What repair needs.
#[derive(Debug)]
pub struct Repair {
    /// The node and our own state.
    pub context: Context,
    /// How long a DEL is waited for.
    pub grace: Duration,
    /// The kubelet's word.
    pub podresources: PodResources,
    /// Told which attachments there are.
    pub attachments: watch::Sender<Attachments>,
    /// Told when a device that was attached is back on the host.
    pub returned: Arc<Notify>,
    /// The numbers.
    pub metrics: Metrics,
    /// Told what is attached and repaired, where anybody shows it.
    pub teller: Option<Teller>,
}

/// Folders whose changes matter.
#[derive(Debug, Default)]
struct Folders(HashMap<PathBuf, Directory>);

// === impl Repair ===

impl Repair {
    /// Repairs until told to stop. Repairs that are under way then end with the process; the next daemon goes on.
    pub async fn run(self, stop: CancellationToken) {
        let (mut orphans, mut folders) = (Orphans::default(), Folders::default());
        let mut repairs: JoinSet<(String, bool)> = JoinSet::new();
        match self.context.journal.directory() {
            Ok(directory) => drop(folders.watch(directory, Some("json"))),
            Err(error) => warn!("no repair: {error}"),
        }
        loop {
            let mut changed = folders.changes();
            let next = self.look(&mut orphans, &mut folders, &mut repairs).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = until(next) => {}
                () = any(&mut changed) => {}
                () = self.returned.notified() => orphans.on_return(),
                Some(ended) = repairs.join_next(), if !repairs.is_empty() => match ended {
                    Ok((attempt, is_done)) => orphans.ended(&attempt, is_done, Instant::now()),
                    Err(error) => warn!("repair: {error}"),
                },
            }
        }
    }

    /// Begins to release what is due, and tells when to look again even if nothing happens.
    async fn look(
        &self,
        orphans: &mut Orphans,
        folders: &mut Folders,
        repairs: &mut JoinSet<(String, bool)>,
    ) -> Option<Instant> {
        let records = read(&self.context).await;
        let now = records.attachments();
        self.attachments.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        if let Some(teller) = self.teller.as_ref().filter(|_| records.is_heard()) {
            teller.attached(records.readable.iter().map(|(record, _)| record));
        }
        for record in orphans.newly_hidden(&records.hidden) {
            let (device, container, path) = (&record.device, &record.owner.container_id, &record.owner.netns_path);
            warn!(%device, %container, "{path}: whether this namespace still lives cannot be seen from here, so the attachment \
                 is not released without its DEL: hardwired needs the host's mounts there (mountPropagation: HostToContainer), \
                 and for a path in /proc the host's processes (hostPID)");
        }
        let mut is_new = false;
        let paths = records
            .readable
            .iter()
            .map(|(record, _)| Path::new(&record.owner.netns_path));
        for folder in paths.filter_map(Path::parent) {
            is_new |= folders.watch(folder, None);
        }
        let (due, next) = orphans.due(&records.readable, self.grace, Instant::now());
        // Those that stay vetoed take nobody's turn.
        for record in self.without_vetoed(due, orphans).await.into_iter().take(orphans.room()) {
            orphans.begins(&record);
            let (context, metrics, teller) = (self.context.clone(), self.metrics.clone(), self.teller.clone());
            repairs.spawn(async move {
                let attempt = record.attempt.clone();
                let is_done = repair(context, record.clone()).await;
                metrics.repaired(is_done);
                if let Some(teller) = teller {
                    teller.repaired(&record, is_done);
                }
                (attempt, is_done)
            });
        }
        // What ended in a folder before it was watched, nobody tells, nor when what could not be read can be.
        let unread = records.is_unread().then(|| Instant::now() + SLOW);
        if is_new { Some(Instant::now()) } else { next.or(unread) }
    }

    /// Those that the kubelet does not keep. Where it cannot be heard, what is on record is enough.
    async fn without_vetoed(&self, due: Vec<Record>, orphans: &mut Orphans) -> Vec<Record> {
        if due.is_empty() {
            return due;
        }
        let Ok(held) = self.podresources.held().await else {
            return due;
        };
        let mut is_vetoed = |record: &Record| {
            let holder = veto(record, &held);
            if let Some(holder) = holder.filter(|_| orphans.is_newly_vetoed(&record.attempt)) {
                let (device, container) = (&record.device, &record.owner.container_id);
                warn!(%device, %container, "its namespace is not to be seen from here, but the kubelet says that {}/{} has it: \
                     not released", holder.namespace, holder.pod);
            }
            holder.is_some()
        };
        due.into_iter().filter(|record| !is_vetoed(record)).collect()
    }
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
    }
}

async fn any(changed: &mut [watch::Receiver<()>]) {
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

// === impl Folders ===

impl Folders {
    /// Watches a folder, and tells whether it was not watched before.
    fn watch(&mut self, folder: &Path, extension: Option<&'static str>) -> bool {
        if self.0.contains_key(folder) || !folder.is_dir() || folder.starts_with("/proc") {
            return false;
        }
        match Directory::watch(folder, extension) {
            Ok(directory) => drop(self.0.insert(folder.to_owned(), directory)),
            Err(error) => {
                warn!("{} is not watched: {error}", folder.display());
                return false;
            }
        }
        true
    }

    /// Marked as seen before anything is looked at, so that a change in between is not lost.
    fn changes(&self) -> Vec<watch::Receiver<()>> {
        let mark = |directory: &Directory| {
            let mut changes = directory.changes();
            changes.mark_unchanged();
            changes
        };
        self.0.values().map(mark).collect()
    }
}

/// The journal, read beside the loop.
async fn read(context: &Context) -> Records {
    let journal = context.journal.clone();
    let read = spawn_blocking(move || Records::read(&journal)).await;
    read.unwrap_or_else(|error| Records::unheard(error.to_string()))
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
