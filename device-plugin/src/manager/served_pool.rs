//! A pool that is being served: its server, and the offer that the kubelet sees.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hardwire_pci::{Device, DeviceId};
use hardwire_proto::deviceplugin::KUBELET_SOCKET;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::lists::{Entry, PoolList};
use crate::config::{Pool, ResourceName};
use crate::container::{HostPaths, Member, Publisher};
use crate::events::backoff::Backoff;
use crate::events::directory::Directory;
use crate::events::socket::{BindError, FileId};
use crate::kubelet::lifecycle::Plugin;
use crate::kubelet::service::Witnesses;
use crate::pools::Hardware;
use crate::pools::offer::Offer;
use crate::telemetry::metrics::Metrics;

/// Pauses before documents that could not be written are tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long the kubelet may take for its first lists before other things are done.
const FIRST_LISTS: Duration = Duration::from_secs(1);

/// What pools are served with.
#[derive(Debug, Clone)]
pub(super) struct ServedWith {
    /// Where things are on this node.
    pub(super) host_paths: HostPaths,
    /// The kubelet's directory of device plugins.
    pub(super) directory: Directory,
    /// Where Allocates are noted, and who is asked about a holder.
    pub(super) witnesses: Witnesses,
    /// The numbers.
    pub(super) metrics: Metrics,
}

/// A pool's server.
#[derive(Debug)]
pub(super) struct ServedPool {
    /// What the offer was made of.
    pool: Pool,
    shown: Vec<Shown>,
    offer: watch::Sender<Arc<Offer>>,
    /// How many streams of its first server are open.
    streams: watch::Receiver<usize>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What an offer says of a device that the hardware does not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    id: DeviceId,
    healthy: bool,
    refused: Option<String>,
    held_as: Option<String>,
    is_held: bool,
}

// === impl ServedPool ===

impl ServedPool {
    /// Serves and registers a pool, with its present list.
    pub(super) fn serve(list: &PoolList, hardware: &Hardware, with: &ServedWith) -> Result<Self, BindError> {
        let shown = shown(list);
        let offer = make(list, &shown, hardware, &with.host_paths);
        let resource = list.pool.resource.clone();
        let plugin = Plugin::start(
            resource.clone(),
            offer,
            with.witnesses.clone(),
            &with.directory,
            &with.metrics,
        )?;
        let publisher = with.host_paths.publisher.clone();
        let streams = plugin.streams();
        let documents = document(resource, plugin.offer().subscribe(), streams.clone(), publisher);
        let (offer, stop) = (plugin.offer(), CancellationToken::new());
        let (plugin, stopped) = (plugin.run(stop.clone()), stop.clone());
        let task = tokio::spawn(async move {
            tokio::join!(plugin, stopped.run_until_cancelled_owned(documents));
        });
        Ok(Self {
            pool: list.pool.clone(),
            shown,
            offer,
            streams,
            stop,
            task,
        })
    }

    /// Which resource it is.
    pub(super) fn resource(&self) -> &ResourceName {
        &self.pool.resource
    }

    /// Shows the kubelet what changed, if anything did. `changed` are the devices that were read anew and are different.
    pub(super) fn publish(
        &mut self,
        list: &PoolList,
        hardware: &Hardware,
        host_paths: &HostPaths,
        changed: &BTreeSet<DeviceId>,
    ) {
        let shown = shown(list);
        let is_touched = |id: &DeviceId| {
            let pf = list.device(hardware, id).and_then(Device::pf);
            changed.contains(id) || pf.is_some_and(|pf| changed.contains(pf))
        };
        let is_same = changed.is_empty() || !list.entries.keys().any(is_touched);
        if is_same && list.pool == self.pool && shown == self.shown {
            return;
        }
        let is_of_the_same = shown
            .iter()
            .map(|shown| &shown.id)
            .eq(self.shown.iter().map(|shown| &shown.id));
        let offer = if is_same && list.pool == self.pool && is_of_the_same {
            with_shown(&self.offer.borrow(), &shown)
        } else {
            make(list, &shown, hardware, host_paths)
        };
        self.pool = list.pool.clone();
        self.shown = shown;
        self.offer.send_if_modified(|old| {
            let differs = **old != offer;
            if differs {
                *old = Arc::new(offer);
            }
            differs
        });
    }

    /// Ends its streams and removes its socket; returns the task that does.
    pub(super) fn end(self) -> JoinHandle<()> {
        self.stop.cancel();
        self.task
    }
}

/// Returns when the kubelet has the first list of each pool, or takes too long; at once where no kubelet is.
pub(super) async fn first_lists(pools: &[ServedPool], directory: &Directory) {
    if FileId::of(&directory.path().join(KUBELET_SOCKET)).is_none() {
        return;
    }
    let all = async {
        for pool in pools {
            taken(pool.streams.clone()).await;
        }
    };
    if timeout(FIRST_LISTS, all).await.is_err() {
        debug!("the kubelet has not asked for all lists yet");
    }
}

fn shown(list: &PoolList) -> Vec<Shown> {
    let shown = |(id, entry): (&DeviceId, &Entry)| Shown {
        id: id.clone(),
        healthy: entry.unhealthy.is_none(),
        refused: entry.refused.as_ref().map(ToString::to_string),
        held_as: entry.held_as.as_ref().map(ToString::to_string),
        is_held: entry.is_held,
    };
    list.entries.iter().map(shown).collect()
}

/// An offer of the same devices, of which something else is said: nothing is read again.
fn with_shown(offer: &Offer, shown: &[Shown]) -> Offer {
    let mut offer = offer.clone();
    for shown in shown {
        if let Some(device) = offer.devices.get_mut(&shown.id.to_string()) {
            device.healthy = shown.healthy;
            device.refused.clone_from(&shown.refused);
            device.held_as.clone_from(&shown.held_as);
            device.is_held = shown.is_held;
        }
    }
    offer
}

fn make(list: &PoolList, shown: &[Shown], hardware: &Hardware, host_paths: &HostPaths) -> Offer {
    let member = |shown: &Shown| {
        let device = list.device(hardware, &shown.id)?;
        Some(Member {
            device,
            pf: hardware.inventory.pf_of(device),
            needs: list.entries.get(&shown.id)?.needs,
            healthy: shown.healthy,
            refused: shown.refused.clone(),
            held_as: shown.held_as.clone(),
            is_held: shown.is_held,
        })
    };
    Offer::new(&list.pool, shown.iter().filter_map(member), host_paths)
}

/// Writes the documents of each offer, one after the other, beside the lists: an Allocate does not wait for it, and sees to
/// its own. The kubelet has its first list before: a thousand files take longer than that should.
async fn document(
    resource: ResourceName,
    mut offers: watch::Receiver<Arc<Offer>>,
    streams: watch::Receiver<usize>,
    publisher: Publisher,
) {
    taken(streams).await;
    let mut previous: Option<Arc<Offer>> = None;
    loop {
        let offer = Arc::clone(&offers.borrow_and_update());
        let (new, before) = (Arc::clone(&offer), previous.take());
        let publish = move |publisher: &Publisher, resource: &_| publisher.publish(resource, before.as_deref(), &*new);
        let mut is_whole = beside(&publisher, &resource, publish).await;
        let mut backoff = Backoff::between(RETRY.0, RETRY.1);
        let changed = loop {
            if is_whole {
                break offers.changed().await;
            }
            // Nothing tells when descriptors or room on the disk are there again.
            match timeout(backoff.pause(), offers.changed()).await {
                Ok(changed) => break changed,
                Err(_elapsed) => {
                    let again = Arc::clone(&offer);
                    let retry = move |publisher: &Publisher, resource: &_| publisher.retry(resource, &*again);
                    is_whole = beside(&publisher, &resource, retry).await;
                }
            }
        };
        if changed.is_err() {
            return;
        }
        // One that is not whole is gone through as a whole the next time.
        previous = is_whole.then_some(offer);
    }
}

/// Returns when a list was sent, or the server ended, which had its chance.
async fn taken(mut streams: watch::Receiver<usize>) {
    // The lock on the count is let go at once.
    let _ = streams.wait_for(|open| *open > 0).await.is_ok();
    // A stream is counted just before its list is made and sent.
    tokio::task::yield_now().await;
}

/// Documents on a thread of their own; returns whether they are all there.
async fn beside(
    publisher: &Publisher,
    resource: &ResourceName,
    write: impl FnOnce(&Publisher, &ResourceName) -> bool + Send + 'static,
) -> bool {
    let (publisher, resource) = (publisher.clone(), resource.clone());
    let written = spawn_blocking(move || write(&publisher, &resource)).await;
    written.unwrap_or_else(|error| {
        warn!("documents: {error}");
        false
    })
}
