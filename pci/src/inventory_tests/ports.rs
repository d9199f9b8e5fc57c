//! Functions with several ports.

use super::*;

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
