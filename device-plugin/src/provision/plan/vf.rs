//! The steps of one VF.

use hardwire_cni::kernel::VfAttribute;
use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::netlink::VfState;

use super::super::now::VfNow;
use super::super::step::{Step, VfChange, described};
use super::{Around, PfPlan, vf_name};
use crate::config::pfs::{VfWanted, WantedDriver};

/// What an interface has that nobody gave another (`ETH_DATA_LEN`).
const NEW_MTU: u32 = 1500;

/// The steps of a VF; `now` is none where it is made anew. One that somebody has is left alone.
pub(super) fn steps(
    plan: &mut PfPlan,
    index: u32,
    wanted: &VfWanted,
    now: Option<&VfNow>,
    around: &Around<'_>,
) -> Vec<(Phase, Step)> {
    let changes = match now {
        None => of_new(wanted),
        Some(now) => {
            let holder = around.holders.of(now);
            let is_free = holder.is_none() && around.holders.unknown().is_none();
            let was_left = around.record.is_some_and(|record| record.pending);
            let (changes, differences) = of_existing(wanted, now, is_free, was_left);
            let name = vf_name(index, now.id.as_ref());
            for text in &differences {
                plan.differs(Some(index), text.clone());
            }
            if !is_free {
                let because = holder
                    .or_else(|| around.holders.unknown().map(str::to_owned))
                    .unwrap_or_default();
                let waiting = differences.into_iter();
                plan.waiting
                    .extend(waiting.map(|text| format!("{name}: {text}: {because}")));
                return Vec::new();
            }
            changes
        }
    };
    let phased = changes
        .into_iter()
        .map(|change| (phase(&change), Step::Vf { index, change }));
    phased.collect()
}

/// When a change of a VF comes: its vectors while it is bound to nothing, its MTU when its interface is there.
pub(super) type Phase = u8;

fn phase(change: &VfChange) -> Phase {
    match change {
        VfChange::Msix(_) => 0,
        VfChange::Attributes(_) => 1,
        VfChange::Driver(_) => 2,
        VfChange::Mtu(_) => 3,
    }
}

/// Of one that is made anew, everything that is wanted.
fn of_new(wanted: &VfWanted) -> Vec<VfChange> {
    let mut changes = Vec::new();
    changes.extend(wanted.msix_count.map(VfChange::Msix));
    let attributes = attributes(wanted, &VfState::default());
    if !attributes.is_empty() {
        changes.push(VfChange::Attributes(attributes));
    }
    let driver = wanted.driver.clone();
    let unbound_for_vectors = wanted.msix_count.map(|_| WantedDriver::Default);
    changes.extend(driver.or(unbound_for_vectors).map(VfChange::Driver));
    changes.extend(wanted.mtu.filter(|mtu| *mtu != NEW_MTU).map(VfChange::Mtu));
    changes
}

/// Of one that is there, what differs. What a pod that has it may set is not compared then.
/// `was_left` in the middle: an override that is there then was about to go.
fn of_existing(wanted: &VfWanted, now: &VfNow, is_free: bool, was_left: bool) -> (Vec<VfChange>, Vec<String>) {
    let (mut changes, mut differences) = (Vec::new(), Vec::new());
    let other_driver = wanted.driver.as_ref().filter(|driver| !is_bound(driver, now, was_left));
    let driver_now = now.driver.as_deref().unwrap_or("none");
    let mut binds = other_driver.cloned();
    if let Some(count) = wanted.msix_count.filter(|count| now.msix != Some(*count)) {
        let known = now
            .msix
            .map_or_else(|| "not known".to_owned(), |count| count.to_string());
        differences.push(format!("msixCount is {known}, and {count} wanted"));
        changes.push(VfChange::Msix(count));
        let again = wanted.driver.clone().or_else(|| {
            let driver = now.driver.clone()?;
            let is_default = !is_userspace_driver(&driver);
            Some(if is_default {
                WantedDriver::Default
            } else {
                WantedDriver::Named(driver)
            })
        });
        binds = binds.or(again);
    }
    if is_free && now.state.is_none() {
        let wanted: Vec<String> = attributes(wanted, &VfState::default()).iter().map(described).collect();
        if !wanted.is_empty() {
            let wanted = wanted.join(", ");
            differences.push(format!("{wanted} wanted, and what its PF holds about it is not known"));
        }
    }
    if let (true, Some(state)) = (is_free, &now.state) {
        let wanted: Vec<VfAttribute> = attributes(wanted, state)
            .into_iter()
            .filter(|attribute| !is_set(attribute, state))
            .collect();
        if !wanted.is_empty() {
            let words: Vec<String> = wanted.iter().map(described).collect();
            differences.push(format!("{} wanted", words.join(", ")));
            changes.push(VfChange::Attributes(wanted));
        }
    }
    if let Some(driver) = other_driver {
        differences.push(format!("its driver is {driver_now}, and {driver} wanted"));
    }
    changes.extend(binds.map(VfChange::Driver));
    if let Some(mtu) = wanted.mtu.filter(|mtu| is_free && now.mtu != Some(*mtu)) {
        let known = now.mtu.map_or_else(|| "not known".to_owned(), |mtu| mtu.to_string());
        differences.push(format!("mtu is {known}, and {mtu} wanted"));
        changes.push(VfChange::Mtu(mtu));
    }
    (changes, differences)
}

fn is_bound(wanted: &WantedDriver, now: &VfNow, was_left: bool) -> bool {
    match (wanted, &now.driver) {
        (WantedDriver::Named(name), Some(driver)) => name == driver && !(was_left && now.driver_override.is_some()),
        (WantedDriver::Default, Some(driver)) => !is_userspace_driver(driver) && now.driver_override.is_none(),
        (_, None) => false,
    }
}

/// What is wanted of the PF about a VF in state `now`, in the kernel's order.
fn attributes(wanted: &VfWanted, now: &VfState) -> Vec<VfAttribute> {
    let has_rate = wanted.min_tx_rate.is_some() || wanted.max_tx_rate.is_some();
    let attributes = [
        wanted.vlan.map(|vlan| VfAttribute::Vlan {
            id: vlan.id,
            qos: vlan.qos,
            protocol: vlan.protocol,
        }),
        has_rate.then(|| VfAttribute::Rate {
            min: wanted.min_tx_rate.unwrap_or(now.min_tx_rate),
            max: wanted.max_tx_rate.unwrap_or(now.max_tx_rate),
        }),
        wanted.spoofchk.map(VfAttribute::SpoofCheck),
        wanted.link_state.map(VfAttribute::LinkState),
        wanted.trust.map(VfAttribute::Trust),
    ];
    attributes.into_iter().flatten().collect()
}

fn is_set(attribute: &VfAttribute, state: &VfState) -> bool {
    match *attribute {
        VfAttribute::Mac(mac) => state.mac == Some(mac),
        VfAttribute::Vlan { id, qos, protocol } => {
            let has = (state.vlan, state.qos, state.vlan_protocol);
            has == (id, qos, protocol) || id == 0 && state.vlan == 0
        }
        VfAttribute::Rate { min, max } => (state.min_tx_rate, state.max_tx_rate) == (min, max),
        VfAttribute::SpoofCheck(on) => state.spoofchk == Some(on),
        VfAttribute::LinkState(link_state) => state.link_state == link_state,
        VfAttribute::Trust(on) => state.trust == Some(on),
    }
}
