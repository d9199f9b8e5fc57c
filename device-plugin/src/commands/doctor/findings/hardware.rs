//! IOMMU, VFs that are not made, PFs without a link.

use std::time::{Duration, SystemTime};

use hardwire_pci::{Device, DeviceId, Function};

use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::{Finding, Severity};
use crate::commands::doctor::name::Name;
use crate::config::{Candidate, OnCarrierLoss, Pool, Selector};
use crate::pools::PoolMatch;

/// What the finding about the IOMMU is about.
pub(super) const IOMMU: &str = "the IOMMU";
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

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = iommu(facts).into_iter().collect();
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

/// Whether a pool wants devices that user space drives through VFIO.
pub(super) fn wants_vfio(pool: &Pool) -> bool {
    let mut drivers = pool.selectors.iter().flat_map(Selector::drivers);
    drivers.any(is_vfio)
}

/// `vfio-pci`, and variants such as `mlx5_vfio_pci`.
pub(super) fn is_vfio(driver: &str) -> bool {
    driver == "vfio-pci" || driver.ends_with("_vfio_pci")
}

/// Whether devices can be given to user space.
pub(super) fn has_no_iommu(facts: &Facts) -> bool {
    let iommu = &facts.hardware.iommu;
    iommu.groups == 0 && !iommu.is_waived
}

fn iommu(facts: &Facts) -> Option<Finding> {
    let wanting: Vec<String> = facts
        .configured
        .config
        .pools
        .iter()
        .filter(|pool| wants_vfio(pool))
        .map(|pool| pool.resource.to_string())
        .collect();
    if wanting.is_empty() || !has_no_iommu(facts) {
        return None;
    }
    let iommu = &facts.hardware.iommu;
    let parameter = iommu.parameter();
    let what = format!(
        "it is off: vfio-pci takes no device, and {} wants them",
        wanting.join(" and ")
    );
    let (name, severity) = (Name::IommuOff, Severity::Error);
    Some(if iommu.is_asked_for() {
        Finding::by_hand(
            "turn on VT-d (AMD: IOMMU, AMD-Vi) in the firmware's setup",
            name,
            severity,
            IOMMU,
            what,
        )
        .because(format!(
            "the kernel was told {parameter} and found none: it is off in the firmware"
        ))
    } else {
        let add = format!("s/^GRUB_CMDLINE_LINUX=\"/&{parameter} iommu=pt /");
        let command = format!("sed -i '{add}' /etc/default/grub && update-grub && reboot");
        let why = match &iommu.command_line {
            Some(_) => format!("the kernel's command line has no {parameter}, and there are no IOMMU groups"),
            None => "there are no IOMMU groups".to_owned(),
        };
        Finding::mended_by(command, name, severity, IOMMU, what).because(why)
    })
}

/// A PF whose VFs a pool without devices would take.
fn without_vfs(facts: &Facts, pf: &Device) -> Option<Finding> {
    let waiting = pools_waiting_for_vfs_of(facts, pf);
    let Function::Pf { total_vfs, .. } = pf.function else {
        return None;
    };
    let waiting: Vec<String> = waiting.iter().map(|pool| pool.resource.to_string()).collect();
    if waiting.is_empty() {
        return None;
    }
    Some(
        Finding::mended_by(
            format!("echo {total_vfs} > /sys/bus/pci/devices/{}/sriov_numvfs", pf.id),
            Name::NoVfs,
            Severity::Error,
            facts.hardware.called(&pf.id),
            format!(
                "it has no VFs, and could have {total_vfs}: {} waits for them",
                waiting.join(" and ")
            ),
        )
        .because("sriov_numvfs is 0: nobody made them since the boot, or somebody removed them"),
    )
}

/// Pools without any device that would take VFs of this PF, if there were some.
pub(super) fn pools_waiting_for_vfs_of<'a>(facts: &'a Facts, pf: &Device) -> Vec<&'a Pool> {
    let Function::Pf {
        total_vfs, num_vfs: 0, ..
    } = pf.function
    else {
        return Vec::new();
    };
    let is_offered = matches!(facts.hardware.assignment.matches.get(&pf.id), Some(PoolMatch::Pool(_)));
    if total_vfs == 0 || is_offered {
        return Vec::new();
    }
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
    if link.is_up == Some(false) {
        let what = format!("its interface is down: {count} VFs of pools have no link");
        let command = format!("ip link set {} up", link.name);
        let found = Finding::mended_by(command, Name::PfDown, Severity::Error, subject, what);
        return Some(found.devices(devices).since(since));
    }
    if link.has_carrier != Some(false) {
        return None;
    }
    let (severity, meaning) = if minds {
        (Severity::Error, "which their pool minds")
    } else {
        (Severity::Warning, "and are given out all the same")
    };
    let what = format!("it has no carrier: {count} VFs of pools reach nobody beyond this node, {meaning}");
    let how = format!("the cable, the transceiver, the switch's port: ethtool {}", link.name);
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
