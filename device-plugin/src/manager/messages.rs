//! What the loop hears of, and what it wants done: all that goes in and out of its core.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::node::Upper;
use hardwire_pci::{DeviceId, PciAddress};

use crate::ask::control::{Adopt, Apply};
use crate::ask::pods::AboutPod;
use crate::config::Config;
use crate::config::pfs::PfEntry;
use crate::events::Event;
use crate::health::baselines::RecordChange;
use crate::health::inspection::{Inspected, Task};
use crate::ledger::Attachments;
use crate::ledger::claims::Prepared;
use crate::ledger::podresources::{Held, PodResourcesError};
use crate::pools::ddp::DdpError;
use crate::pools::{Hardware, Stale};
use crate::provision::node::Survey;
use crate::provision::side_by_side::Outcome;

/// Something happened.
#[derive(Debug)]
pub(super) enum Input {
    /// The kernel told of a change. `is_ours` if an attachment of ours makes it at this moment.
    Kernel { event: Event, is_ours: bool },
    /// The journal is another one.
    Attachments(Attachments),
    /// The kubelet allocates devices.
    Allocated,
    /// The kubelet's podresources socket came or went.
    KubeletSocket,
    /// Documents of these devices are kept, which their pools have no more.
    Kept(BTreeSet<String>),
    /// Claims were prepared or unprepared.
    Claims(Arc<Prepared>),
    /// An operator asks.
    Adopt(Adopt),
    /// An operator wants PFs made as configured.
    Apply(Apply),
    /// Our entry is in the default network's list, or why it is not.
    Chained(Option<String>),
    /// The plugin asks about a pod.
    AboutPod(AboutPod),
    /// An operator wants everything read again.
    Reload,
    /// The configuration's file may have changed.
    ConfigFile,
    /// It is time for something.
    Timer,
    /// The configuration was read: another one than before, and good; or nothing to take over.
    ConfigRead(Option<Box<Config>>),
    /// The hardware was read.
    Scanned(Arc<Hardware>),
    /// What is hidden in pods was added to the hardware that was read last.
    Hidden(Arc<Hardware>),
    /// Other namespaces were looked into, which took so long.
    Searched(Result<Vec<Upper>, String>, Duration),
    /// The adapter with this function was asked for its DDP profile.
    Profile(PciAddress, Result<String, DdpError>),
    /// The kubelet has answered, or could not be heard.
    PodResources(Result<Held, PodResourcesError>),
    /// VFs were looked at, each PF's after so many events.
    Inspected(Vec<(Inspected, u64)>),
    /// The records of a PF's VFs could not be put in force.
    NotConfirmed(DeviceId),
    /// PFs were compared with their configuration.
    Surveyed(Survey),
    /// Something was done about it.
    Carried(Survey, Vec<Outcome>),
    /// All pools are served.
    Served,
    /// Some pools are not: their sockets cannot be made.
    NotServed,
    /// A job has panicked, or came to nothing for another reason.
    JobLost(Job, String),
}

/// What is done beside the loop, one of a kind at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// Reading the configuration.
    ReadConfig,
    /// Reading the hardware.
    Scan,
    /// Looking into other namespaces.
    Search,
    /// Asking adapters for their DDP profiles.
    AskProfile,
    /// Asking the kubelet.
    Ask,
    /// Looking at VFs.
    Inspect,
    /// Comparing PFs with their configuration, or making them so.
    Provision,
}

/// Something is to be done, in this order.
#[derive(Debug)]
pub(super) enum Effect {
    /// Read the configuration; tell of it even if its text is the same with `anyway`.
    ReadConfig { anyway: bool },
    /// Read again what is stale.
    Scan(Stale),
    /// Look at what is hidden in pods. Answered at once.
    LookForHidden,
    /// Look into other namespaces.
    Search,
    /// Ask adapters for their DDP profiles, each by one of its functions.
    AskProfiles(Vec<PciAddress>),
    /// Ask the kubelet.
    AskKubelet,
    /// Look at VFs.
    Inspect(Vec<(Task, u64)>),
    /// Compare PFs with their configuration.
    Survey(Wishes),
    /// Make these so.
    Carry(Wishes, BTreeSet<DeviceId>),
    /// Change the records of VFs.
    Record(RecordChange),
    /// Note on the records of these devices that their owners have ended.
    NoteAllocated,
    /// The same of devices that the kubelet says another pod has.
    NoteGivenAway,
    /// Let repair look: a device that was attached is back.
    WakeRepair,
    /// End the pools that are not configured any more, and serve those that are not served yet.
    Serve,
    /// Show everybody what is the case now. `changed` are devices that were read anew and are different.
    Show { changed: BTreeSet<DeviceId> },
}

/// What PFs should be like, and what only the loop knows.
#[derive(Debug, Clone)]
pub(super) struct Wishes {
    /// The entries in force.
    pub(super) entries: Vec<PfEntry>,
    /// PFs that are changed whatever it interrupts.
    pub(super) forced: BTreeSet<String>,
    /// Who has which VF, by the ledger.
    pub(super) held: BTreeMap<DeviceId, String>,
}

// === impl Effect ===

impl Effect {
    /// Whether it is of no account for the first lists.
    pub(super) fn can_wait(&self) -> bool {
        matches!(self, Self::AskKubelet | Self::Survey(_) | Self::Carry(..))
    }

    /// Show what is the case, of devices that are as they were.
    pub(super) fn show() -> Self {
        Self::Show {
            changed: BTreeSet::new(),
        }
    }
}
