//! A pool that is being served: its list, and the offer that the kubelet sees of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use hardwire_pci::{Device, DeviceId};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lists::Entries;
use crate::config::{Pool, ResourceName};
use crate::container::{HostPaths, Member, Publisher};
use crate::events::directory::Directory;
use crate::events::socket::BindError;
use crate::kubelet::lifecycle::Plugin;
use crate::ledger::allocations::Allocations;
use crate::pools::Hardware;
use crate::pools::offer::Offer;
use crate::telemetry::metrics::Metrics;

/// A pool and its server.
#[derive(Debug)]
pub(super) struct ServedPool {
    /// What the configuration says.
    pub(super) pool: Pool,
    /// Its devices.
    pub(super) entries: Entries,
    offer: Option<watch::Sender<Arc<Offer>>>,
    /// What the offer was made of.
    shown: Vec<(DeviceId, bool)>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

// === impl ServedPool ===

impl ServedPool {
    /// A pool that is not served yet.
    pub(super) fn new(pool: Pool) -> Self {
        Self {
            pool,
            entries: Entries::new(),
            offer: None,
            shown: Vec::new(),
            stop: CancellationToken::new(),
            task: None,
        }
    }

    /// Whether it is served.
    pub(super) fn is_served(&self) -> bool {
        self.task.is_some()
    }

    /// Serves and registers it, with its present list.
    pub(super) async fn serve(
        &mut self,
        hardware: &Hardware,
        host_paths: &HostPaths,
        allocations: &Arc<Allocations>,
        directory: &Directory,
        metrics: &Metrics,
    ) -> Result<(), BindError> {
        self.shown = self.shows();
        let offer = self.make(hardware, host_paths);
        let resource = self.pool.resource.clone();
        let plugin = Plugin::start(resource, offer, Arc::clone(allocations), directory, metrics).await?;
        let documents = document(
            self.pool.resource.clone(),
            plugin.offer().subscribe(),
            plugin.streams(),
            host_paths.publisher.clone(),
        );
        self.offer = Some(plugin.offer());
        let (plugin, stop) = (plugin.run(self.stop.clone()), self.stop.clone());
        self.task = Some(tokio::spawn(async move {
            tokio::join!(plugin, stop.run_until_cancelled_owned(documents));
        }));
        Ok(())
    }

    /// Shows the kubelet what changed, if anything did. `changed` are the devices that were read anew and are different.
    pub(super) fn publish(
        &mut self,
        hardware: &Hardware,
        host_paths: &HostPaths,
        changed: &BTreeSet<DeviceId>,
        anew: bool,
    ) {
        // The first offer is made when it is served.
        let Some(sender) = &self.offer else { return };
        let shows = self.shows();
        let is_touched = |id: &DeviceId| {
            let pf = self.device(hardware, id).and_then(Device::pf);
            changed.contains(id) || pf.is_some_and(|pf| changed.contains(pf))
        };
        let is_same = changed.is_empty() || !self.entries.keys().any(is_touched);
        if is_same && !anew && shows == self.shown {
            return;
        }
        let offer = self.make(hardware, host_paths);
        self.shown = shows;
        sender.send_if_modified(|old| {
            let differs = **old != offer;
            if differs {
                *old = Arc::new(offer);
            }
            differs
        });
    }

    /// A device of the list, as it is or as it was last seen.
    pub(super) fn device<'a>(&'a self, hardware: &'a Hardware, id: &DeviceId) -> Option<&'a Device> {
        let ghost = || self.entries.get(id).and_then(|entry| entry.ghost.as_deref());
        hardware.inventory.get(id).or_else(ghost)
    }

    fn shows(&self) -> Vec<(DeviceId, bool)> {
        let shown = self.entries.iter();
        shown
            .map(|(id, entry)| (id.clone(), entry.unhealthy.is_none()))
            .collect()
    }

    fn make(&self, hardware: &Hardware, host_paths: &HostPaths) -> Offer {
        let member = |(id, healthy): &(DeviceId, bool)| {
            let device = self.device(hardware, id)?;
            Some(Member {
                device,
                pf: hardware.inventory.pf_of(device),
                needs: self.entries.get(id)?.needs,
                healthy: *healthy,
            })
        };
        let shows = self.shows();
        Offer::new(&self.pool, shows.iter().filter_map(member), host_paths)
    }

    /// Ends its streams and removes its socket.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // Its own bounds end it; one that panicked has ended.
            let _ = task.await;
        }
    }
}

/// Writes the documents of each offer, one after the other, beside the lists: an Allocate does not wait for it, and sees to
/// its own. The kubelet has its first list before: a thousand files take longer than that should.
async fn document(
    resource: ResourceName,
    mut offers: watch::Receiver<Arc<Offer>>,
    mut streams: watch::Receiver<usize>,
    publisher: Publisher,
) {
    // The lock on the count is let go at once. A server that ended had its chance.
    let _ = streams.wait_for(|open| *open > 0).await.is_ok();
    let mut previous: Option<Arc<Offer>> = None;
    loop {
        let offer = Arc::clone(&offers.borrow_and_update());
        publisher.publish(&resource, previous.as_deref(), &offer).await;
        previous = Some(offer);
        if offers.changed().await.is_err() {
            return;
        }
    }
}
