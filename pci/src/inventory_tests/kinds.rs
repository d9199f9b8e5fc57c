//! Representors, virtio, netdevsim, subfunctions, and what is read on request.

use super::*;
use crate::device::Function;

#[test]
fn the_uplink_is_chosen_by_port_name_and_the_rest_are_representors() {
    let tree = Tree::new();
    tree.pci("0000:01:00.0", "0x020000");
    tree.netdev("bus/pci/devices/0000:01:00.0", "aa_rep0", 5, Some("pf0vf0"));
    tree.netdev("bus/pci/devices/0000:01:00.0", "eth0", 2, Some("p0"));
    tree.netdev("bus/pci/devices/0000:01:00.0", "sf_rep", 6, Some("pf0sf1"));
    let inventory = Inventory::read(&tree.sysfs());
    let pf = inventory.get(&id("0000:01:00.0")).unwrap();
    assert_eq!(pf.netdev().map(|n| n.name.as_str()), Some("eth0"));
    assert_eq!(
        pf.representors().map(|n| n.name.as_str()).collect::<Vec<_>>(),
        ["aa_rep0", "sf_rep"]
    );
}

#[test]
fn a_virtio_nic_has_its_interface_one_level_deeper() {
    let tree = Tree::new();
    tree.pci("0000:00:03.0", "0x020000");
    tree.netdev("bus/pci/devices/0000:00:03.0/virtio0", "ens3", 2, None);
    let inventory = Inventory::read(&tree.sysfs());
    assert_eq!(inventory.devices[0].netdev().map(|n| n.name.as_str()), Some("ens3"));
}

#[test]
fn on_netdevsim_the_vfs_port_is_the_vf() {
    let tree = Tree::new();
    let device = "bus/netdevsim/devices/netdevsim10";
    tree.file(&format!("{device}/sriov_numvfs"), "1");
    tree.netdev(device, "eth1", 3, Some("p0"));
    tree.netdev(device, "eth2", 4, Some("p1"));
    tree.netdev(device, "eth3", 5, Some("pf0vf0"));
    let inventory = Inventory::read(&tree.sysfs());
    let ids: Vec<String> = inventory.devices.iter().map(|d| d.id.to_string()).collect();
    assert_eq!(ids, ["netdevsim10/p0", "netdevsim10/p1", "netdevsim10/pf0vf0"]);
    let vf = inventory.get(&id("netdevsim10/pf0vf0")).unwrap();
    assert_eq!((vf.pf(), vf.vf_index()), (Some(&id("netdevsim10/p0")), Some(0)));
    assert_eq!(vf.netdev().map(|n| n.name.as_str()), Some("eth3"));
    assert_eq!(vf.representors().count(), 0);
    let pf = inventory.get(&id("netdevsim10/p0")).unwrap();
    assert!(matches!(&pf.function, Function::Pf { num_vfs: 1, vfs, .. } if vfs.len() == 1));
}

#[test]
fn a_subfunction_is_read_by_its_name_on_the_auxiliary_bus() {
    let tree = Tree::new();
    tree.subfunction("mlx5_core.sf.4");
    let read = crate::read_device(&tree.sysfs(), &id("mlx5_core.sf.4")).unwrap();
    assert_eq!(read.netdev().map(|netdev| netdev.name.as_str()), Some("en8f0s4"));
    let parent = Some(id("0000:08:00.0"));
    assert_eq!(
        (read.vendor.as_str(), read.device.as_str(), read.class, read.numa_node),
        ("8086", "10c9", 0x02_0000, Some(1))
    );
    assert_eq!((read.pf(), read.function_index()), (parent.as_ref(), Some(88)));
    assert!(matches!(
        crate::read_device(&tree.sysfs(), &id("mlx5_core.sf.5")),
        Err(ReadError::Missing(_))
    ));
}

#[test]
fn subfunctions_and_accelerators_are_listed_and_their_relatives_are_not() {
    let tree = Tree::new();
    tree.subfunction("mlx5_core.sf.4");
    for (name, file) in [("mlx5_core.eth.0", "sfnum"), ("mlx5_core.sf.5", "other")] {
        tree.file(&format!("devices/pci0000:00/0000:08:00.0/{name}/{file}"), "1");
        let target = format!("../../../devices/pci0000:00/0000:08:00.0/{name}");
        tree.link(&format!("bus/auxiliary/devices/{name}"), &target);
    }
    tree.pci("0000:09:00.0", "0x120000");
    tree.pci("0000:0a:00.0", "0x030000");
    let inventory = Inventory::read(&tree.sysfs());
    let listed: Vec<String> = inventory.devices.iter().map(|device| device.id.to_string()).collect();
    assert_eq!(listed, ["0000:08:00.0", "0000:09:00.0", "mlx5_core.sf.4"]);
    assert_eq!(inventory.skipped[0].name, "mlx5_core.sf.5");
    let parent = inventory.get(&id("mlx5_core.sf.4")).and_then(|sf| inventory.pf_of(sf));
    assert_eq!(
        parent.map(|parent| parent.id.to_string()).as_deref(),
        Some("0000:08:00.0")
    );
}

#[test]
fn speed_partition_keys_and_hidden_rdma_devices_are_read_on_request() {
    let tree = Tree::new();
    let at = |file: &str| format!("bus/pci/devices/0000:08:00.0/{file}");
    tree.pci("0000:08:00.0", "0x020700");
    tree.netdev("bus/pci/devices/0000:08:00.0", "ib0", 3, None);
    let read = || crate::read_device(&tree.sysfs(), &id("0000:08:00.0")).unwrap();
    let (sysfs, device) = (tree.sysfs(), read());
    assert_eq!((device.speed(&sysfs), device.has_rdma(&sysfs)), (None, false));
    assert!(device.pkeys(&sysfs).is_empty());
    for (speed, expected) in [("-1", None), ("0", None), ("25000", Some(25000))] {
        tree.file(&at("net/ib0/speed"), speed);
        assert_eq!(device.speed(&sysfs), expected);
    }
    tree.file(&at("mlx5_core.rdma.7/uevent"), "");
    assert!(device.has_rdma(&sysfs), "its RDMA device is in a pod");
    tree.file(&at("infiniband/mlx5_0/ports/1/pkeys/0"), "0x7fff");
    assert_eq!(read().pkeys(&sysfs), [0x7fff]);
}
