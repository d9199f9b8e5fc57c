//! The daemon's loop: what happens on the node, what the configuration says, and what the kubelet does, become lists.
//!
//! The core hears of what happened, changes its state, and says what is to be done; it reads and writes nothing. Around it,
//! this file waits for whatever may happen and does what the core wants done. What blocks (sysfs, netlink, the journal, the
//! kubelet) is a job beside the loop, one of a kind at a time, and its result is one more thing that happened. Nothing wakes up
//! without a reason: there is one timer, and it runs while something is due.
//!
//! - `messages`: what goes in and out of the core; `core`: the core;
//! - its parts, each with a state of its own: `scanner` (what hardware is here), `lists` (which device is in which list),
//!   `inspections` (when VFs are compared with their records), `upper_search` (when other namespaces are searched),
//!   `configuration`, and the ledger and the baselines of the directories of those names;
//! - `kernel_events`: which part hears of what the kernel tells;
//! - `pod_questions`: what the plugin waits for the kubelet to tell;
//! - `provisioning`: PFs as configured;
//! - `verdicts`: what is known of a listed device, and what that means;
//! - `jobs`: what is done beside the loop; `served_pool`, `claimable`, `findings`, `policies`, `view`, `assignment_log`: what others are shown;
//! - `setup`: the beginning.

mod assignment_log;
mod claimable;
mod configuration;
mod core;
mod findings;
mod hidden;
mod inspections;
mod jobs;
mod kernel_events;
mod lists;
mod messages;
mod pod_questions;
mod policies;
mod provisioning;
mod scanner;
mod served_pool;
mod setup;
mod upper_search;
mod verdicts;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardwire_cni::Context;
use hardwire_pci::DeviceId;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::core::Core;
use self::jobs::Jobs;
use self::lists::PoolList;
use self::messages::{Effect, Input};
use self::served_pool::{ServedPool, ServedWith};
use crate::ask::control::{Adopt, Apply};
use crate::ask::pods::AboutPod;
use crate::cluster::Snapshot;
use crate::config::ResourceName;
use crate::dra::Claimable;
use crate::events::{Event, Events};
use crate::health::baselines::RecordChange;
use crate::ledger::claims::Prepared;
use crate::ledger::state_directory::StateDirectory;
use crate::ledger::{Attachments, given_away};
use crate::telemetry::metrics::watchdog::Pulse;
use crate::telemetry::metrics::{Metrics, Source};

pub use setup::{Setup, StartError};

/// The daemon.
#[derive(Debug)]
pub struct Manager {
    core: Core,
    inputs: Inputs,
    jobs: Jobs,
    context: Context,
    state: StateDirectory,
    boot: String,
    returned: Arc<Notify>,
    served_with: ServedWith,
    served: Vec<ServedPool>,
    /// Pools that are not configured any more, and are not at their ends yet.
    ending: BTreeMap<ResourceName, JoinHandle<()>>,
    /// What is done when the kubelet has its first lists.
    after_first_lists: Vec<Effect>,
    findings: findings::WrittenFindings,
    policies: policies::WrittenPolicies,
    view: view::Written,
    /// Takes what the cluster is told of, where it is told anything.
    cluster: Option<watch::Sender<Option<Snapshot>>>,
    /// Takes which devices claims may have.
    claimable: watch::Sender<Arc<Claimable>>,
    metrics: Metrics,
}

/// Where the loop hears of things.
#[derive(Debug)]
struct Inputs {
    pulse: Pulse,
    events: Events,
    config: watch::Receiver<()>,
    kubelet_socket: Option<watch::Receiver<()>>,
    attachments: watch::Receiver<Attachments>,
    requests: mpsc::Receiver<Adopt>,
    apply: mpsc::Receiver<Apply>,
    pod_questions: mpsc::Receiver<AboutPod>,
    chained: watch::Receiver<Option<String>>,
    prepared: watch::Receiver<Arc<Prepared>>,
    reload: Arc<Notify>,
}

/// What woke the loop.
enum Next {
    /// An event of which more has to be known.
    Kernel(Event),
    /// What could not be shown is shown again.
    Show,
    Input(Box<Input>),
}

impl From<Input> for Next {
    fn from(input: Input) -> Self {
        Self::Input(Box::new(input))
    }
}

// === impl Manager ===

impl Manager {
    /// Runs until told to stop; then ends all pools.
    pub async fn run(mut self, stop: CancellationToken) {
        // One thread does it all, and the kubelet waits for nothing but its lists.
        let first_lists = served_pool::first_lists(&self.served, &self.served_with.directory);
        if stop.run_until_cancelled(first_lists).await.is_some() {
            let effects = std::mem::take(&mut self.after_first_lists);
            self.perform_all(effects).await;
        }
        loop {
            let (due, unwritten) = (self.core.due(), self.policies.due());
            let allocations = Arc::clone(self.core.ledger.allocations());
            let (inputs, publisher) = (&mut self.inputs, &self.served_with.host_paths.publisher);
            let next = tokio::select! {
                () = stop.cancelled() => break,
                () = inputs.pulse.beat() => continue,
                event = inputs.events.next() => Next::Kernel(event),
                Ok(()) = inputs.attachments.changed() => Input::Attachments(inputs.attachments.borrow_and_update().clone()).into(),
                () = allocations.noted() => Input::Allocated.into(),
                Some(request) = inputs.requests.recv() => Input::Adopt(request).into(),
                Some(request) = inputs.apply.recv() => Input::Apply(request).into(),
                Ok(()) = inputs.chained.changed() => Input::Chained(inputs.chained.borrow_and_update().clone()).into(),
                Ok(()) = inputs.prepared.changed() => Input::Claims(Arc::clone(&inputs.prepared.borrow_and_update())).into(),
                Some(about) = inputs.pod_questions.recv() => Input::AboutPod(about).into(),
                () = inputs.reload.notified() => Input::Reload.into(),
                Ok(()) = inputs.config.changed() => Input::ConfigFile.into(),
                Some(()) = changed(&mut inputs.kubelet_socket) => Input::KubeletSocket.into(),
                Some(input) = self.jobs.next() => input.into(),
                () = publisher.kept() => Input::Kept(publisher.kept_devices()).into(),
                () = until(due) => Input::Timer.into(),
                () = until(unwritten) => Next::Show,
            };
            let input = match next {
                Next::Kernel(event) => self.kernel(event),
                Next::Show => {
                    self.show(&BTreeSet::new());
                    continue;
                }
                Next::Input(input) => *input,
            };
            self.count(&input);
            self.handle(input).await;
        }
        let ends = self.served.into_iter().map(ServedPool::end);
        for end in ends.chain(self.ending.into_values()) {
            // Each has its own bounds.
            let _ = end.await;
        }
    }

    /// Tells the core, and does what it wants done. What an effect leads to comes before the next effect.
    async fn handle(&mut self, input: Input) {
        let effects = self.core.on(input, Instant::now());
        self.perform_all(effects).await;
    }

    async fn perform_all(&mut self, mut effects: Vec<Effect>) {
        effects.reverse();
        while let Some(effect) = effects.pop() {
            if let Some(input) = self.perform(effect).await {
                let more = self.core.on(input, Instant::now());
                effects.extend(more.into_iter().rev());
            }
        }
    }

    async fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::ReadConfig { anyway } => self.jobs.read_config(anyway),
            Effect::Scan(stale) => self.jobs.scan(stale, self.core.scanner.hardware(), self.core.pools()),
            Effect::Search => self.jobs.search(),
            Effect::AskProfiles(functions) => self.jobs.ask_profiles(functions),
            Effect::AskKubelet => self.jobs.ask_kubelet(),
            Effect::Inspect(tasks) => return self.jobs.inspect(tasks, self.core.scanner.hardware(), &self.boot),
            Effect::Survey(wishes) => self.jobs.survey(wishes),
            Effect::Carry(wishes, pfs) => self.jobs.carry(wishes, pfs),
            Effect::LookForHidden => {
                let ids = self.core.lists.ids().chain(self.core.ledger.attached());
                let seen = hidden::with_hidden(&self.context.sysfs, self.core.scanner.hardware(), ids);
                return Some(Input::Hidden(seen));
            }
            Effect::Record(change) => return self.record(change),
            Effect::NoteAllocated => {
                given_away::allocated(&self.context, self.core.ledger.allocations().take_news());
            }
            Effect::NoteGivenAway => self.note_given_away(),
            Effect::WakeRepair => self.returned.notify_one(),
            Effect::Serve => return Some(self.serve().await),
            Effect::Show { changed } => self.show(&changed),
        }
        None
    }

    /// Whether an attachment of ours makes a change at this moment, only its device's lock tells.
    fn kernel(&self, event: Event) -> Input {
        match &event {
            Event::Malformed(origin) => self.metrics.malformed_event(*origin),
            Event::Deaf(origin, reason) => self.metrics.not_alive(format!("{origin} are heard no more: {reason}")),
            _ => {}
        }
        let vfs = kernel_events::vfs_concerned(&self.core.scanner, &self.core.baselines, &event);
        let is_ours = vfs.iter().any(|vf| self.context.journal.is_changing(vf));
        Input::Kernel { event, is_ours }
    }

    fn count(&self, input: &Input) {
        let source = match input {
            Input::Kernel { event, .. } => match event {
                Event::Device { .. } | Event::CharacterDevices => Source::Udev,
                Event::Link(_) | Event::Address(_) | Event::DefaultRoute(_) => Source::Netlink,
                Event::Overrun | Event::Malformed(_) | Event::Deaf(..) => Source::Overrun,
            },
            Input::Attachments(_) => Source::Journal,
            Input::Reload => Source::Signal,
            Input::ConfigRead(Some(_)) => Source::Configuration,
            Input::Timer if self.core.is_slow_due(Instant::now()) => Source::Timer,
            _ => return,
        };
        self.metrics.event(source);
    }

    fn record(&self, change: RecordChange) -> Option<Input> {
        let records = &self.context.baselines;
        let (device, done) = match change {
            RecordChange::Withdraw(pf) => (pf.clone(), records.withdraw(&pf)),
            RecordChange::Remove(id) => (id.clone(), records.remove(&id)),
            RecordChange::RemoveAllBut(known) => {
                for record in records
                    .all()
                    .into_iter()
                    .filter(|record| !known.contains(&record.device))
                {
                    if let Err(error) = records.remove(&record.device) {
                        warn!(device = %record.device, "its idle record is not removed: {error}");
                    }
                }
                return None;
            }
            RecordChange::Confirm(pf, generation) => {
                if let Err(error) = records.set_generation(&pf, generation) {
                    warn!(%pf, "the idle records of its VFs do not count: {error}");
                    return Some(Input::NotConfirmed(pf));
                }
                return None;
            }
        };
        if let Err(error) = done {
            warn!(%device, "its idle records are not taken back: {error}");
        }
        None
    }

    fn note_given_away(&self) {
        let ledger = &self.core.ledger;
        if let Some(held) = ledger.held().filter(|_| ledger.attached().next().is_some()) {
            given_away::held(&self.context, held);
        }
        for list in &self.core.lists.pools {
            let is_held = |id: &&DeviceId| ledger.held().is_some_and(|held| held.holder(&id.to_string()).is_some());
            let count = list.entries.keys().filter(is_held).count();
            self.metrics.held(&list.pool.resource, count);
        }
        self.metrics.podresources(ledger.kubelet_unheard());
        self.metrics.journal(&self.context.state, ledger.journal_unheard());
    }

    /// Ends what is not configured any more, and serves what is not served.
    async fn serve(&mut self) -> Input {
        let lists = &self.core.lists.pools;
        let is_it = |list: &PoolList, pool: &ServedPool| list.is_served() && list.pool.resource == *pool.resource();
        let is_configured = |pool: &ServedPool| lists.iter().any(|list| is_it(list, pool));
        let (kept, removed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.served).into_iter().partition(is_configured);
        self.served = kept;
        for pool in removed {
            let resource = pool.resource().clone();
            info!(%resource, "its socket goes");
            self.served_with.host_paths.publisher.withdraw(&resource);
            self.ending.insert(resource, pool.end());
        }
        self.ending.retain(|_, end| !end.is_finished());
        let mut outcome = Input::Served;
        for list in lists.iter().filter(|list| list.is_served()) {
            if self.served.iter().any(|pool| pool.resource() == &list.pool.resource) {
                continue;
            }
            if let Some(end) = self.ending.remove(&list.pool.resource) {
                // Its socket's name is wanted again.
                let _ = end.await;
            }
            match ServedPool::serve(list, self.core.scanner.seen(), &self.served_with) {
                Ok(pool) => self.served.push(pool),
                Err(error) => {
                    error!(resource = %list.pool.resource, "not served: {error}");
                    outcome = Input::NotServed;
                }
            }
        }
        self.core.forget_unlisted();
        outcome
    }

    /// Everybody sees what is the case.
    fn show(&mut self, changed: &BTreeSet<DeviceId>) {
        let (core, state) = (&self.core, self.state.path());
        let (lists, seen) = (&core.lists.pools, core.scanner.seen());
        let uppers = core.search.uppers.as_deref();
        self.findings
            .write((state, &self.boot), uppers, lists, &core.assignment, seen);
        // Only the node's own directory is the plugin's.
        let path = self
            .state
            .unknown()
            .is_none()
            .then_some(self.context.policies.as_path());
        self.policies.write(path, lists);
        self.metrics.policies(self.policies.unwritten());
        self.metrics.unattached(core.unattached());
        self.metrics
            .provisioning(core.provisioning.lines(), core.provisioning.differing());
        for list in lists {
            let resource = &list.pool.resource;
            let mut served = self.served.iter_mut();
            if let Some(pool) = served.find(|pool| pool.resource() == resource) {
                pool.publish(list, seen, &self.served_with.host_paths, changed);
            }
            let healthy = list.entries.values().filter(|entry| entry.unhealthy.is_none()).count();
            self.metrics.devices(resource, healthy, list.entries.len() - healthy);
        }
        let claimable = claimable::claimable(core);
        self.claimable.send_if_modified(|before| {
            let is_another = **before != claimable;
            if is_another {
                *before = Arc::new(claimable);
            }
            is_another
        });
        let view = self.view.write(state, lists);
        if let Some(cluster) = &self.cluster {
            let snapshot = Some(view::snapshot(&view, core));
            cluster.send_if_modified(|before| {
                let is_another = *before != snapshot;
                *before = snapshot;
                is_another
            });
        }
        self.release_documents();
    }

    /// Documents of devices that left their pools go when nobody has the devices. Not knowing is no reason.
    fn release_documents(&self) {
        let held = |id: &str| id.parse().is_ok_and(|id| !self.core.owner(&id).is_free());
        self.served_with.host_paths.publisher.release(held);
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
