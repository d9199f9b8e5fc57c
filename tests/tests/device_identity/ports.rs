//! Functions with several ports, in a tree of files: no machine of ours has one. Which link is taken for which port is tested
//! beside the code that decides.

use std::fs;

use hardwire_tests::node::{Pod, Veth, host_links, isolated};
use hardwire_tests::plugin::{Call, Plugin};
use hardwire_tests::sysfs_tree::{Pci, SysfsTree};
use serde_json::{Value, json};

const FUNCTION: &str = "0000:05:00.4";

/// Two interfaces of the host, which the tree says are the ports of one function.
struct Card {
    tree: SysfsTree,
    ports: [Veth; 2],
    pod: Pod,
    plugin: Plugin,
}

impl Card {
    fn new() -> Self {
        let card = Self {
            tree: SysfsTree::new(),
            ports: ["port0", "port1"].map(Veth::new),
            pod: Pod::new("ports"),
            plugin: Plugin::new(),
        };
        card.tree.add(&Pci {
            driver: Some("cxgb4"),
            ..Pci::at(FUNCTION)
        });
        for (number, port) in card.ports.iter().enumerate() {
            let index = fs::read_to_string(format!("/sys/class/net/{}/ifindex", port.name())).expect("a port");
            let index = index.trim().parse().expect("an index");
            let device = card.tree.device(FUNCTION);
            card.tree.add_netdev(&device, port.name(), index);
            let dev_port = device.join("net").join(port.name()).join("dev_port");
            card.tree.write(&dev_port, &number.to_string());
            port.set(&["address", &format!("02:00:00:00:0f:0{}", number + 1)]);
        }
        card
    }

    fn add(&self, naming: &Value) -> Call {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire"});
        for (key, value) in naming.as_object().expect("an object") {
            conf[key] = value.clone();
        }
        let call = self.plugin.request("ADD", &self.pod, &conf);
        call.set("HARDWIRE_SYSFS_ROOT", self.tree.root())
    }
}

#[test]
fn rule_2_a_bare_address_that_names_several_ports_is_refused() {
    isolated(|| {
        let card = Card::new();
        for naming in [
            json!({"deviceID": FUNCTION}),
            json!({"pciBusID": FUNCTION}),
            json!({"runtimeConfig": {"deviceID": FUNCTION}}),
        ] {
            let before = host_links();
            let error = card.add(&naming).run();
            let error = error.error_naming(&[
                "port0",
                "port1",
                "0000:05:00.4/p0",
                "0000:05:00.4/p1",
                "device",
                "hwaddr",
            ]);
            assert_eq!(error["code"], 7);
            assert_eq!((host_links(), card.plugin.state_files()), (before, Vec::new()));
        }
    });
}

#[test]
fn rule_2_a_port_is_named_by_its_id() {
    isolated(|| {
        let card = Card::new();
        let unknown = card.add(&json!({"deviceID": "0000:05:00.4/p7"})).run();
        assert_eq!(unknown.error_naming(&["0000:05:00.4/p7"])["code"], 11);
        for wrong in [
            "0000:05:00.4/p",
            "0000:05:00.4/p01",
            "0000:05:00.4/../p1",
            "0000:05:00.4/p1/x",
        ] {
            let refused = card.add(&json!({"deviceID": wrong})).run();
            assert_eq!(refused.error_naming(&["deviceID"])["code"], 7, "{wrong}");
        }
        for (id, other) in [
            ("0000:05:00.4/p0", "02:00:00:00:0f:02"),
            ("0000:05:00.4/p1", "02:00:00:00:0f:01"),
        ] {
            for naming in [
                json!({"deviceID": id, "hwaddr": other}),
                json!({"hwaddr": other, "pciBusID": id}),
            ] {
                let contradiction = card.add(&naming).run();
                assert_eq!(contradiction.error_naming(&[id, other])["code"], 7);
                assert!(card.plugin.state_files().is_empty());
            }
        }
    });
}
