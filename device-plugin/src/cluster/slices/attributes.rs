//! What a slice says of a device.
//!
//! Names without a domain are the driver's. A string has 64 characters at most, and a device 32 attributes.

use std::fs;

use hardwire_cni::node::AttachBy;
use hardwire_pci::{Device, DeviceId, Sysfs};
use serde_json::{Map, Value, json};

use crate::dra::Claimable;
use crate::dra::claimable::{ClaimableDevice, ClaimablePool};

/// Characters of a string.
const LONGEST: usize = 64;
/// Where the devices of a PCI root are, in the kernel's tree.
const ROOT: &str = "pci";

/// The attributes of a device, as the API has them.
pub(super) fn attributes(
    claimable: &Claimable,
    pool: &ClaimablePool,
    id: &DeviceId,
    state: &ClaimableDevice,
    sysfs: &Sysfs,
) -> Map<String, Value> {
    let mut made = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        made.extend(value.map(|value| (name.to_owned(), value)));
    };
    let resource = pool.pool.resource.to_string();
    add("pool", string(&resource));
    if let Some(address) = id.pci().filter(|_| !id.is_further_port()) {
        add("resource.kubernetes.io/pciBusID", string(&address.to_string()));
        add(
            "resource.kubernetes.io/pcieRoot",
            root(sysfs, id).and_then(|root| string(&root)),
        );
    }
    if pool.pool.attachment.by == AttachBy::Multus {
        add("k8s.cni.cncf.io/resourceName", string(&resource));
        add("k8s.cni.cncf.io/deviceID", string(&id.to_string()));
    }
    let Some(device) = claimable.device(id, state) else {
        return made;
    };
    let hardware = &claimable.hardware;
    let pf = hardware.inventory.pf_of(device);
    let details = hardware.details.get(pf.map_or(id, |pf| &pf.id));
    add(
        "pf",
        pf.and_then(Device::netdev)
            .and_then(|netdev| string(netdev.name.as_str())),
    );
    add(
        "pfPciAddress",
        pf.and_then(|pf| pf.id.pci())
            .and_then(|address| string(&address.to_string())),
    );
    add("vf", device.vf_index().map(|index| json!({"int": index})));
    add("driver", device.driver.as_deref().and_then(string));
    add("vendor", string(&device.vendor));
    add("device", string(&device.device));
    let netdev = device.netdev().or_else(|| pf.and_then(Device::netdev));
    add(
        "linkType",
        netdev.and_then(|netdev| string(&netdev.link_type.to_string())),
    );
    add(
        "linkSpeed",
        details
            .and_then(|details| details.speed)
            .map(|speed| json!({"int": speed})),
    );
    add("rdma", Some(json!({"bool": !device.rdma.is_empty()})));
    let own = device.netdev().and_then(|netdev| netdev.mac);
    add("mac", own.and_then(|mac| string(&mac.to_string())));
    for name in ["resource.kubernetes.io/numaNode", "dra.net/numaNode"] {
        add(name, device.numa_node.map(|node| json!({"int": node})));
    }
    made
}

fn string(text: &str) -> Option<Value> {
    let fits = !text.is_empty() && text.chars().count() <= LONGEST;
    fits.then(|| json!({"string": text}))
}

/// `pci0000:3a`: the root below which a function hangs.
fn root(sysfs: &Sysfs, id: &DeviceId) -> Option<String> {
    let place = fs::canonicalize(Device::directory(sysfs, id)).ok()?;
    let names = place.components().filter_map(|part| part.as_os_str().to_str());
    let is_root = |name: &&str| {
        let numbers = name.strip_prefix(ROOT).and_then(|rest| rest.split_once(':'));
        numbers.is_some_and(|(domain, bus)| is_hex(domain, 4) && is_hex(bus, 2))
    };
    names.into_iter().find(is_root).map(str::to_owned)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use hardwire_pci::{Function, Inventory};

    use super::*;
    use crate::dra::claimable::fixture::of_pool;
    use crate::pools::Hardware;

    fn of(fields: &Value, tree: &Path) -> Map<String, Value> {
        let mut claimable = of_pool(fields, 1);
        let id: DeviceId = "0000:3b:02.0".parse().unwrap();
        let pf: DeviceId = "0000:3b:00.0".parse().unwrap();
        let vf = Device {
            vendor: "8086".to_owned(),
            device: "154c".to_owned(),
            driver: Some("iavf".to_owned()),
            numa_node: Some(1),
            function: Function::Vf {
                pf: Some(pf.clone()),
                index: Some(0),
            },
            ..Device::unknown(id.clone())
        };
        let hardware = Hardware {
            inventory: Inventory {
                devices: vec![Device::unknown(pf), vf],
                ..Inventory::default()
            },
            ..Hardware::default()
        };
        claimable.hardware = Arc::new(hardware);
        let pool = &claimable.pools[0];
        attributes(&claimable, pool, &id, &pool.devices[&id], &Sysfs::at(tree))
    }

    #[test]
    fn a_device_is_told_by_what_it_is_and_where_it_sits() {
        let tree = tempfile::tempdir().unwrap();
        let real = tree.path().join("devices/pci0000:3a/0000:3a:00.0/0000:3b:02.0");
        fs::create_dir_all(&real).unwrap();
        fs::create_dir_all(tree.path().join("bus/pci/devices")).unwrap();
        std::os::unix::fs::symlink(&real, tree.path().join("bus/pci/devices/0000:3b:02.0")).unwrap();
        let made = of(&Value::Null, tree.path());
        let expected = json!({
            "pool": {"string": "intel.com/vfs"}, "pfPciAddress": {"string": "0000:3b:00.0"}, "vf": {"int": 0},
            "driver": {"string": "iavf"}, "vendor": {"string": "8086"}, "device": {"string": "154c"}, "rdma": {"bool": false},
            "resource.kubernetes.io/pciBusID": {"string": "0000:3b:02.0"},
            "resource.kubernetes.io/pcieRoot": {"string": "pci0000:3a"},
            "resource.kubernetes.io/numaNode": {"int": 1}, "dra.net/numaNode": {"int": 1},
        });
        assert_eq!(Value::Object(made), expected);
    }

    #[test]
    fn multus_is_told_of_what_it_attaches_and_of_nothing_else() {
        let nowhere = Path::new("/nowhere");
        let made = of(&json!({"attach": "multus"}), nowhere);
        assert_eq!(made["k8s.cni.cncf.io/deviceID"], json!({"string": "0000:3b:02.0"}));
        assert_eq!(made["k8s.cni.cncf.io/resourceName"], json!({"string": "intel.com/vfs"}));
        assert!(!of(&Value::Null, nowhere).contains_key("k8s.cni.cncf.io/deviceID"));
    }
}
