//! Whether a device may be given out (a free device is a clean device), as a function of what is known of it.
//!
//! - here: the judgement;
//! - [`admin_mac`]: whether anybody set the admin MAC of a free VF;
//! - [`difference`]: a free VF and its baseline;
//! - [`inspection`]: taking, comparing and restoring baselines;
//! - [`flap_history`]: a device that comes and goes stays away until it has been well for a while.

pub mod admin_mac;
pub mod baselines;
pub mod difference;
pub mod flap_history;
pub mod inspection;

use std::fmt;

use hardwire_pci::DeviceId;

use crate::ledger::{Attachment, HeldAsOther, Ownership};
use crate::pools::HostUse;

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
    pub ownership: &'a Ownership,
    /// The pool that lists it.
    pub resource: &'a str,
    /// That is for claims.
    pub is_for_claims: bool,
    /// What the node uses it for, unless the pool may have it all the same.
    pub host_use: Option<&'a HostUse>,
    /// Why the pool's configuration no longer selects it.
    pub unselected: Option<String>,
    /// Why nobody would attach it to a pod that it was given to.
    pub unattached: Option<&'a str>,
    /// How it or its PF differs from what is configured of PFs, where that is to be put right.
    pub unprovisioned: Option<String>,
    /// That is being put right at this moment.
    pub is_being_provisioned: bool,
    /// How it differs from its baseline.
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
    DiffersFromBaseline(String),
    /// Its attachment has no owner any more and is about to be released.
    UnderRepair,
    /// Its DEL came and could not give it back.
    NotGivenBack,
    /// Somebody has it as another resource.
    HeldAsOther(HeldAsOther),
    /// Nobody would attach it to its pod.
    Unattached(String),
    /// It or its PF is not as configured, and is to be made so.
    NotProvisioned(String),
    /// It was unhealthy too often of late.
    Flapping,
}

impl UnhealthyReason {
    /// A name that stays the same whatever the text says.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::PfGone(_) => "pf-gone",
            Self::NoCarrier(_) => "no-carrier",
            Self::NoDriver => "no-driver",
            Self::Unselected(_) => "unselected",
            Self::UsedByNode(_) => "used-by-node",
            Self::DiffersFromBaseline(_) => "not-idle",
            Self::UnderRepair => "under-repair",
            Self::NotGivenBack => "not-given-back",
            Self::HeldAsOther(_) => "held-as-other",
            Self::Flapping => "flapping",
            Self::Unattached(_) => "unattached",
            Self::NotProvisioned(_) => "not-provisioned",
        }
    }
}

impl fmt::Display for UnhealthyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("gone from the bus"),
            Self::PfGone(pf) => write!(f, "its PF {pf} is gone"),
            Self::NoCarrier(pf) => write!(f, "its PF {pf} has no carrier"),
            Self::NoDriver => f.write_str("no driver is bound to it"),
            Self::Unselected(why) | Self::NotProvisioned(why) => f.write_str(why),
            Self::UsedByNode(host_use) => host_use.fmt(f),
            Self::DiffersFromBaseline(difference) => write!(f, "free, but not in its idle state: {difference}"),
            Self::UnderRepair => f.write_str("under repair: its pod is gone and no DEL came"),
            Self::NotGivenBack => f.write_str("under repair: its DEL came, and could not give it back"),
            Self::HeldAsOther(other) => other.fmt(f),
            Self::Unattached(why) => write!(f, "nobody would attach it to its pod (attach: chain): {why}"),
            Self::Flapping => f.write_str("well again, but unhealthy too often of late"),
        }
    }
}

/// Why a device may not be given out; `None` if it may.
///
/// What somebody else uses is theirs: of such a device only what breaks it counts, never how it is configured. An Allocate
/// alone makes nobody its user yet, and nothing right that was wrong.
pub fn unhealthy_reason(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    let is_anybodys = input.ownership.holding().is_none() || input.ownership.is_only_allocated();
    missing(input)
        .or_else(|| under_repair(input))
        .or_else(|| without_driver(input))
        .or_else(|| held_as_other(input))
        .or_else(|| is_anybodys.then(|| not_as_it_should_be(input)).flatten())
        .or_else(|| input.carrierless_pf.map(|pf| UnhealthyReason::NoCarrier(pf.clone())))
}

/// Why an Allocate of the device is refused, which fails the pod for good; `None` if it is granted. One whose old attachment
/// is still being taken down is: the next ADD waits for that. Whether another pod has it is asked anew at each Allocate.
pub fn refusal(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    // While it is attached, what the host has of it is about to come back.
    let host_use = input.host_use.filter(|_| input.ownership.attachment().is_none());
    missing(input)
        .or_else(|| without_driver(input))
        .or_else(|| host_use.map(|host_use| UnhealthyReason::UsedByNode(host_use.clone())))
        .or_else(|| unattached(input))
        .or_else(|| unprovisioned(input).filter(|_| input.is_being_provisioned))
}

fn unprovisioned(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    input.unprovisioned.clone().map(UnhealthyReason::NotProvisioned)
}

fn unattached(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    input.unattached.map(|why| UnhealthyReason::Unattached(why.to_owned()))
}

fn missing(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    if !input.is_there {
        return Some(UnhealthyReason::Gone);
    }
    input.lost_pf.map(|pf| UnhealthyReason::PfGone(pf.clone()))
}

fn under_repair(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    match input.ownership.attachment()? {
        Attachment::Orphaned => Some(UnhealthyReason::UnderRepair),
        Attachment::NotGivenBack => Some(UnhealthyReason::NotGivenBack),
        Attachment::Living | Attachment::Ending => None,
    }
}

fn without_driver(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    input.driver.is_none().then_some(UnhealthyReason::NoDriver)
}

fn held_as_other(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    let other = input.ownership.held_as_other(input.resource, input.is_for_claims)?;
    Some(UnhealthyReason::HeldAsOther(other))
}

/// Of a device that nobody has.
fn not_as_it_should_be(input: &HealthInput<'_>) -> Option<UnhealthyReason> {
    if let Some(host_use) = input.host_use {
        return Some(UnhealthyReason::UsedByNode(host_use.clone()));
    }
    if let Some(why) = &input.unselected {
        return Some(UnhealthyReason::Unselected(why.clone()));
    }
    if let Some(unattached) = unattached(input) {
        return Some(unattached);
    }
    if let Some(unprovisioned) = unprovisioned(input) {
        return Some(unprovisioned);
    }
    // A difference seen while the device was known to be free stays one while nobody can tell.
    let difference = input.difference?;
    Some(UnhealthyReason::DiffersFromBaseline(difference.to_owned()))
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
