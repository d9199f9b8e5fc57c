//! Upper devices of the node's devices that cannot be seen from them: every namespace that can be reached is looked into.
//!
//! Takes long on a node with many pods, so it is done beside everything else, and its answer lies over what is read of the
//! devices themselves.

use std::collections::BTreeMap;
use std::path::Path;

use hardwire_cni::netns::Netns;
use hardwire_cni::node::{SearchError, Upper, search};
use hardwire_pci::{DeviceId, Inventory, NodeUse, Sysfs};

use super::hardware::HostUse;

/// Looks into all namespaces, if the tree is the kernel's: in another one, indices mean other interfaces, or none.
pub fn find_uppers(sysfs: &Sysfs) -> Result<Vec<Upper>, SearchError> {
    if sysfs.path("") == Path::new("/sys") {
        search(&Netns::own()?)
    } else {
        Ok(Vec::new())
    }
}

/// The devices that have an upper device, and what that is.
pub fn upper_uses(uppers: &[Upper], inventory: &Inventory) -> BTreeMap<DeviceId, HostUse> {
    let owner = |upper: &Upper| {
        let mut devices = inventory.devices.iter();
        let is_its = |device: &&hardwire_pci::Device| device.netdevs.iter().any(|netdev| netdev.index == upper.lower);
        Some(devices.find(is_its)?.id.clone())
    };
    let host_uses = uppers.iter().filter_map(|upper| {
        let host_use = HostUse::Used(NodeUse::Upper(upper.to_string()));
        Some((owner(upper)?, host_use))
    });
    host_uses.collect()
}
