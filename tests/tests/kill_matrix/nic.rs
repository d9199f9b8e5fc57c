//! The device of this matrix, and its configuration.

use std::time::Duration;

use hardwire_tests::matrix::Subject;
use hardwire_tests::node::{Veth, run, succeeds};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

pub(crate) const NAME: &str = "hwkill";
const MAC: &str = "02:00:00:00:0b:01";

/// A NIC with everything that must come back, and a configuration that changes everything there is.
pub(crate) struct Nic {
    plugin: Plugin,
    veth: Veth,
    /// Its addresses are given without a program.
    is_in_process: bool,
}

impl Nic {
    pub(crate) fn new() -> Self {
        Self {
            plugin: Plugin::new(),
            veth: Self::make(),
            is_in_process: false,
        }
    }

    pub(crate) fn in_process() -> Self {
        let nic = Self {
            is_in_process: true,
            ..Self::new()
        };
        nic.plugin
            .operator_says(&json!({"ipamDataDirs": [nic.plugin.directory().join("ipam")]}));
        nic
    }

    fn make() -> Veth {
        let veth = Veth::new(NAME);
        run(&[
            "ip",
            "link",
            "set",
            "dev",
            &veth.neighbour(),
            "address",
            "02:00:00:00:0b:02",
            "up",
        ]);
        veth.set(&["address", MAC, "mtu", "1400", "alias", "uplink 7"]);
        veth.set(&["up", "allmulticast", "on"]);
        run(&[
            "ip",
            "link",
            "property",
            "add",
            "dev",
            NAME,
            "altname",
            "a-name-longer-than-15-bytes",
        ]);
        // Lifted for the attachment: it is the interface's name in the pod.
        run(&["ip", "link", "property", "add", "dev", NAME, "altname", "net1"]);
        veth
    }
}

impl Subject for Nic {
    fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    fn conf(&self) -> Value {
        let mut ipam = self.plugin.host_local("10.70.0.0/24");
        ipam["routes"] = json!([{"dst": "0.0.0.0/0"}, {"dst": "10.71.0.0/16", "gw": "10.70.0.9"}]);
        ipam["inProcess"] = json!(self.is_in_process);
        json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": NAME, "mtu": 1300,
               "mac": "02:00:00:00:0b:0a", "promisc": true, "ipam": ipam})
    }

    fn renew(&self) {
        // The kernel deletes a veth with its namespace, and its neighbour with it, in its own time.
        while !succeeds(&["ip", "link", "show", "dev", NAME]) {
            if !succeeds(&["ip", "link", "show", "dev", &self.veth.neighbour()]) {
                // The pair is dropped by the first one's name.
                std::mem::forget(Self::make());
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
