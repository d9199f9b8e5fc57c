//! The loop's core: an input comes in, the state changes, and what is to be done comes out. Nothing here reads or writes
//! anything, so that each case can be tried as it stands.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::node::AttachBy;
use hardwire_pci::{Device, DeviceId};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, error, info};

use super::assignment_log;
use super::configuration::{Coming, Configuration};
use super::inspections::{self, Inspections};
use super::kernel_events::Hearers;
use super::lists::{Lists, PoolList};
use super::messages::{Effect, Input, Job, Wishes};
use super::pod_questions::PodQuestions;
use super::provisioning::{Provisioning, Task};
use super::scanner::{Scanner, differing, pf_for, pfs};
use super::upper_search::UpperSearch;
use super::verdicts::{Known, Owners, has_kernel_driver, reconcile};
use crate::ask::control::Adopt;
use crate::config::{Config, DriverName, Pool, ResourceName};
use crate::events::backoff::Backoff;
use crate::health::baselines::Baselines;
use crate::ledger::claims::Prepared;
use crate::ledger::{Attachments, Ledger, Ownership};
use crate::pools::{Assignment, Hardware, Profiles, assign, upper_uses};
use crate::provision::node::Survey;
use crate::provision::side_by_side::Outcome;

/// Between looks for what sends no event, while something is outstanding.
const SLOW: Duration = Duration::from_secs(60);
/// Before a file that a lost job should have read is read again.
const RETRY: Duration = Duration::from_secs(1);

/// The state of the node as the daemon knows it.
#[derive(Debug)]
pub(super) struct Core {
    /// What hardware is here.
    pub(super) scanner: Scanner,
    /// Who has what.
    pub(super) ledger: Ledger,
    /// What VFs are like when nobody has them.
    pub(super) baselines: Baselines,
    /// What is on our devices from other namespaces.
    pub(super) search: UpperSearch,
    /// When VFs are looked at.
    inspections: Inspections,
    /// The pools in force, and their lists.
    pub(super) lists: Lists,
    /// Which pool selects what.
    pub(super) assignment: Assignment,
    /// Which DDP profiles adapters are loaded with.
    profiles: Profiles,
    configuration: Configuration,
    /// Whose claims some pools are for.
    pub(super) driver: Option<DriverName>,
    /// Why our entry is in no list of the default network.
    unchained: Option<String>,
    pod_questions: PodQuestions,
    /// PFs as configured.
    pub(super) provisioning: Provisioning,
    /// Devices that left their pools and had documents that somebody may need.
    kept: BTreeSet<String>,
    slow: Option<Instant>,
    /// Pools that could not be served are tried again then, and so much later the next time.
    serve_again: Option<Instant>,
    serving: Backoff,
}

// === impl Core ===

impl Core {
    /// With what was read before anything is served.
    pub(super) fn new(scanner: Scanner, pools: Vec<Pool>, attachments: Attachments, grace: Duration) -> Self {
        Self {
            baselines: Baselines::new(pfs(scanner.hardware())),
            ledger: Ledger::new(attachments, Instant::now()),
            scanner,
            search: UpperSearch::default(),
            inspections: Inspections::default(),
            lists: Lists::new(pools, grace),
            assignment: Assignment::default(),
            profiles: Profiles::default(),
            configuration: Configuration::default(),
            driver: None,
            unchained: None,
            pod_questions: PodQuestions::default(),
            provisioning: Provisioning::default(),
            kept: BTreeSet::new(),
            slow: None,
            serve_again: None,
            serving: Backoff::default(),
        }
    }

    /// The pools that are read for: those in force, or those that are about to be.
    pub(super) fn pools(&self) -> Vec<Pool> {
        let in_force = || self.lists.pools.iter().map(|list| list.pool.clone()).collect();
        self.configuration.coming().map_or_else(in_force, <[Pool]>::to_vec)
    }

    /// Whether our entry is in the default network's list is known before anything is offered.
    pub(super) fn begin_chained(&mut self, missing: Option<String>) {
        self.unchained = missing;
    }

    /// Whose claims some pools are for, and which devices claims have, is known before anything is offered.
    pub(super) fn begin_claimed(&mut self, driver: Option<DriverName>, prepared: &Prepared) {
        self.driver = driver;
        self.ledger.on_claims(prepared, Instant::now());
    }

    /// Something happened.
    pub(super) fn on(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut effects = match input {
            Input::Kernel { event, is_ours } => {
                self.hearers().on_event(event, is_ours, now);
                Vec::new()
            }
            Input::Attachments(attachments) => self.on_attachments(attachments, now),
            Input::Allocated => self.on_allocate(now),
            Input::KubeletSocket => self.on_kubelet_socket(now),
            Input::Kept(devices) => {
                self.kept = devices;
                vec![Effect::show()]
            }
            Input::Claims(prepared) => {
                self.ledger.on_claims(&prepared, now);
                self.reconcile(now);
                vec![Effect::show()]
            }
            Input::Adopt(request) => self.on_adopt(request),
            Input::Apply(request) => {
                self.provisioning.ask(request);
                Vec::new()
            }
            Input::Surveyed(survey) => {
                self.provisioning.surveyed(&survey, now);
                self.reconcile(now);
                vec![Effect::show()]
            }
            Input::Carried(survey, outcomes) => self.on_carried(&survey, &outcomes, now),
            Input::Chained(missing) => {
                self.unchained = missing;
                self.reconcile(now);
                vec![Effect::show()]
            }
            Input::AboutPod(about) => {
                let answer = self.ledger.want(now);
                self.pod_questions.wait(answer, about);
                Vec::new()
            }
            Input::Reload => {
                self.on_reload(now);
                Vec::new()
            }
            Input::ConfigFile => {
                self.configuration.on_file(now);
                Vec::new()
            }
            Input::Timer => self.on_timer(now),
            Input::ConfigRead(config) => self.on_config(config, now),
            Input::Scanned(hardware) => self.on_scanned(hardware, now),
            Input::Hidden(seen) => {
                self.scanner.show(seen);
                self.refresh(now)
            }
            Input::Searched(found, took) => {
                debug!(?found, ?took, "looked into all namespaces");
                self.search.found(found, took, now);
                self.refresh(now)
            }
            Input::Profile(function, answer) => {
                self.profiles.answered(function, answer);
                self.refresh(now)
            }
            Input::PodResources(answer) => {
                self.ledger.on_podresources(answer, now);
                self.provisioning.want_if_blocked(now);
                self.reconcile(now);
                let mut questions = std::mem::take(&mut self.pod_questions);
                questions.answer(&self.ledger, |id| self.owner(id));
                self.pod_questions = questions;
                vec![Effect::NoteGivenAway, Effect::show()]
            }
            Input::Inspected(results) => {
                self.inspections.end();
                for (inspected, events) in results {
                    self.baselines.found(inspected, events);
                }
                self.provisioning.want(now);
                self.reconcile(now);
                vec![Effect::show()]
            }
            Input::Served => {
                self.serve_again = None;
                self.serving.reset();
                Vec::new()
            }
            Input::NotServed => {
                self.serve_again = Some(now + self.serving.pause());
                Vec::new()
            }
            Input::NotConfirmed(pf) => {
                self.baselines.not_confirmed(&pf);
                Vec::new()
            }
            Input::JobLost(job, why) => self.on_lost(job, &why, now),
        };
        self.update_slow(now);
        effects.extend(self.begin(now));
        effects.extend(self.baselines.take_changes().into_iter().map(Effect::Record));
        effects
    }

    /// When something is due that no input tells of.
    pub(super) fn due(&self) -> Option<Instant> {
        let settles = self.baselines.settles().filter(|_| self.inspections.is_idle());
        let times = [
            self.scanner.due(),
            self.configuration.due(),
            self.ledger.due(),
            self.search.due(),
            self.lists.due(),
            self.slow,
            self.serve_again,
            self.provisioning.due(),
            settles,
        ];
        times.into_iter().flatten().min()
    }

    /// Whether the slow timer is what is due.
    pub(super) fn is_slow_due(&self, now: Instant) -> bool {
        self.slow.is_some_and(|slow| slow <= now)
    }

    /// What is due and can begin.
    fn begin(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(anyway) = self.configuration.take(now) {
            effects.push(Effect::ReadConfig { anyway });
        }
        effects.extend(self.scanner.take(now).map(Effect::Scan));
        if self.search.take(now) {
            effects.push(Effect::Search);
        }
        if self.serve_again.is_some_and(|at| at <= now) {
            self.serve_again = None;
            effects.push(Effect::Serve);
        }
        if self.inspections.is_idle() {
            self.baselines.want_settled(now);
        }
        if self.baselines.is_wanted() {
            let scan = self.scanner.scans_until_current();
            self.inspections.want(|| self.ledger.want(now), scan);
        }
        if self.inspections.is_due(self.ledger.answers(), self.scanner.scans()) {
            effects.push(self.inspect(now));
        }
        match self.provisioning.take(now) {
            None => {}
            Some(Task::Survey) => effects.push(Effect::Survey(self.wishes())),
            Some(Task::Carry(pfs)) => effects.push(Effect::Carry(self.wishes(), pfs)),
        }
        if self.ledger.take(now) {
            effects.push(Effect::AskKubelet);
        }
        effects
    }

    /// Looks at the VFs that are to be looked at.
    fn inspect(&mut self, now: Instant) -> Effect {
        let owners = self.owners();
        let (lists, hardware) = (&self.lists.pools, self.scanner.hardware());
        let tasks = inspections::tasks(
            self.baselines.take_wanted(now),
            &self.baselines,
            lists,
            hardware,
            &owners,
        );
        let looked_at = tasks.iter().flat_map(|(task, _)| task.vfs.iter());
        self.baselines
            .begin_adoptions(&looked_at.map(|vf| vf.id.clone()).collect());
        self.inspections.begin(&tasks);
        Effect::Inspect(tasks)
    }

    fn wishes(&self) -> Wishes {
        let owners = self.owners();
        let held = owners.into_iter().filter(|(_, owner)| owner.holding().is_some());
        Wishes {
            entries: self.provisioning.entries().to_vec(),
            forced: self.provisioning.forced(),
            held: held.map(|(id, owner)| (id, owner.to_string())).collect(),
        }
    }

    /// VFs that were changed are new ones, or are to be so from now on.
    fn on_carried(&mut self, survey: &Survey, outcomes: &[Outcome], now: Instant) -> Vec<Effect> {
        self.provisioning.carried(survey, outcomes, now);
        for outcome in outcomes {
            let pf = &outcome.plan.pf.id;
            let is_its = |id: &&DeviceId| self.scanner.seen().inventory.get(id).and_then(Device::pf) == Some(pf);
            let vfs: Vec<DeviceId> = self.lists.ids().filter(is_its).cloned().collect();
            for id in vfs
                .into_iter()
                .filter(|id| self.owner(id).is_free())
                .collect::<Vec<_>>()
            {
                // Nobody waits for it.
                let (reply, _) = oneshot::channel();
                self.baselines.adopt(id, pf, reply);
            }
        }
        self.scanner.want(now);
        self.reconcile(now);
        vec![Effect::show()]
    }

    fn on_timer(&mut self, now: Instant) -> Vec<Effect> {
        if self.is_slow_due(now) {
            self.slow = None;
            self.baselines.want_all();
            self.search.want(now);
            self.provisioning.want_if_blocked(now);
            self.ledger.want(now);
        }
        if self.lists.due().is_some_and(|due| due <= now) {
            self.reconcile(now);
            return vec![Effect::show()];
        }
        Vec::new()
    }

    /// Everything is read again.
    fn on_reload(&mut self, now: Instant) {
        info!("reading configuration and hardware again");
        self.profiles.ask_again();
        self.provisioning.want(now);
        self.hearers().on_everything(now);
        self.configuration.on_reload(now);
    }

    /// Who hears of what the kernel tells.
    fn hearers(&mut self) -> Hearers<'_> {
        Hearers {
            scanner: &mut self.scanner,
            baselines: &mut self.baselines,
            search: &mut self.search,
        }
    }

    fn on_attachments(&mut self, attachments: Attachments, now: Instant) -> Vec<Effect> {
        self.provisioning.want_if_blocked(now);
        for id in self.ledger.on_attachments(attachments, now) {
            debug!(device = %id, "an attachment ended");
            if let Some(pf) = self.scanner.hardware().inventory.get(&id).and_then(Device::pf) {
                self.baselines.want(pf);
            }
            self.baselines.ended.insert(id);
        }
        vec![Effect::LookForHidden]
    }

    fn on_allocate(&mut self, now: Instant) -> Vec<Effect> {
        self.ledger.on_allocate(now);
        // It makes nothing healthy, and what somebody has is seen when the kubelet has booked it: the next Allocate need not wait.
        vec![Effect::NoteAllocated]
    }

    fn on_kubelet_socket(&mut self, now: Instant) -> Vec<Effect> {
        if self.ledger.held().is_none() {
            self.ledger.want(now);
            self.baselines.want_all();
        }
        Vec::new()
    }

    fn on_adopt(&mut self, request: Adopt) -> Vec<Effect> {
        let Adopt { device: id, reply } = request;
        let is_listed = self.lists.has(&id);
        let pf = self.scanner.seen().inventory.get(&id).and_then(Device::pf).cloned();
        let ownership = self.owner(&id);
        let refused = match &pf {
            _ if !is_listed => Some(format!("{id} is in no pool")),
            _ if !ownership.is_free() => Some(format!("{id} is {ownership}")),
            None => Some(format!("{id} has no PF here, and so no idle state")),
            Some(_) => None,
        };
        match (refused, pf) {
            (None, Some(pf)) => self.baselines.adopt(id, &pf, reply),
            (refused, _) => {
                // Who asked may have gone.
                let _ = reply.send(Err(refused.unwrap_or_else(|| format!("{id} is gone"))));
            }
        }
        Vec::new()
    }

    /// Another configuration waits for what its selectors ask for.
    fn on_config(&mut self, config: Option<Box<Config>>, now: Instant) -> Vec<Effect> {
        self.configuration.ended();
        let Some(config) = config else {
            return vec![Effect::Serve];
        };
        self.provisioning.configure(config.pfs.clone(), now);
        self.scanner.want(now);
        self.configuration.read(*config, self.scanner.scans_until_current());
        Vec::new()
    }

    fn on_scanned(&mut self, hardware: Arc<Hardware>, now: Instant) -> Vec<Effect> {
        let (before, stale) = self.scanner.scanned(hardware);
        let hardware = Arc::clone(self.scanner.hardware());
        self.lists.on_scanned(&before, &hardware);
        let mut changed = differing(&before, &hardware);
        if !changed.is_empty() {
            self.provisioning.want(now);
        }
        let mut effects = Vec::new();
        for id in &changed {
            let (was, is) = (before.inventory.get(id), hardware.inventory.get(id));
            if is.is_none() && id.pci().is_some() {
                self.baselines.forget(id);
            }
            // New ones are heard of before they are known: their PFs are told of them now.
            if let Some(pf) = is.and_then(pf_for).filter(|_| was.is_none()) {
                self.baselines.happened(pf, now);
            }
            let has_netdev = |device: Option<&Device>| device.is_some_and(|device| !device.netdevs.is_empty());
            if has_netdev(is) && !has_netdev(was) && self.ledger.is_attached(id) {
                effects.push(Effect::WakeRepair);
            }
        }
        // Offers are made anew of what may come with other character devices.
        let ids = hardware.inventory.devices.iter().map(|device| &device.id);
        changed.extend(ids.filter(|id| stale.has_stale_character_devices(id)).cloned());
        let configured = self.configuration.take_over(self.scanner.scans());
        let is_another = configured.is_some();
        if let Some(Coming { pools, driver }) = configured {
            self.driver = driver;
            self.lists.configure(pools);
            self.assignment = Assignment::default();
            self.baselines.want_all();
        }
        // Its answer places the devices anew.
        effects.push(Effect::LookForHidden);
        if is_another {
            effects.push(Effect::Serve);
        }
        effects.push(Effect::Show { changed });
        effects
    }

    fn on_lost(&mut self, job: Job, why: &str, now: Instant) -> Vec<Effect> {
        error!("{job:?} failed, and is tried again: {why}");
        match job {
            // Its text may be known already.
            Job::ReadConfig => {
                self.configuration.ended();
                self.configuration.on_reload(now + RETRY);
            }
            Job::Scan => self.scanner.lost(now),
            Job::Search => self.search.found(Err(why.to_owned()), Duration::ZERO, now),
            Job::AskProfile => {
                self.profiles.give_up();
                return self.refresh(now);
            }
            Job::Ask => self.ledger.lost(now),
            Job::Provision => {
                self.provisioning.lost(why, now);
                self.reconcile(now);
                return vec![Effect::show()];
            }
            Job::Inspect => {
                self.baselines.lost();
                for pf in self.inspections.end() {
                    self.baselines.happened(&pf, now);
                }
            }
        }
        Vec::new()
    }

    /// Places the devices anew.
    fn refresh(&mut self, now: Instant) -> Vec<Effect> {
        let uppers = self.search.uppers.as_deref().unwrap_or_default();
        let uses = upper_uses(uppers, &self.scanner.seen().inventory);
        self.scanner.show_uppers(uses);
        let pools: Vec<Pool> = self.lists.pools.iter().map(|list| list.pool.clone()).collect();
        let functions = self.profiles.to_ask(self.scanner.seen(), &pools);
        self.scanner.show_profiles(&self.profiles);
        let assignment = assign(self.scanner.seen(), &pools);
        assignment_log::log(&pools, &self.assignment, &assignment);
        self.assignment = assignment;
        self.reconcile(now);
        let ask = (!functions.is_empty()).then_some(Effect::AskProfiles(functions));
        [Effect::show()].into_iter().chain(ask).collect()
    }

    /// Brings lists and health up to date.
    fn reconcile(&mut self, now: Instant) {
        let owners = self.owners();
        let pools = self.lists.pools.iter();
        let resources: Vec<ResourceName> = pools.map(|list| list.pool.resource.clone()).collect();
        let known = Known {
            seen: self.scanner.seen(),
            assignment: &self.assignment,
            resources: &resources,
            baselines: &self.baselines,
            owners: &owners,
            unchained: self.unchained.as_deref(),
            provisioning: &self.provisioning,
        };
        reconcile(&mut self.lists, &known, now);
        for list in &self.lists.pools {
            let resource = list.pool.resource.to_string();
            for (id, owner) in list.entries.keys().filter_map(|id| Some((id, owners.get(id)?))) {
                self.ledger.remember(id, owner, Some(&resource));
            }
        }
    }

    /// Why the devices of chained pools reach no pod; none where there is no such pool either.
    pub(super) fn unattached(&self) -> Option<String> {
        let is_chained = |list: &PoolList| list.pool.attachment.by == AttachBy::Chain;
        let chained = self.lists.pools.iter().find(|list| is_chained(list))?;
        let why = self.unchained.as_ref()?;
        Some(format!(
            "{}: nobody would attach its devices (attach: chain): {why}",
            chained.pool.resource
        ))
    }

    /// The baselines of devices that no pool has any more say nothing of what this node offers.
    pub(super) fn forget_unlisted(&mut self) {
        let known: HashSet<DeviceId> = self.lists.ids().chain(self.ledger.attached()).cloned().collect();
        self.baselines.forget_all_but(known);
    }

    /// Who has each device that is listed or is to be.
    fn owners(&self) -> Owners {
        let selected = (0..self.lists.pools.len()).flat_map(|pool| self.assignment.devices(pool));
        let ids: BTreeSet<&DeviceId> = self.lists.ids().chain(selected).collect();
        ids.into_iter().map(|id| (id.clone(), self.owner(id))).collect()
    }

    /// Who has a device.
    pub(super) fn owner(&self, id: &DeviceId) -> Ownership {
        self.ledger.owner(id, self.is_away(id))
    }

    /// Whether an interface that a device has is not in the host's namespace.
    fn is_away(&self, id: &DeviceId) -> bool {
        let Some(device) = self.scanner.seen().inventory.get(id) else {
            return false;
        };
        let is_hidden = self.scanner.hardware().inventory.get(id).is_none();
        is_hidden || device.netdevs.is_empty() && has_kernel_driver(device) && self.lists.had_netdev(id)
    }

    /// The slow timer runs while an attachment or an allocation is outstanding.
    fn update_slow(&mut self, now: Instant) {
        let is_ours = |id: &str| self.kept.contains(id) || id.parse::<DeviceId>().is_ok_and(|id| self.lists.has(&id));
        self.slow = match self.slow {
            _ if !self.ledger.is_anything_outstanding(is_ours) => None,
            None => Some(now + SLOW),
            slow => slow,
        };
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
