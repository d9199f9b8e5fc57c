//! VFs that are not made, PFs without a link, devices that cannot be read.

use std::time::{Duration, SystemTime};

use hardwire_pci::{Device, DeviceId, Function};

use super::commands::{of_plain_words, plain_word};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::{Finding, Severity};
use crate::commands::doctor::name::Name;
use crate::config::{Candidate, DeviceType, OnCarrierLoss, Pool};
use crate::pools::{PoolMatch, Reason};

/// What keeps a VF out of a pool now, and need not once it is there.
const MAY_CHANGE: [&str; 9] = [
    "devices",
    "drivers",
    "pciAddresses",
    "acpiIndexes",
    "linkTypes",
    "ddpProfiles",
    "pKeys",
    "isRdma",
    "vdpaType",
];

/// What changes with a device's driver.
const OF_DRIVER: [&str; 6] = ["drivers", "linkTypes", "ddpProfiles", "pKeys", "isRdma", "vdpaType"];

/// An index that no PF has a VF of: `TotalVFs` has 16 bits.
const BEYOND: u32 = 1 << 16;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for device in &facts.hardware.hardware.inventory.devices {
        found.extend(without_vfs(facts, device));
        found.extend(without_link(facts, device));
    }
    let skipped = &facts.hardware.hardware.inventory.skipped;
    found.extend(skipped.iter().map(|skipped| {
        Finding::by_hand(
            "see what the kernel says of it: dmesg",
            Name::DeviceUnreadable,
            Severity::Warning,
            &skipped.name,
            "sysfs cannot be read for it",
        )
        .because(&skipped.reason)
    }));
    found
}

/// Whether a device that is here and in no pool, or a VF that a PF here may have, is of the kind that a pool takes.
pub(super) fn has_candidates(facts: &Facts, pool: &Pool) -> bool {
    let hardware = &facts.hardware.hardware;
    let is_candidate = |device: &Device| {
        let is_free = match facts.hardware.assignment.matches.get(&device.id) {
            Some(PoolMatch::Unmatched(reason)) => !matches!(reason, Reason::PfWithVfs(_) | Reason::UsedByNode(_)),
            _ => false,
        };
        let candidate = hardware.candidate(device);
        let mut selectors = pool
            .selectors
            .iter()
            .filter(|_| is_free && pool.device_type == DeviceType::of(device));
        let is_kind = selectors.any(|selector| selector.mismatches(&candidate).all(|field| OF_DRIVER.contains(&field)));
        let may_have = match device.function {
            Function::Pf {
                total_vfs, num_vfs: 0, ..
            } => total_vfs,
            _ => 0,
        };
        is_kind || (0..may_have).any(|index| would_take(pool, device, index))
    };
    hardware.inventory.devices.iter().any(is_candidate)
}

/// A PF whose VFs a pool without devices would take.
fn without_vfs(facts: &Facts, pf: &Device) -> Option<Finding> {
    let waiting = pools_waiting_for_vfs_of(facts, pf);
    let Function::Pf { total_vfs, .. } = pf.function else {
        return None;
    };
    let names: Vec<String> = waiting.iter().map(|pool| pool.resource.to_string()).collect();
    if names.is_empty() {
        return None;
    }
    let called = facts.hardware.called(&pf.id);
    let number = pf.id.pci().zip(asked_for(&waiting, pf, total_vfs));
    let command =
        number.map(|(address, number)| format!("echo {number} > /sys/bus/pci/devices/{address}/sriov_numvfs"));
    let how = format!(
        "write how many you want (at most {total_vfs}) into sriov_numvfs of {}",
        pf.id
    );
    let mend = of_plain_words(command, how);
    let mend = match facts.hardware.assignment.matches.get(&pf.id) {
        Some(PoolMatch::Pool(index)) => {
            let pool = facts.configured.config.pools.get(*index);
            let pool = pool.map(|pool| pool.resource.to_string()).unwrap_or_default();
            mend.once(format!(
                "it is itself in {pool}: keep it out of that pool, and see that no pod has it"
            ))
        }
        _ => mend,
    };
    let what = format!(
        "it has no VFs, and could have {total_vfs}: {} waits for them",
        names.join(" and ")
    );
    let why = "sriov_numvfs is 0: nobody made them since the boot, or somebody removed them. What is written there lasts until \
               the boot: lasting are deploy/node/sriov-vfs@.service, or where sriov-network-operator runs, its policy";
    Some(Finding::mended_by(mend, Name::NoVfs, Severity::Error, called, what).because(why))
}

/// How many VFs pools ask for: up to the highest index that one of them takes. None where one takes any.
fn asked_for(pools: &[&Pool], pf: &Device, total_vfs: u32) -> Option<u32> {
    let is_taken = |index: u32| pools.iter().any(|pool| would_take(pool, pf, index));
    if is_taken(BEYOND) {
        return None;
    }
    (0..total_vfs)
        .rev()
        .find(|index| is_taken(*index))
        .map(|index| index + 1)
}

/// Pools without any device that would take VFs of this PF, if there were some.
pub(super) fn pools_waiting_for_vfs_of<'a>(facts: &'a Facts, pf: &Device) -> Vec<&'a Pool> {
    let Function::Pf {
        total_vfs, num_vfs: 0, ..
    } = pf.function
    else {
        return Vec::new();
    };
    let pools = facts.configured.config.pools.iter().enumerate();
    pools
        .filter(|(index, _)| facts.hardware.assignment.devices(*index).next().is_none())
        .filter(|(_, pool)| (0..total_vfs).any(|index| would_take(pool, pf, index)))
        .map(|(_, pool)| pool)
        .collect()
}

fn would_take(pool: &Pool, pf: &Device, index: u32) -> bool {
    let vf = Device {
        function: Function::Vf {
            pf: Some(pf.id.clone()),
            index: Some(index),
        },
        netdevs: Vec::new(),
        driver: None,
        ..pf.clone()
    };
    let candidate = Candidate::new(&vf, Some(pf));
    let mut selectors = pool.selectors.iter();
    selectors.any(|selector| selector.mismatches(&candidate).all(|field| MAY_CHANGE.contains(&field)))
}

fn without_link(facts: &Facts, pf: &Device) -> Option<Finding> {
    let link = facts.hardware.links.get(&pf.id)?;
    let (mut devices, mut minds) = (Vec::new(), false);
    for (id, found) in &facts.hardware.assignment.matches {
        let device = facts.hardware.hardware.inventory.get(id)?;
        if let (PoolMatch::Pool(index), true) = (found, device.pf() == Some(&pf.id)) {
            devices.push(id.to_string());
            let pool = facts.configured.config.pools.get(*index);
            minds |= pool.is_some_and(|pool| pool.on_carrier_loss == OnCarrierLoss::Unhealthy);
        }
    }
    if devices.is_empty() {
        return None;
    }
    let (subject, count) = (facts.hardware.called(&pf.id), devices.len());
    let since = lost_carrier(facts, &pf.id);
    let (severity, meaning) = if minds {
        (Severity::Error, "which their pool minds")
    } else {
        (Severity::Warning, "and are given out all the same")
    };
    if link.is_up == Some(false) {
        let what = format!("its interface is down: {count} VFs of pools have no link, {meaning}");
        let command = plain_word(&link.name).map(|name| format!("ip link set dev {name} up"));
        let mend = of_plain_words(command, format!("set its interface {:?} up", link.name));
        let found = Finding::mended_by(mend, Name::PfDown, severity, subject, what);
        return Some(found.devices(devices).since(since));
    }
    if link.has_carrier != Some(false) {
        return None;
    }
    let what = format!("it has no carrier: {count} VFs of pools reach nobody beyond this node, {meaning}");
    let how = "the cable, the transceiver, the switch's port (ethtool tells of its interface)";
    let found = Finding::by_hand(how, Name::PfNoCarrier, severity, subject, what);
    Some(found.devices(devices).since(since))
}

/// Since when a VF of this PF has been unhealthy for its carrier.
fn lost_carrier(facts: &Facts, pf: &DeviceId) -> Option<SystemTime> {
    let seen = facts.state.view.devices.iter().filter(|(id, seen)| {
        let device = facts.hardware.hardware.inventory.get(id);
        seen.kind.as_deref() == Some("no-carrier") && device.is_some_and(|device| device.pf() == Some(pf))
    });
    let since = seen.filter_map(|(_, seen)| seen.since).min()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Mend;

    fn without_vfs_of(pools: &serde_json::Value) -> Finding {
        let mut facts = Facts::with_pools(pools);
        facts.without_vfs();
        let pf = &facts.hardware.hardware.inventory.devices[0];
        without_vfs(&facts, pf).unwrap()
    }

    #[test]
    fn as_many_vfs_are_made_as_the_pools_ask_for_and_no_card_is_filled_on_a_guess() {
        let of = |names: &[&str]| {
            let pools: Vec<serde_json::Value> = names
                .iter()
                .enumerate()
                .map(|(index, name)| {
                    serde_json::json!({"resourceName": format!("p{index}"), "selectors": {"pfNames": [name], "functions": ["vf"]}})
                })
                .collect();
            without_vfs_of(&serde_json::Value::from(pools))
        };
        let numvfs = "/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs";
        assert_eq!(of(&["eth0#0-3"]).mend, Mend::on_node(format!("echo 4 > {numvfs}")));
        assert_eq!(
            of(&["eth0#0-3", "eth0#5"]).mend,
            Mend::on_node(format!("echo 6 > {numvfs}"))
        );
        assert_eq!(
            of(&["eth0#2-63"]).mend,
            Mend::on_node(format!("echo 8 > {numvfs}")),
            "it has no more"
        );
        let any = of(&["eth0#0-3", "eth0"]);
        assert!(
            matches!(&any.mend, Mend::ByHand(how) if how.contains("at most 8")),
            "{any:?}"
        );
        let why = any.why.unwrap();
        assert!(
            why.contains("deploy/node/sriov-vfs@.service") && why.contains("operator"),
            "{why}"
        );
    }

    #[test]
    fn a_pf_that_is_offered_whole_is_taken_from_no_pod_for_its_vfs() {
        let found = without_vfs_of(&serde_json::json!([
            {"resourceName": "vfs", "selectors": {"pfNames": ["eth0#0-6"], "functions": ["vf"]}},
            {"resourceName": "nics", "selectors": {"functions": ["plain", "pf"]}},
        ]));
        assert!(
            matches!(&found.mend, Mend::Considered { how, text, .. }
                if how.contains("in intel.com/nics") && how.contains("no pod has it") && text.starts_with("echo 7 > ")),
            "{found:?}"
        );
    }

    #[test]
    fn a_pf_that_is_down_is_as_bad_as_its_pools_mind_and_its_name_is_no_shells_business() {
        let mut facts = Facts::sample();
        let vf = facts.add_vf(0, Some("igbvf"));
        facts.set_link(Some(false));
        let down = |facts: &Facts| {
            let pf = facts.hardware.hardware.inventory.get(&vf).unwrap().pf().unwrap();
            without_link(facts, facts.hardware.hardware.inventory.get(pf).unwrap()).unwrap()
        };
        assert_eq!(down(&facts).mend, Mend::on_node("ip link set dev eth0 up"));
        assert_eq!(down(&facts).severity, Severity::Warning);
        facts.configured.config.pools[0].on_carrier_loss = OnCarrierLoss::Unhealthy;
        assert_eq!(down(&facts).severity, Severity::Error);
        for bad in ["$(reboot)", "`x`", "a;b", "-x"] {
            facts.rename_pf(bad);
            facts.set_link(Some(false));
            assert!(matches!(down(&facts).mend, Mend::ByHand(_)), "{bad}");
        }
    }
}
