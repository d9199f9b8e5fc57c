//! The metrics: name, meaning, labels.

use hardwire_cni::protocol::code;
use hardwire_cni::report::Phase;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::Source;
use crate::config::ResourceName;
use crate::events::Origin;

/// Upper bounds in seconds. A phase takes microseconds to milliseconds, an IPAM plugin with a server of its own seconds; a
/// runtime gives up after some minutes, but nobody needs to tell such attachments apart.
const BUCKETS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PoolLabels {
    resource: String,
}

/// Devices of a pool in a state. The states exclude each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DeviceLabels {
    pub(super) resource: String,
    pub(super) state: &'static str,
}

/// What came of something about a pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PoolResultLabels {
    resource: String,
    result: &'static str,
}

/// What came of something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabels {
    result: &'static str,
}

/// Where an event came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SourceLabels {
    pub(super) source: &'static str,
}

/// Where something is to be mounted from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct MountLabels {
    pub(super) mount: String,
}

/// A task of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TaskLabels {
    pub(super) task: &'static str,
}

/// How a call of the plugin ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CallLabels {
    pub(super) verb: &'static str,
    pub(super) code: u32,
}

/// A call of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct VerbLabels {
    pub(super) verb: &'static str,
}

/// A part of a call of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PhaseLabels {
    pub(super) verb: &'static str,
    pub(super) phase: &'static str,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) devices: Family<DeviceLabels, Gauge>,
    pub(super) held: Family<PoolLabels, Gauge>,
    pub(super) allocations: Family<PoolResultLabels, Counter>,
    pub(super) registered: Family<PoolLabels, Gauge>,
    pub(super) registrations: Family<PoolResultLabels, Counter>,
    pub(super) streams: Family<PoolLabels, Gauge>,
    pub(super) lists: Family<PoolLabels, Counter>,
    pub(super) attachments: Family<CallLabels, Counter>,
    pub(super) durations: Histograms<VerbLabels>,
    pub(super) phases: Histograms<PhaseLabels>,
    pub(super) refused_reports: Counter,
    pub(super) repairs: Family<ResultLabels, Counter>,
    pub(super) events: Family<SourceLabels, Counter>,
    pub(super) reloads: Family<ResultLabels, Counter>,
    pub(super) malformed: Family<SourceLabels, Counter>,
    pub(super) restarts: Family<TaskLabels, Counter>,
    pub(super) podresources: Gauge,
    pub(super) journal: Family<MountLabels, Gauge>,
    pub(super) refused_pools: Gauge,
    pub(super) in_force: Gauge,
    pub(super) unprovisioned: Gauge,
}

// === impl PoolLabels ===

impl PoolLabels {
    pub(super) fn resource(resource: &ResourceName) -> Self {
        Self {
            resource: resource.to_string(),
        }
    }
}

// === impl PoolResultLabels ===

impl PoolResultLabels {
    pub(super) fn of(resource: &ResourceName, result: &'static str) -> Self {
        Self {
            resource: resource.to_string(),
            result,
        }
    }
}

// === impl ResultLabels ===

impl ResultLabels {
    pub(super) fn result(result: &'static str) -> Self {
        Self { result }
    }
}

// === impl Families ===

impl Families {
    /// Makes them known. The encoder adds `_total` to counters and `_info` to infos, and a full stop to each help text.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let registry = registry.sub_registry_with_prefix("hardwired");
        let families = Self {
            devices: Family::default(),
            held: Family::default(),
            allocations: Family::default(),
            registered: Family::default(),
            registrations: Family::default(),
            streams: Family::default(),
            lists: Family::default(),
            attachments: Family::default(),
            durations: Family::new_with_constructor(histogram),
            phases: Family::new_with_constructor(histogram),
            refused_reports: Counter::default(),
            repairs: Family::default(),
            events: Family::default(),
            reloads: Family::default(),
            malformed: Family::default(),
            restarts: Family::default(),
            podresources: Gauge::default(),
            journal: Family::default(),
            refused_pools: Gauge::default(),
            in_force: Gauge::default(),
            unprovisioned: Gauge::default(),
        };
        registry.register(
            "build",
            "The running program",
            Info::new([("version", env!("CARGO_PKG_VERSION")), ("commit", hardwire_cni::COMMIT)]),
        );
        families.of_pools(registry);
        families.of_attachments(registry);
        registry.register(
            "repairs",
            "Releases of attachments that no DEL came for",
            families.repairs.clone(),
        );
        registry.register(
            "events",
            "Events that made the daemon look again",
            families.events.clone(),
        );
        registry.register(
            "podresources_heard",
            "1 while the kubelet tells which pod holds which device, else 0: what it does not tell is not repaired",
            families.podresources.clone(),
        );
        families.of_itself(registry);
        families.of_configuration(registry);
        families
    }

    /// Makes the counters with labels that are known beforehand: one that appears with its first event hides that event
    /// from `increase()`.
    pub(super) fn start_counters(&self) {
        for verb in ["add", "del"] {
            for code in code::ALL {
                drop(self.attachments.get_or_create(&CallLabels { verb, code }));
            }
            drop(self.durations.get_or_create(&VerbLabels { verb }));
            for phase in Phase::ALL.map(Phase::as_str) {
                drop(self.phases.get_or_create(&PhaseLabels { verb, phase }));
            }
        }
        for result in ["ok", "failed"].map(ResultLabels::result) {
            drop(self.repairs.get_or_create(&result));
            drop(self.reloads.get_or_create(&result));
        }
        for source in Origin::ALL.map(Origin::as_str) {
            drop(self.malformed.get_or_create(&SourceLabels { source }));
        }
        for source in Source::ALL.map(Source::as_str) {
            drop(self.events.get_or_create(&SourceLabels { source }));
        }
    }

    /// The same for a pool.
    pub(super) fn start_counters_of(&self, resource: &ResourceName) {
        for result in ["ok", "refused"] {
            drop(self.allocations.get_or_create(&PoolResultLabels::of(resource, result)));
        }
        for result in ["ok", "failed"] {
            drop(
                self.registrations
                    .get_or_create(&PoolResultLabels::of(resource, result)),
            );
        }
        drop(self.lists.get_or_create(&PoolLabels::resource(resource)));
    }

    fn of_itself(&self, registry: &mut Registry) {
        registry.register(
            "journal_heard",
            "1 while the journal of the node can be read, else 0: the mount is missing, or is not the node's, and nothing is repaired",
            self.journal.clone(),
        );
        registry.register(
            "malformed_events",
            "Messages of the kernel that made no sense; everything was read again",
            self.malformed.clone(),
        );
        registry.register(
            "task_restarts",
            "Tasks of the daemon that ended by themselves and were begun anew",
            self.restarts.clone(),
        );
    }

    fn of_configuration(&self, registry: &mut Registry) {
        registry.register(
            "config_reloads",
            "Changed configurations that were read; with result failed, the one before stays in force",
            self.reloads.clone(),
        );
        registry.register(
            "pools_refused",
            "Pools of the configuration in force that are not run; /readyz names them",
            self.refused_pools.clone(),
        );
        registry.register(
            "config_in_force",
            "1 while the configuration file as it is now is in force, 0 while it is of no use and the one before it is",
            self.in_force.clone(),
        );
        registry.register(
            "pfs_not_as_configured",
            "PFs that are not as the configuration says (pfs); /readyz says how they differ",
            self.unprovisioned.clone(),
        );
    }

    fn of_pools(&self, registry: &mut Registry) {
        registry.register("devices", "Devices that a pool lists, by state", self.devices.clone());
        registry.register("devices_held", "Devices of a pool that pods hold", self.held.clone());
        registry.register("allocations", "Calls of Allocate", self.allocations.clone());
        registry.register(
            "registered",
            "1 while the kubelet has taken the pool's registration and listens, else 0",
            self.registered.clone(),
        );
        registry.register(
            "registrations",
            "Attempts to register a pool",
            self.registrations.clone(),
        );
        registry.register(
            "list_streams",
            "Open ListAndWatch streams of a pool",
            self.streams.clone(),
        );
        registry.register("lists_sent", "Lists of devices sent to the kubelet", self.lists.clone());
    }

    fn of_attachments(&self, registry: &mut Registry) {
        registry.register(
            "attachments",
            "Calls of the CNI plugin, by error code (0 for success)",
            self.attachments.clone(),
        );
        registry.register_with_unit(
            "attachment_duration",
            "How long calls of the CNI plugin took",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register_with_unit(
            "attachment_phase_duration",
            "How long each phase of the CNI plugin's calls took",
            Unit::Seconds,
            self.phases.clone(),
        );
        registry.register(
            "reports_refused",
            "Datagrams on the reports socket that made no sense",
            self.refused_reports.clone(),
        );
    }
}
