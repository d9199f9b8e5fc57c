//! What selectors ask of devices beyond the inventory, read only where a pool has such a selector.

use std::collections::BTreeMap;

use hardwire_pci::netlink::{Link, Socket};
use hardwire_pci::{Device, DeviceId, Function, Inventory, MacAddr, Sysfs};
use tracing::warn;

use crate::config::{Asked, DdpProfile, Detail, Details};

/// Reads the details that are asked for. Of what is not asked for, nothing is read. `before` is what is known already.
pub(super) fn read(
    sysfs: &Sysfs,
    inventory: &Inventory,
    asked: &Asked,
    before: &BTreeMap<DeviceId, Details>,
) -> BTreeMap<DeviceId, Details> {
    if asked.is_empty() {
        return BTreeMap::new();
    }
    let mut links = asked.contains(&Detail::PfNames).then(Links::new);
    let read = |device: &Device| {
        let known = before.get(&device.id);
        let link = links.as_mut().and_then(|links| links.of(device)).unwrap_or_default();
        let speed = || device.speed(sysfs).or_else(|| known?.speed);
        let pkeys = || device.pkeys(sysfs);
        let details = Details {
            altnames: link.altnames,
            permanent_mac: MacAddr::from_bytes(&link.permanent_address),
            speed: asked.contains(&Detail::Speed).then(speed).flatten(),
            pkeys: asked.contains(&Detail::PKeys).then(pkeys).unwrap_or_default(),
            rdma: asked.contains(&Detail::Rdma) && device.has_rdma(sysfs),
            // Takes a process, which nobody waits for here.
            ddp_profile: DdpProfile::Unknown,
        };
        (device.id.clone(), details)
    };
    inventory.devices.iter().map(read).collect()
}

/// Links of PFs, by netlink: sysfs has no alternative names.
struct Links(Option<Socket>);

// === impl Links ===

impl Links {
    fn new() -> Self {
        let socket = Socket::open();
        Self(socket.inspect_err(|error| warn!("alternative names: {error}")).ok())
    }

    /// Only PFs, and parents of subfunctions, are told by such names.
    fn of(&mut self, device: &Device) -> Option<Link> {
        if matches!(device.function, Function::Vf { .. } | Function::Sf { .. }) {
            return None;
        }
        let netdev = device.netdev()?;
        let link = self.0.as_mut()?.link_by_index(netdev.index);
        let link = link.inspect_err(|error| warn!(device = %device.id, "alternative names: {error}"));
        // In a copy of a tree, or after a change, the index is that of another one.
        link.ok().flatten().filter(|link| link.name == netdev.name.as_str())
    }
}

#[cfg(test)]
#[path = "details_tests.rs"]
mod tests;
