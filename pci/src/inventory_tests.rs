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

    /// Below a function at 0000:08:00.0 on NUMA node 1, as number 88.
    fn subfunction(&self, name: &str) {
        self.pci("0000:08:00.0", "0x020000");
        self.file("bus/pci/devices/0000:08:00.0/numa_node", "1");
        let device = format!("devices/pci0000:00/0000:08:00.0/{name}");
        self.netdev(&device, "en8f0s4", 9, None);
        self.file(&format!("{device}/sfnum"), "88");
        self.link(&format!("bus/auxiliary/devices/{name}"), &format!("../../../{device}"));
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

/// Two ports on one function, as cxgb4 has them.
fn two_ports(tree: &Tree) {
    tree.pci("0000:05:00.4", "0x020000");
    tree.link("bus/pci/devices/0000:05:00.4/driver", "../../../bus/pci/drivers/cxgb4");
    for (name, index) in [("aa", 8), ("zz", 7)] {
        tree.netdev("bus/pci/devices/0000:05:00.4", name, index, None);
    }
    tree.file("bus/pci/devices/0000:05:00.4/net/aa/dev_port", "1");
    tree.file("bus/pci/devices/0000:05:00.4/net/zz/dev_port", "0");
}

fn ports(inventory: &Inventory) -> Vec<(String, Option<&str>)> {
    let port = |device: &'_ Device| assert!(device.netdevs.len() < 2, "{device:?}");
    inventory.devices.iter().for_each(port);
    let devices = inventory.devices.iter();
    let port = devices.map(|device| {
        (
            device.id.to_string(),
            device.netdev().map(|netdev| netdev.name.as_str()),
        )
    });
    port.collect()
}

#[test]
fn rule_6_each_port_of_a_function_is_a_device_of_its_own() {
    let tree = Tree::new();
    two_ports(&tree);
    let inventory = Inventory::read(&tree.sysfs());
    assert_eq!(
        ports(&inventory),
        [
            ("0000:05:00.4".to_owned(), Some("zz")),
            ("0000:05:00.4/p1".to_owned(), Some("aa"))
        ]
    );
    let port = inventory.get(&id("0000:05:00.4/p1")).unwrap();
    assert_eq!((port.vendor.as_str(), port.driver.as_deref()), ("8086", Some("cxgb4")));
    assert_eq!(&read_device(&tree.sysfs(), &port.id).unwrap(), port);
}

#[test]
fn rule_6_a_port_keeps_its_id_while_another_is_in_a_pod() {
    for hidden in ["zz", "aa"] {
        let tree = Tree::new();
        two_ports(&tree);
        let mut inventory = Inventory::read(&tree.sysfs());
        fs::remove_dir_all(tree.0.path().join("bus/pci/devices/0000:05:00.4/net").join(hidden)).unwrap();
        let seen = |name| Some(name).filter(|name| *name != hidden);
        let expected = [
            ("0000:05:00.4".to_owned(), seen("zz")),
            ("0000:05:00.4/p1".to_owned(), seen("aa")),
        ];
        inventory.reread_pci(&tree.sysfs(), ["0000:05:00.4".parse().unwrap()]);
        assert_eq!(ports(&inventory), expected, "{hidden} is in a pod");
        // The same for a daemon that starts now and knows the port from elsewhere.
        let mut fresh = Inventory::read(&tree.sysfs());
        fresh.keep_port(&tree.sysfs(), &id("0000:05:00.4/p1"));
        assert_eq!(ports(&fresh), expected, "{hidden} is in a pod");
        two_ports_come_back(&tree, &mut inventory);
    }
}

fn two_ports_come_back(tree: &Tree, inventory: &mut Inventory) {
    fs::remove_dir_all(tree.0.path().join("bus/pci/devices/0000:05:00.4")).unwrap();
    two_ports(tree);
    inventory.reread_pci(&tree.sysfs(), ["0000:05:00.4".parse().unwrap()]);
    assert_eq!(ports(inventory), ports(&Inventory::read(&tree.sysfs())));
}

#[test]
fn rule_6_a_function_with_one_interface_keeps_its_address_whatever_its_port_is_called() {
    // Each function of a Solarflare card is one port, and is counted on.
    let tree = Tree::new();
    tree.pci("0000:06:00.1", "0x020000");
    tree.netdev("bus/pci/devices/0000:06:00.1", "sfc1", 7, None);
    tree.file("bus/pci/devices/0000:06:00.1/net/sfc1/dev_port", "1");
    assert_eq!(
        ports(&Inventory::read(&tree.sysfs())),
        [("0000:06:00.1".to_owned(), Some("sfc1"))]
    );
}

#[test]
fn rule_6_ports_go_with_their_driver() {
    let tree = Tree::new();
    two_ports(&tree);
    let mut inventory = Inventory::read(&tree.sysfs());
    fs::remove_file(tree.0.path().join("bus/pci/devices/0000:05:00.4/driver")).unwrap();
    fs::remove_dir_all(tree.0.path().join("bus/pci/devices/0000:05:00.4/net")).unwrap();
    inventory.reread_pci(&tree.sysfs(), ["0000:05:00.4".parse().unwrap()]);
    assert_eq!(ports(&inventory), [("0000:05:00.4".to_owned(), None)]);
}

#[test]
fn rule_6_ports_that_nothing_tells_apart_and_children_of_a_port_are_no_devices_of_their_own() {
    let tree = Tree::new();
    tree.pci("0000:07:00.0", "0x020000");
    for (name, index) in [("a", 7), ("b", 8)] {
        tree.netdev("bus/pci/devices/0000:07:00.0", name, index, None);
    }
    let inventory = Inventory::read(&tree.sysfs());
    assert_eq!(inventory.devices.len(), 1);
    assert_eq!(inventory.devices[0].ports().len(), 2);
    let tree = Tree::new();
    tree.pci("0000:07:00.0", "0x020700");
    for (name, index, lower) in [("ib0", 7, 7), ("ib0.8001", 8, 7)] {
        tree.netdev("bus/pci/devices/0000:07:00.0", name, index, None);
        tree.file(&format!("bus/pci/devices/0000:07:00.0/net/{name}/type"), "32");
        tree.file(
            &format!("bus/pci/devices/0000:07:00.0/net/{name}/iflink"),
            &lower.to_string(),
        );
    }
    let inventory = Inventory::read(&tree.sysfs());
    assert_eq!(inventory.devices[0].ports().len(), 1);
    assert_eq!(inventory.devices[0].netdev().map(|n| n.name.as_str()), Some("ib0"));
}

#[test]
fn rule_6_representors_stay_with_the_first_port() {
    let tree = Tree::new();
    tree.pci("0000:08:00.0", "0x020000");
    for (name, index, port) in [("rep", 5, "pf0vf0"), ("up0", 6, "p0"), ("up1", 7, "p1")] {
        tree.netdev("bus/pci/devices/0000:08:00.0", name, index, Some(port));
    }
    let inventory = Inventory::read(&tree.sysfs());
    let ids: Vec<String> = inventory.devices.iter().map(|device| device.id.to_string()).collect();
    assert_eq!(ids, ["0000:08:00.0", "0000:08:00.0/p1"]);
    assert_eq!(inventory.devices[0].netdev().map(|n| n.name.as_str()), Some("up0"));
    assert_eq!(inventory.devices[0].representors().count(), 1);
    assert_eq!(inventory.devices[1].representors().count(), 0);
}
