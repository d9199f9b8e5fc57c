//! What a pod hides from sysfs: ports of netdevsim show only in the namespace of their interface, and so do further ports of a
//! PCI function.

use std::collections::BTreeSet;
use std::sync::Arc;

use hardwire_pci::{Device, DeviceId, Function, NetdevsimPort, PortName, Sysfs};

use super::scanner::pfs_of_netdevsim;
use crate::pools::Hardware;

/// The hardware with those of `ids` that are hidden in pods.
pub(super) fn with_hidden<'a>(
    sysfs: &Sysfs,
    hardware: &Arc<Hardware>,
    ids: impl IntoIterator<Item = &'a DeviceId>,
) -> Arc<Hardware> {
    let missing: BTreeSet<&DeviceId> = ids
        .into_iter()
        .filter(|id| hardware.inventory.get(id).is_none())
        .filter(|id| matches!(id, DeviceId::Netdevsim(_) | DeviceId::PciPort { .. }))
        .collect();
    let ports: Vec<&DeviceId> = missing.iter().filter(|id| id.is_further_port()).copied().collect();
    let hidden: Vec<Device> = missing
        .into_iter()
        .filter_map(|id| hidden_port(sysfs, hardware, id))
        .collect();
    if hidden.is_empty() && ports.is_empty() {
        return Arc::clone(hardware);
    }
    let mut seen = Hardware::clone(hardware);
    seen.inventory.devices.extend(hidden);
    seen.inventory.devices.sort_by(|a, b| a.id.cmp(&b.id));
    for port in ports {
        seen.inventory.keep_port(sysfs, port);
    }
    Arc::new(seen)
}

/// A port of netdevsim that is in a pod.
fn hidden_port(sysfs: &Sysfs, hardware: &Hardware, id: &DeviceId) -> Option<Device> {
    let DeviceId::Netdevsim(NetdevsimPort { device, port }) = id else {
        return None;
    };
    let PortName::Vf { vf, .. } = *port else {
        return None;
    };
    let file = sysfs.path(format!("bus/netdevsim/devices/netdevsim{device}/sriov_numvfs"));
    let num_vfs = sysfs.number::<u32>(&file).ok()?;
    let pf = pfs_of_netdevsim(hardware, *device).into_iter().next();
    (vf < num_vfs).then(|| Device {
        driver: Some("netdevsim".to_owned()),
        function: Function::Vf { pf, index: Some(vf) },
        ..Device::unknown(id.clone())
    })
}
