//! What the daemon tells of itself, to Prometheus and to the kubelet's probes.
//!
//! [`Metrics`] is a handle that every part of the daemon has a copy of, with a plain method for each thing that happens.
//! Counting is a few atomic additions: nothing here waits, and nothing depends on anyone reading it.
//!
//! Contract: the text format of Open Metrics 1.0, and Prometheus' conventions for names: seconds, `_total` for what only grows,
//! labels of few values. Resources are few; devices, pods and containers are many and change, so none of them is a label.
//!
//! - [`families`]: the metrics, their names, help texts and labels;
//! - [`readiness`]: what is missing, and what ended for good;
//! - [`watchdog`]: whether the daemon's main loop still answers;
//! - [`http`]: `/metrics`, `/healthz` and `/readyz`.

pub mod families;
pub mod http;
pub mod readiness;
pub mod watchdog;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardwire_cni::report::Report;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::config::ResourceName;
use crate::events::Origin;
use families::{DeviceLabels, Families, PhaseLabels, PoolLabels, PoolResultLabels, ResultLabels, VerbLabels};
use readiness::{Readiness, Standing};
use tokio::sync::watch;

/// What made the daemon look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A uevent: a device or driver came, went or was bound.
    Udev,
    /// A message of rtnetlink: a link, address or route changed.
    Netlink,
    /// The configuration's file.
    Configuration,
    /// SIGHUP.
    Signal,
    /// A record of an attachment came or went.
    Journal,
    /// The slow timer, for what sends no event.
    Timer,
    /// Events were lost, and everything was read again.
    Overrun,
}

/// What ends with a panic and is needed: dropped while panicking, it makes the daemon not alive.
#[derive(Debug)]
pub struct FatalPanic {
    metrics: Metrics,
    what: String,
}

/// The handle.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: Families,
    readiness: Mutex<Readiness>,
    /// Told when that may have changed.
    changes: watch::Sender<()>,
}

// === impl Source ===

impl Source {
    /// Every source.
    const ALL: [Self; 7] = [
        Self::Udev,
        Self::Netlink,
        Self::Configuration,
        Self::Signal,
        Self::Journal,
        Self::Timer,
        Self::Overrun,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udev => "udev",
            Self::Netlink => "netlink",
            Self::Configuration => "configuration",
            Self::Signal => "signal",
            Self::Journal => "journal",
            Self::Timer => "timer",
            Self::Overrun => "overrun",
        }
    }
}

// === impl FatalPanic ===

impl Drop for FatalPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.metrics.not_alive(format!("{} panicked", self.what));
        }
    }
}

// === impl Metrics ===

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("readiness", &self.0.readiness)
            .finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let families = Families::register(&mut registry);
        families.start_counters();
        Self(Arc::new(Inner {
            registry,
            families,
            readiness: Mutex::default(),
            changes: watch::Sender::new(()),
        }))
    }
}

impl Metrics {
    /// How many devices a pool lists.
    pub fn devices(&self, resource: &ResourceName, healthy: usize, unhealthy: usize) {
        for (state, count) in [("healthy", healthy), ("unhealthy", unhealthy)] {
            let state = DeviceLabels {
                resource: resource.to_string(),
                state,
            };
            self.0.families.devices.get_or_create(&state).set(gauge(count));
        }
    }

    /// How many of them pods hold, according to the kubelet.
    pub fn held(&self, resource: &ResourceName, count: usize) {
        let held = &self.0.families.held;
        held.get_or_create(&PoolLabels::resource(resource)).set(gauge(count));
    }

    /// The kubelet asked for devices.
    pub fn allocated(&self, resource: &ResourceName, ok: bool) {
        let outcome = PoolResultLabels::of(resource, if ok { "ok" } else { "refused" });
        self.0.families.allocations.get_or_create(&outcome).inc();
    }

    /// A pool is being served from now on, and waits to be registered.
    pub fn served(&self, resource: &ResourceName) {
        self.change(|readiness| {
            readiness.pool(resource);
        });
        let of = PoolLabels::resource(resource);
        self.0.families.registered.get_or_create(&of).set(0);
        self.0.families.streams.get_or_create(&of).set(0);
        self.0.families.start_counters_of(resource);
    }

    /// The kubelet took a registration, or what it knew of the pool is lost.
    pub fn registered(&self, resource: &ResourceName, yes: bool) {
        if yes {
            let outcome = PoolResultLabels::of(resource, "ok");
            self.0.families.registrations.get_or_create(&outcome).inc();
        }
        self.change(|readiness| readiness.pool(resource).registered = yes);
        let registered = &self.0.families.registered;
        registered
            .get_or_create(&PoolLabels::resource(resource))
            .set(yes.into());
    }

    /// The kubelet did not take a registration.
    pub fn not_registered(&self, resource: &ResourceName) {
        let outcome = PoolResultLabels::of(resource, "failed");
        self.0.families.registrations.get_or_create(&outcome).inc();
    }

    /// How many `ListAndWatch` streams of a pool are open.
    pub fn streams(&self, resource: &ResourceName, open: usize) {
        self.change(|readiness| readiness.pool(resource).streams = open);
        let streams = &self.0.families.streams;
        streams.get_or_create(&PoolLabels::resource(resource)).set(gauge(open));
    }

    /// A list was sent on a stream.
    pub fn list_sent(&self, resource: &ResourceName) {
        let lists = &self.0.families.lists;
        lists.get_or_create(&PoolLabels::resource(resource)).inc();
    }

    /// A pool is no longer served: its state is told no more. Its counters stay, as counters do.
    pub fn forget(&self, resource: &ResourceName) {
        self.change(|readiness| readiness.forget(resource));
        let (families, of) = (&self.0.families, PoolLabels::resource(resource));
        families.registered.remove(&of);
        families.streams.remove(&of);
        families.held.remove(&of);
        for state in ["healthy", "unhealthy"] {
            families.devices.remove(&DeviceLabels {
                resource: resource.to_string(),
                state,
            });
        }
    }

    /// An attachment that no DEL came for was released, or could not be.
    pub fn repaired(&self, ok: bool) {
        let call = ResultLabels::result(if ok { "ok" } else { "failed" });
        self.0.families.repairs.get_or_create(&call).inc();
    }

    /// Something made the daemon look again.
    pub fn event(&self, source: Source) {
        let source = families::SourceLabels {
            source: source.as_str(),
        };
        self.0.families.events.get_or_create(&source).inc();
    }

    /// Whether the kubelet tells which pod holds which device; else why it is not known.
    pub fn podresources(&self, unheard: Option<&str>) {
        self.0.families.podresources.set(unheard.is_none().into());
        self.change(|readiness| readiness.unheard = unheard.map(str::to_owned));
    }

    /// Whether the journal, which is to be mounted from there, tells what is attached; else why it does not.
    pub fn journal(&self, mount: &Path, unheard: Option<&str>) {
        let mount = families::MountLabels {
            mount: mount.display().to_string(),
        };
        self.0
            .families
            .journal
            .get_or_create(&mount)
            .set(unheard.is_none().into());
        self.change(|readiness| readiness.journal = unheard.map(str::to_owned));
    }

    /// Whether our entry is in the default network's list, if it is to be; else why it is not.
    pub fn chained(&self, missing: Option<String>) {
        self.readiness().chain = missing;
    }

    /// The devices of chained pools are attached to pods, or why they are not.
    pub fn unattached(&self, why: Option<String>) {
        self.readiness().unattached = why;
    }

    /// Why the driver of claims is not registered, if there is to be one.
    pub fn driver(&self, missing: Option<String>) {
        self.change(|readiness| readiness.driver = missing);
    }

    /// What pools say is where the plugin reads it, or why it is not.
    pub fn policies(&self, unwritten: Option<String>) {
        self.readiness().policies = unwritten;
    }

    /// What is not as configured of PFs, and of how many.
    pub fn provisioning(&self, lines: Vec<String>, pfs: usize) {
        let count = i64::try_from(pfs).unwrap_or(i64::MAX);
        self.0.families.unprovisioned.set(count);
        self.readiness().provisioning = lines;
    }

    /// What is not as configured of PFs, a line each.
    pub fn not_provisioned(&self) -> Vec<String> {
        self.readiness().provisioning.clone()
    }

    /// A message of the kernel made no sense.
    pub fn malformed_event(&self, origin: Origin) {
        let source = families::SourceLabels {
            source: origin.as_str(),
        };
        self.0.families.malformed.get_or_create(&source).inc();
    }

    /// The address of the metrics is had, or why it is not.
    pub fn address(&self, missing: Option<String>) {
        self.change(|readiness| readiness.address = missing);
    }

    /// A task that is begun anew when it ends.
    pub fn task(&self, task: &'static str) {
        let task = families::TaskLabels { task };
        drop(self.0.families.restarts.get_or_create(&task));
    }

    /// A task ended by itself, and is begun anew.
    pub fn task_restarted(&self, task: &'static str) {
        let task = families::TaskLabels { task };
        self.0.families.restarts.get_or_create(&task).inc();
    }

    /// Something ended without which the daemon is of no use, and which only a new process brings back.
    pub fn not_alive(&self, reason: String) {
        self.change(|readiness| {
            if !readiness.dead.contains(&reason) {
                readiness.dead.push(reason);
            }
        });
    }

    /// Makes the daemon not alive if it is dropped by a panic; `what` names whose.
    pub fn fatal_panic(&self, what: &str) -> FatalPanic {
        FatalPanic {
            metrics: self.clone(),
            what: what.to_owned(),
        }
    }

    /// Why the daemon is not alive, one line each.
    pub fn dead(&self) -> Vec<String> {
        self.readiness().dead.clone()
    }

    /// The configuration was read again: it is in force, or the old one still is.
    pub fn reloaded(&self, ok: bool) {
        let call = ResultLabels::result(if ok { "ok" } else { "failed" });
        self.0.families.reloads.get_or_create(&call).inc();
    }

    /// A configuration is in force, without these of its pools.
    pub fn configured(&self, refused: Vec<String>) {
        self.0.families.refused_pools.set(gauge(refused.len()));
        self.0.families.in_force.set(1);
        self.change(|readiness| (readiness.refused, readiness.bad_file) = (refused, None));
    }

    /// The configuration file as it is now is of no use, and the one before stays in force.
    pub fn not_configured(&self, why: String) {
        self.0.families.in_force.set(0);
        self.change(|readiness| readiness.bad_file = Some(why));
    }

    /// The plugin told of a call.
    pub fn reported(&self, report: &Report) {
        let families = &self.0.families;
        let verb = match report.verb.as_str() {
            "ADD" => "add",
            "DEL" => "del",
            _ => "other",
        };
        let ended = families::CallLabels {
            verb,
            code: report.code,
        };
        families.attachments.get_or_create(&ended).inc();
        families
            .durations
            .get_or_create(&VerbLabels { verb })
            .observe(seconds(report.total_us));
        for (phase, us) in &report.phases_us {
            let phase = phase.as_str();
            let phases = &families.phases;
            phases.get_or_create(&PhaseLabels { verb, phase }).observe(seconds(*us));
        }
    }

    /// A datagram made no sense.
    pub fn report_refused(&self) {
        self.0.families.refused_reports.inc();
    }

    /// All pools of the configuration are being served: from now on they decide whether the daemon is ready.
    pub fn started(&self) {
        self.change(|readiness| readiness.started = true);
    }

    /// What is missing until everything is ready, one line each.
    pub fn missing(&self) -> Vec<String> {
        self.readiness().missing()
    }

    /// Resources that the kubelet does not know, or does not listen to.
    pub fn unregistered(&self) -> Vec<String> {
        self.readiness().unregistered()
    }

    /// What keeps nobody from being ready and should be known all the same, one line each.
    pub fn notes(&self) -> Vec<String> {
        self.readiness().notes()
    }

    /// How the daemon is.
    pub fn standing(&self) -> Standing {
        self.readiness().standing()
    }

    /// Changes whenever that may be another.
    pub fn standing_changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Everything, in the format that [`http`] serves.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.0.registry)?;
        Ok(out)
    }

    fn change(&self, change: impl FnOnce(&mut Readiness)) {
        change(&mut self.readiness());
        self.0.changes.send_replace(());
    }

    fn readiness(&self) -> MutexGuard<'_, Readiness> {
        self.0.readiness.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
