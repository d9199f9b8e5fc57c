//! The daemon's loop: what happens on the node, what the configuration says, and what the kubelet does, become lists.
//!
//! Single-threaded. Whatever blocks (sysfs, netlink, the journal) is done elsewhere, one job of a kind at a time; its result
//! comes back as one more event. Nothing wakes up without a reason (rule 10): timers run only while something is due.
//!
//! - `served_pool`: a pool that is being served;
//! - `lists`: which device is in which list, and for how long;
//! - `verdicts`: what is known of a listed device, and the verdict;
//! - `findings`: what is left for the plugin;
//! - `jobs`: what is done elsewhere;
//! - `view`: what others are told;
//! - `setup`: the beginning, and another configuration.

mod findings;
mod jobs;
mod lists;
mod served_pool;
mod setup;
mod verdicts;
mod view;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::Context;
use hardwire_pci::{Device, DeviceId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::ask::control::Adopt;
use crate::config::Defaults;
use crate::container::HostPaths;
use crate::events::debounce::Debounce;
use crate::events::directory::Directory;
use crate::events::{Change, DevicePath, Event, Events};
use crate::health::baselines::Baselines;
use crate::ledger::allocations::Allocations;
use crate::ledger::given_away;
use crate::ledger::podresources::{Held, PodResources};
use crate::ledger::repair::Attachments;
use crate::pools::{Assignment, Hardware, Stale};
use crate::telemetry::metrics::watchdog::Pulse;
use crate::telemetry::metrics::{Metrics, Source};
use jobs::Done;
use served_pool::ServedPool;

pub use setup::{Setup, StartError};

/// Between looks for what sends no event, while something is outstanding.
const SLOW: Duration = Duration::from_secs(60);

/// The daemon.
#[derive(Debug)]
pub struct Manager {
    pulse: Pulse,
    context: Context,
    boot: String,
    config: PathBuf,
    /// The configuration's text as it was read last.
    text: String,
    defaults: Defaults,
    host_paths: HostPaths,
    grace: Duration,
    directory: Directory,
    events: Events,
    config_changes: watch::Receiver<()>,
    kubelet_changes: Option<watch::Receiver<()>>,
    attachment_changes: watch::Receiver<Attachments>,
    requests: mpsc::Receiver<Adopt>,
    reload: Arc<tokio::sync::Notify>,

    pools: Vec<ServedPool>,
    /// Pools whose sockets could not be made.
    unserved: bool,
    hardware: Arc<Hardware>,
    /// The hardware, with what is hidden in pods.
    seen: Arc<Hardware>,
    assignment: Assignment,
    attachments: Attachments,
    held: Option<Held>,
    podresources: PodResources,
    allocations: Arc<Allocations>,
    baselines: Baselines,
    search: findings::Search,

    stale: Stale,
    debounce: Debounce,
    config_debounce: Debounce,
    jobs: JoinSet<Done>,
    is_scanning: bool,
    is_inspecting: bool,
    /// How many times the hardware was read.
    scans: u64,
    /// The kubelet has answered, and VFs are inspected after so many looks.
    inspects_after: Option<u64>,
    /// When lists change by themselves: a grace ends, or a calm.
    next: Option<Instant>,
    slow: Option<Instant>,
    view: view::Written,
    metrics: Metrics,
}

// === impl Manager ===

impl Manager {
    /// Runs until told to stop; then ends all pools.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            self.start_jobs();
            let due = self.due();
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.events.next() => self.on_event(event),
                Ok(()) = self.attachment_changes.changed() => self.on_attachments(),
                () = self.pulse.beat() => {}
                () = self.allocations.noted() => self.on_allocate(),
                Some(request) = self.requests.recv() => self.on_request(request),
                () = self.reload.notified() => self.rescan().await,
                Ok(()) = self.config_changes.changed() => self.config_debounce.on_event(Instant::now()),
                Some(()) = changed(&mut self.kubelet_changes) => self.on_kubelet_socket(),
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => match done {
                    Ok(done) => self.on_done(done),
                    Err(error) => self.lost(&error),
                },
                () = until(due) => self.on_timer().await,
            }
        }
        self.jobs.abort_all();
        let ends: Vec<_> = self.pools.into_iter().map(|pool| tokio::spawn(pool.end())).collect();
        for end in ends {
            // Each has its own bounds.
            let _ = end.await;
        }
    }

    fn due(&self) -> Option<Instant> {
        let looks = self.debounce.due().filter(|_| !self.is_scanning);
        let settles = self.baselines.settles().filter(|_| !self.is_inspecting);
        let times = [
            looks,
            self.config_debounce.due(),
            self.next,
            self.slow,
            settles,
            self.search.due(),
        ];
        times.into_iter().flatten().min()
    }

    async fn on_timer(&mut self) {
        let now = Instant::now();
        if self.config_debounce.take(now) {
            self.reread_config().await;
        }
        if !self.is_scanning && self.debounce.take(now) {
            self.scan();
        }
        if !self.is_inspecting {
            self.baselines.want_settled(now);
        }
        if self.search.take(now) {
            self.search_uppers();
        }
        if self.next.is_some_and(|next| next <= now) {
            self.reconcile(&BTreeSet::new());
        }
        if self.slow.is_some_and(|slow| slow <= now) {
            self.slow = None;
            self.metrics.event(Source::Timer);
            self.baselines.want_all();
            self.search.want(now);
            self.outstanding();
        }
    }

    /// Everything is read again, as SIGHUP wants it.
    async fn rescan(&mut self) {
        info!("reading configuration and hardware again");
        self.metrics.event(Source::Signal);
        self.text.clear();
        self.reread_config().await;
        self.stale = Stale::everything();
        let now = Instant::now();
        for pf in jobs::pfs(&self.hardware) {
            self.baselines.happened(&pf, now);
        }
        if self.is_scanning {
            self.debounce.on_event(Instant::now());
        } else {
            self.scan();
        }
    }

    fn on_event(&mut self, event: Event) {
        let now = Instant::now();
        self.metrics.event(match event {
            Event::Device { .. } => Source::Udev,
            Event::Link(_) | Event::Address(_) | Event::DefaultRoute(_) => Source::Netlink,
            Event::Overrun => Source::Overrun,
        });
        debug!(?event, "event");
        let mut of_link = false;
        let device = match event {
            Event::Overrun => {
                warn!("events were lost: reading everything again");
                self.stale.all = true;
                for pf in jobs::pfs(&self.hardware) {
                    self.baselines.happened(&pf, now);
                }
                self.debounce.on_event(now);
                self.search.want(now);
                return;
            }
            Event::Device { path, change } => {
                self.device_changed(&path, change);
                if let DevicePath::Netdevsim(number) = path {
                    for pf in jobs::pfs_of_netdevsim(&self.hardware, number) {
                        self.baselines.happened(&pf, now);
                    }
                }
                let id = match &path {
                    DevicePath::Pci(address) => Some(DeviceId::Pci(*address)),
                    _ => None,
                };
                self.stale.paths.insert(path);
                self.debounce.on_event(now);
                self.search.want(now);
                id.and_then(|id| self.hardware.inventory.get(&id))
            }
            Event::Link(index) => {
                let owner = self.hardware.owner_of(index);
                let path = owner.and_then(|device| DevicePath::of_device(&device.id));
                let Some(path) = path else { return };
                self.stale.paths.insert(path);
                self.debounce.on_event(now);
                self.search.want(now);
                of_link = true;
                owner
            }
            Event::Address(index) => return self.use_changed(Some(index), now),
            Event::DefaultRoute(index) => return self.use_changed(index, now),
        };
        let pf = device.and_then(|device| Some((jobs::pf_for(device)?.clone(), device.pf().is_some())));
        if let Some((pf, of_vf)) = pf {
            self.pf_happened(&pf, of_vf && of_link, now);
        }
    }

    /// Something happened to a PF or to one of its VFs. Each ADD and DEL is such an event too: if each put all records of the PF
    /// out of use, many at once would go back to asking the PF.
    fn pf_happened(&mut self, pf: &DeviceId, only_vf: bool, now: Instant) {
        let mut vfs = self.hardware.inventory.devices.iter();
        let is_ours = |device: &Device| device.pf() == Some(pf) && self.context.journal.is_changing(&device.id);
        let still = self.baselines.is_in_force(pf) && vfs.any(is_ours);
        if still || self.baselines.is_in_force(pf) && self.baselines.was_ours(pf, now) {
            self.baselines.happened_by_us(pf, now, still);
        } else if only_vf {
            self.baselines.happened_to_vf(pf, now);
        } else {
            self.baselines.happened(pf, now);
        }
    }

    /// Whether the node uses an interface, or any, may have changed.
    fn use_changed(&mut self, interface: Option<u32>, now: Instant) {
        match interface.map(|index| self.hardware.owner_of(index)) {
            None => self.stale.all_used = true,
            Some(Some(device)) => drop(self.stale.used.insert(device.id.clone())),
            Some(None) => return,
        }
        self.debounce.on_event(now);
    }

    fn device_changed(&mut self, path: &DevicePath, change: Change) {
        let DevicePath::Pci(address) = path else { return };
        let id = DeviceId::Pci(*address);
        match change {
            // Under an id that another device may have had.
            Change::Added | Change::Removed => self.baselines.forget(&id),
            Change::Driver => drop(self.baselines.rebound.insert(id)),
            Change::Other => {}
        }
    }

    fn on_attachments(&mut self) {
        self.metrics.event(Source::Journal);
        let now = self.attachment_changes.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.attachments, now);
        for id in before.keys().filter(|id| !self.attachments.contains_key(*id)) {
            debug!(device = %id, "an attachment ended");
            self.baselines.ended.insert(id.clone());
            if let Some(pf) = self.hardware.inventory.get(id).and_then(Device::pf) {
                self.baselines.want(pf);
            }
        }
        self.outstanding();
        self.refresh();
    }

    fn on_kubelet_socket(&mut self) {
        if self.held.is_none() {
            self.baselines.want_all();
        }
    }

    /// The kubelet allocates devices. One that is attached has lost its owner by that.
    fn on_allocate(&mut self) {
        given_away::allocated(&self.context, self.allocations.take_news());
        self.outstanding();
    }

    /// The slow timer runs while an attachment or an allocation is outstanding.
    fn outstanding(&mut self) {
        let is_ours = |id: &str| {
            let id = id.parse::<DeviceId>();
            id.is_ok_and(|id| self.pools.iter().any(|pool| pool.entries.contains_key(&id)))
        };
        let held = self.held.as_ref();
        let outstanding = !self.attachments.is_empty()
            || !self.allocations.is_empty()
            || held.is_some_and(|held| held.iter().any(|(id, _)| is_ours(id)));
        self.slow = match self.slow {
            _ if !outstanding => None,
            None => Some(Instant::now() + SLOW),
            slow => slow,
        };
    }

    fn on_request(&mut self, request: Adopt) {
        let Adopt { device: id, reply } = request;
        let refused = if self.pools.iter().all(|pool| !pool.entries.contains_key(&id)) {
            Some(format!("{id} is in no pool"))
        } else {
            let device = self.seen.inventory.get(&id);
            match (device.and_then(Device::pf), self.usage(&id).in_use()) {
                (_, Some(why)) => Some(format!("{id} is {why}")),
                (None, None) => Some(format!("{id} has no PF here, and so no idle state")),
                (Some(_), None) => None,
            }
        };
        let pf = self.seen.inventory.get(&id).and_then(Device::pf).cloned();
        match (refused, pf) {
            (None, Some(pf)) => self.baselines.adopt(id, &pf, reply),
            (refused, _) => {
                // Who asked may have gone.
                let _ = reply.send(Err(refused.unwrap_or_else(|| format!("{id} is gone"))));
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn changed(changes: &mut Option<watch::Receiver<()>>) -> Option<()> {
    match changes {
        Some(changes) => changes.changed().await.ok(),
        None => None,
    }
}
