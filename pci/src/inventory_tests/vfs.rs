//! PFs with their VFs, and what hides none of them.

use super::*;
use crate::device::{Function, LinkType};

#[test]
fn an_empty_machine_has_no_devices() {
    let inventory = Inventory::read(&Tree::new().sysfs());
    assert!(inventory.devices.is_empty() && inventory.skipped.is_empty());
}

#[test]
fn pf_and_vfs_know_each_other() {
    let tree = Tree::new();
    tree.pci("0000:01:00.0", "0x020000");
    tree.link("bus/pci/devices/0000:01:00.0/driver", "../../../bus/pci/drivers/igb");
    tree.file("bus/pci/devices/0000:01:00.0/sriov_totalvfs", "7");
    tree.file("bus/pci/devices/0000:01:00.0/sriov_numvfs", "2");
    tree.file("bus/pci/devices/0000:01:00.0/numa_node", "1");
    tree.netdev("bus/pci/devices/0000:01:00.0", "eth0", 2, None);
    for (index, vf) in ["0000:01:10.0", "0000:01:10.2"].into_iter().enumerate() {
        tree.pci(vf, "0x020000");
        tree.link(
            &format!("bus/pci/devices/0000:01:00.0/virtfn{index}"),
            &format!("../{vf}"),
        );
        tree.link(&format!("bus/pci/devices/{vf}/physfn"), "../0000:01:00.0");
        tree.link(
            &format!("bus/pci/devices/{vf}/iommu_group"),
            "../../../../kernel/iommu_groups/9",
        );
    }
    let inventory = Inventory::read(&tree.sysfs());
    let pf = inventory.get(&id("0000:01:00.0")).unwrap();
    assert_eq!((pf.driver.as_deref(), pf.numa_node), (Some("igb"), Some(1)));
    assert_eq!(
        (pf.vendor.as_str(), pf.device.as_str(), pf.class),
        ("8086", "10c9", 0x02_0000)
    );
    let netdev = pf.netdev().unwrap();
    assert_eq!(
        (netdev.name.as_str(), netdev.index, netdev.mtu, netdev.link_type),
        ("eth0", 2, 1500, LinkType::Ether)
    );
    let Function::Pf {
        total_vfs: 7,
        num_vfs: 2,
        vfs,
    } = &pf.function
    else {
        panic!("{:?}", pf.function)
    };
    assert_eq!(vfs.len(), 2);
    let vf = inventory.get(&id("0000:01:10.2")).unwrap();
    assert_eq!((vf.pf(), vf.vf_index()), (Some(&pf.id), Some(1)));
    assert_eq!(
        (vf.iommu_group, vf.numa_node, vf.driver.as_deref(), vf.netdev()),
        (Some(9), None, None, None)
    );
    assert_eq!(inventory.pf_of(vf).map(|d| &d.id), Some(&pf.id));
}

#[test]
fn a_vf_knows_its_pf_whichever_of_them_comes_first() {
    let tree = Tree::new();
    for address in ["0000:01:10.0", "0000:02:00.0", "0000:03:10.0", "0000:04:10.0"] {
        tree.pci(address, "0x020000");
    }
    tree.file("bus/pci/devices/0000:02:00.0/sriov_totalvfs", "7");
    tree.file("bus/pci/devices/0000:02:00.0/sriov_numvfs", "2");
    for (index, vf) in ["0000:01:10.0", "0000:03:10.0"].into_iter().enumerate() {
        let virtfn = format!("bus/pci/devices/0000:02:00.0/virtfn{index}");
        tree.link(&virtfn, &format!("../{vf}"));
    }
    for vf in ["0000:01:10.0", "0000:03:10.0", "0000:04:10.0"] {
        tree.link(&format!("bus/pci/devices/{vf}/physfn"), "../0000:02:00.0");
    }
    let inventory = Inventory::read(&tree.sysfs());
    for (vf, index) in [
        ("0000:01:10.0", Some(0)),
        ("0000:03:10.0", Some(1)),
        // Its PF does not list it.
        ("0000:04:10.0", None),
    ] {
        let vf = inventory.get(&id(vf)).unwrap();
        assert_eq!((vf.pf(), vf.vf_index()), (Some(&id("0000:02:00.0")), index), "{vf:?}");
    }
}

#[test]
fn one_broken_device_hides_no_other() {
    let tree = Tree::new();
    tree.pci("0000:01:00.0", "0x020000");
    tree.pci("0000:02:00.0", "0x020000");
    tree.file("bus/pci/devices/0000:02:00.0/vendor", "garbage");
    tree.pci("0000:03:00.0", "0x020000");
    tree.file("bus/pci/devices/0000:03:00.0/sriov_totalvfs", "many");
    tree.pci("not-an-address", "0x020000");
    tree.file("bus/pci/devices/0000:04:00.0/vendor", "0x8086");
    let inventory = Inventory::read(&tree.sysfs());
    assert_eq!(
        inventory.devices.iter().map(|d| d.id.to_string()).collect::<Vec<_>>(),
        ["0000:01:00.0"]
    );
    let skipped: Vec<&str> = inventory.skipped.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        skipped,
        ["0000:02:00.0", "0000:03:00.0", "0000:04:00.0", "not-an-address"]
    );
    assert!(
        inventory.skipped[0].reason.contains("garbage"),
        "{}",
        inventory.skipped[0].reason
    );
}

#[test]
fn other_classes_are_no_network_devices() {
    let tree = Tree::new();
    tree.pci("0000:01:00.0", "0x010802");
    tree.pci("0000:02:00.0", "0x020700");
    let inventory = Inventory::read(&tree.sysfs());
    assert_eq!(
        inventory.devices.iter().map(|d| d.class).collect::<Vec<_>>(),
        [0x02_0700]
    );
}
