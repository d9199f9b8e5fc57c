//! The inventory over trees of files: what each kind of device looks like, and what a broken one does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::device::{Function, LinkType};

/// A sysfs tree under construction.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn sysfs(&self) -> Sysfs {
        Sysfs::at(self.0.path())
    }

    fn file(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(Path::new(target), path).unwrap();
    }

    fn pci(&self, address: &str, class: &str) {
        let at = |file: &str| format!("bus/pci/devices/{address}/{file}");
        self.file(&at("vendor"), "0x8086");
        self.file(&at("device"), "0x10c9");
        self.file(&at("class"), class);
        self.file(&at("numa_node"), "-1");
    }

    fn netdev(&self, device: &str, name: &str, index: u32, port: Option<&str>) {
        let at = |file: &str| format!("{device}/net/{name}/{file}");
        self.file(&at("ifindex"), &index.to_string());
        self.file(&at("address"), "02:00:00:00:00:0a");
        self.file(&at("mtu"), "1500");
        self.file(&at("type"), "1");
        if let Some(port) = port {
            self.file(&at("phys_port_name"), port);
            self.file(&at("phys_switch_id"), "525400112233");
        }
    }
}

fn id(text: &str) -> DeviceId {
    text.parse().unwrap()
}

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
    tree.pci("0000:08:00.0", "0x020000");
    let device = "devices/pci0000:00/0000:08:00.0/mlx5_core.sf.4";
    tree.netdev(device, "en8f0s4", 9, None);
    tree.link("bus/auxiliary/devices/mlx5_core.sf.4", &format!("../../../{device}"));
    let read = crate::read_device(&tree.sysfs(), &id("mlx5_core.sf.4")).unwrap();
    assert_eq!(read.netdev().map(|netdev| netdev.name.as_str()), Some("en8f0s4"));
    assert_eq!(
        (read.vendor.as_str(), &read.function),
        (
            "8086",
            &Function::Sf {
                parent: Some("0000:08:00.0".parse().unwrap()),
                number: None
            }
        )
    );
    assert!(matches!(
        crate::read_device(&tree.sysfs(), &id("mlx5_core.sf.5")),
        Err(ReadError::Missing(_))
    ));
}
