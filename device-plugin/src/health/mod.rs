//! Whether a device may be given out (rule 7: a free device is a clean device), as a function of what is known of it.
//!
//! - here: the judgement;
//! - [`admin_mac`]: whether anybody set the admin MAC of a free VF;
//! - [`difference`]: a free VF and its idle record;
//! - [`inspection`]: taking, comparing and restoring idle records;
//! - [`flap_history`]: a device that comes and goes stays away until it has been well for a while.

pub mod admin_mac;
pub mod baselines;
pub mod difference;
pub mod flap_history;
pub mod inspection;

use std::fmt;

use hardwire_pci::DeviceId;

use crate::pools::HostUse;

/// Who has a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Nobody: no record, interface (if any) on the host, held by no pod, no Allocate unaccounted for.
    Free,
    /// An attachment of ours.
    Attached,
    /// An attachment of ours whose pod is gone and for which no DEL came yet.
    Orphaned,
    /// A pod, an Allocate, or somebody who took its interface to another namespace.
    HeldElsewhere,
    /// Nobody knows: the kubelet does not tell who holds what.
    Unknown,
}

/// What is known of a listed device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthInput<'a> {
    /// It is in this machine.
    pub is_there: bool,
    /// Its PF, if that is not in this machine.
    pub lost_pf: Option<&'a DeviceId>,
    /// Its PF, if that has no carrier and the pool minds.
    pub carrierless_pf: Option<&'a DeviceId>,
    /// The bound driver.
    pub driver: Option<&'a str>,
    /// Who has it.
    pub usage: Usage,
    /// What the node uses it for, unless the pool may have it all the same.
    pub host_use: Option<&'a HostUse>,
    /// Why the pool's configuration no longer selects it.
    pub unselected: Option<String>,
    /// How it differs from its idle record.
    pub difference: Option<&'a str>,
}

/// Why a device is not given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnhealthyReason {
    /// It is not in this machine any more.
    Gone,
    /// Its PF is not.
    PfGone(DeviceId),
    /// Its PF has no carrier.
    NoCarrier(DeviceId),
    /// No driver is bound to it.
    NoDriver,
    /// The pool's configuration no longer selects it.
    Unselected(String),
    /// The node uses it.
    UsedByNode(HostUse),
    /// It is free, and not in its idle state.
    NotIdle(String),
    /// Its attachment has no owner any more and is about to be released.
    UnderRepair,
    /// It was unhealthy too often of late.
    Flapping,
}

impl fmt::Display for UnhealthyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("gone from the bus"),
            Self::PfGone(pf) => write!(f, "its PF {pf} is gone"),
            Self::NoCarrier(pf) => write!(f, "its PF {pf} has no carrier"),
            Self::NoDriver => f.write_str("no driver is bound to it"),
            Self::Unselected(why) => f.write_str(why),
            Self::UsedByNode(host_use) => host_use.fmt(f),
            Self::NotIdle(difference) => write!(f, "free, but not in its idle state: {difference}"),
            Self::UnderRepair => f.write_str("under repair: its pod is gone and no DEL came"),
            Self::Flapping => f.write_str("well again, but unhealthy too often of late"),
        }
    }
}

/// Why a device may not be given out; `None` if it may.
///
/// What somebody else uses is theirs: of such a device only what breaks it counts, never how it is configured.
pub fn unhealthy_reason(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    if !input.is_there {
        return Some(UnhealthyReason::Gone);
    }
    if let Some(pf) = input.lost_pf {
        return Some(UnhealthyReason::PfGone(pf.clone()));
    }
    if input.usage == Usage::Orphaned {
        return Some(UnhealthyReason::UnderRepair);
    }
    if input.driver.is_none() {
        return Some(UnhealthyReason::NoDriver);
    }
    if matches!(input.usage, Usage::Free | Usage::Unknown) {
        if let Some(host_use) = input.host_use {
            return Some(UnhealthyReason::UsedByNode(host_use.clone()));
        }
        if let Some(why) = &input.unselected {
            return Some(UnhealthyReason::Unselected(why.clone()));
        }
        // A difference seen while the device was known to be free stays one while nobody can tell.
        if let Some(difference) = input.difference {
            return Some(UnhealthyReason::NotIdle(difference.to_owned()));
        }
    }
    input.carrierless_pf.map(|pf| UnhealthyReason::NoCarrier(pf.clone()))
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
