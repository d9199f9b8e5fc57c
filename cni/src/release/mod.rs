//! The way back: one record, and everything it names is as it was.
//!
//! The same code for a DEL, for an ADD that failed, and for the daemon's repair. It needs the record only: the PF may be
//! renamed, the interface renamed, the namespace or the device gone. The caller holds the
//! device's lock.

mod addresses;
mod baseline;
mod children;
mod clean;
mod fallback_name;
mod find;
mod host_network;
mod link;
mod pf;
mod reclaim;
mod which;
mod without_bus;

use std::io;

use hardwire_pci::netlink::{Link, NetlinkError, Socket};
use hardwire_pci::{DeviceId, IfName, instance};

use self::clean::From;
use self::link::Restoring;
use crate::Context;
use crate::journal::{JournalError, Record};
use crate::kernel::{LinkChange, change_link};
use crate::netns::NetnsError;
use crate::pf::{PfError, TrunkError};
use crate::queue::FairLock;
use crate::report::{Phase, Phases};

pub use addresses::{release_ipam, release_lease, release_stale_leases};
use pf::PfRestored;

pub use baseline::{end_children_anywhere, return_to_baseline};
pub use fallback_name::{fallback_name, is_fallback_name};
pub use find::{Location, find};
pub use reclaim::{is_abandoned, is_orphaned, reclaim};

/// Why a device is not yet as it was. The record stays, and the next DEL or repair goes on.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The PF refuses.
    #[error("{device}: {source}")]
    Pf {
        /// The device.
        device: DeviceId,
        /// What it refuses.
        source: Box<PfError>,
    },
    /// The PF's driver refuses to take VLANs from the trunk.
    #[error("{device}: {source}")]
    Trunk {
        /// The device.
        device: DeviceId,
        /// What it refuses.
        source: TrunkError,
    },
    /// The kernel refuses to change the interface.
    #[error("{device}: {step}: {source}")]
    Link {
        /// The device.
        device: DeviceId,
        /// What was being done.
        step: String,
        /// The kernel's words.
        source: NetlinkError,
    },
    /// Other interfaces of the host have the device's name and all that stand in for it.
    #[error("{device}: its name {name} is taken on the host, and every name in its place: rename one of them")]
    NamesTaken {
        /// The device.
        device: DeviceId,
        /// The name it had.
        name: String,
    },
    /// A namespace cannot be entered.
    #[error("{device}: {source}")]
    Netns {
        /// The device.
        device: DeviceId,
        /// Why.
        source: NetnsError,
    },
    /// What stays on the interface cannot be noted.
    #[error("{device}: noting what stays on its interface: {source}")]
    Note {
        /// The device.
        device: DeviceId,
        /// Why.
        source: io::Error,
    },
    /// The record cannot be removed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it was, or the device is gone; the record is removed.
    Done,
    /// The device, or its PF, is in a namespace that cannot be reached. The kernel brings it back when that ends; record and
    /// attributes stay for then.
    Unreachable,
}

/// Puts back what a record names, and removes the record when all of it is.
pub fn release(
    context: &Context,
    record: &Record,
    host: &mut Socket,
    phases: &mut Phases,
) -> Result<Outcome, ReleaseError> {
    let mut location = find(context, record, host)?;
    if let Location::Unreachable = location {
        // It may be up, in a namespace that the application made: it keeps the VLAN that isolates it.
        return Ok(Outcome::Unreachable);
    }
    if is_another(context, record, &location) {
        tracing::info!(device = %record.device, "it was made anew since, as another device: nothing of it is changed");
        phases.time(Phase::Journal, || context.journal.remove(&record.device))?;
        return Ok(Outcome::Done);
    }
    if let (Location::Pod { entered, link }, Some(_)) = (&mut location, &record.vf)
        && link.flags.is_up()
    {
        // With the attributes goes the isolation that they make: nothing may leave the pod any more when they do.
        let set_down = || change_link(&mut entered.socket, link.index, &LinkChange::up(false));
        let down = phases.time(Phase::Move, set_down);
        down.map_err(|source| refused(record, "setting it down", source))?;
    }
    // The PF first: while an admin MAC is set, some drivers take no other address (igb), and some take no reset of
    // theirs without trust. Whatever it says, the interface still goes home.
    let pf = record.vf.as_ref().map_or(Ok(PfRestored::NOTHING_TO_DO), |vf| {
        phases.time(Phase::Pf, || pf::restore_vf(context, record, vf, location.link(), host))
    });
    let trunk = record
        .trunk
        .as_ref()
        .map_or(Ok(()), |trunk| trunk.remove(&context.sysfs));
    let trunk = trunk.map_err(|source| ReleaseError::Trunk {
        device: record.device.clone(),
        source,
    });
    let pf = trunk.and(pf);
    let foreign_mac = pf.as_ref().ok().and_then(|told| told.foreign_mac);
    let back = match (location, &record.link) {
        (Location::Pod { entered, link }, Some(original)) => {
            let queued = phases.time(Phase::Lock, || FairLock::acquire(&context.state));
            let back = phases.time(Phase::Move, || {
                let mut restoring = Restoring {
                    context,
                    record,
                    original,
                    host,
                };
                restoring.bring_back(entered, &link, foreign_mac)
            });
            drop(queued);
            back.map(Some)
        }
        (Location::Host(link), Some(original)) => {
            // A DEL that was killed after the move left the rest to do.
            let pod = find::pod(record)?;
            let address = link::Address::of(record, foreign_mac);
            let mut restoring = Restoring {
                context,
                record,
                original,
                host,
            };
            restoring.settle(&link, From::Host, pod, address).map(Some)
        }
        _ => Ok(None),
    };
    let link = back.map(|name| {
        if let Some((original, name)) = record.link.as_ref().zip(name).filter(|(was, is)| was.name != *is) {
            renamed(record, &original.name, &name);
            phases.renamed(&name);
        }
    });
    let told = pf?;
    link?;
    host_network::restore(context, record, host)?;
    if !told.is_done {
        return Ok(Outcome::Unreachable);
    }
    phases.time(Phase::Journal, || context.journal.remove(&record.device))?;
    Ok(Outcome::Done)
}

/// Whether the device on the host is one that was made after the attachment, under the same id. What is in the pod is it.
fn is_another(context: &Context, record: &Record, location: &Location) -> bool {
    let name = match location {
        Location::Host(link) => Some(link.name.as_str()),
        Location::WithoutInterface => None,
        Location::Pod { .. } | Location::Unreachable | Location::Gone => return false,
    };
    let attached = record.instance;
    attached.is_some_and(|attached| instance(&context.sysfs, &record.device, name).is_some_and(|now| now != attached))
}

impl Location {
    fn link(&self) -> Option<&Link> {
        match self {
            Self::Pod { link, .. } | Self::Host(link) => Some(link),
            Self::WithoutInterface | Self::Unreachable | Self::Gone => None,
        }
    }
}

/// A defined end: whoever asks for the device by its old name gets the interface that has it now.
fn renamed(record: &Record, was: &IfName, is: &IfName) {
    tracing::warn!(device = %record.device, "its name {was} is taken on the host: {is} is its name from now on");
}

fn refused(record: &Record, step: &str, source: NetlinkError) -> ReleaseError {
    ReleaseError::Link {
        device: record.device.clone(),
        step: step.to_owned(),
        source,
    }
}
