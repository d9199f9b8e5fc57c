//! What selectors ask of devices beyond the inventory, read only where a pool has such a selector.

use std::collections::{BTreeMap, HashMap};

use hardwire_pci::netlink::{Link, Socket};
use hardwire_pci::{Device, DeviceId, Function, Inventory, MacAddr, Sysfs};
use tracing::warn;

use super::ddp;
use crate::config::{Asked, Detail, Details};

/// Reads the details that are asked for. Of what is not asked for, nothing is read. `before` is what is known of a device.
pub(super) fn read<'a>(
    sysfs: &Sysfs,
    inventory: &Inventory,
    asked: &Asked,
    before: impl Fn(&DeviceId) -> Option<&'a Details>,
) -> BTreeMap<DeviceId, Details> {
    if asked.is_empty() {
        return BTreeMap::new();
    }
    let mut links = asked.contains(&Detail::PfNames).then(Links::new);
    let mut profiles = asked.contains(&Detail::DdpProfile).then(Profiles::default);
    let read = |device: &Device| {
        let known = before(&device.id);
        let link = links.as_mut().and_then(|links| links.of(device)).unwrap_or_default();
        let speed = || device.speed(sysfs).or_else(|| known?.speed);
        let pkeys = || device.pkeys(sysfs);
        let details = Details {
            altnames: link.altnames,
            permanent_mac: MacAddr::from_bytes(&link.permanent_address),
            speed: asked.contains(&Detail::Speed).then(speed).flatten(),
            pkeys: asked.contains(&Detail::PKeys).then(pkeys).unwrap_or_default(),
            rdma: asked.contains(&Detail::Rdma) && device.has_rdma(sysfs),
            ddp_profile: profiles.as_mut().and_then(|profiles| profiles.of(device, known)),
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

/// DDP profiles. Each answer takes a process, so a device is asked once, and a PF once for all its VFs.
#[derive(Default)]
struct Profiles(HashMap<DeviceId, Option<String>>);

// === impl Profiles ===

impl Profiles {
    fn of(&mut self, device: &Device, before: Option<&Details>) -> Option<String> {
        if let Some(profile) = before.and_then(|details| details.ddp_profile.clone()) {
            return Some(profile);
        }
        self.ask(&device.id).or_else(|| self.ask(device.pf()?))
    }

    fn ask(&mut self, id: &DeviceId) -> Option<String> {
        let address = id.pci()?;
        let answer = self.0.entry(id.clone()).or_insert_with(|| {
            let answer = ddp::profile(address);
            answer
                .inspect_err(|error| warn!(device = %id, "DDP profile: {error}"))
                .ok()
        });
        answer.clone()
    }
}
