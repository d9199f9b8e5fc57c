//! Whatever happens to a VF while a pod has it, its attachment has a defined end: DEL answers 0, IPAM's address is
//! released, the PF holds what it held before, nothing of the attachment is left, and the next pod gets the device.
//!
//! On the emulated igb, since only a PF adds what is looked at here: attributes, VFs that go and come, drivers that change.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod elsewhere;
mod races;
mod reboot;
mod removed;
mod returned;

use hardwire_tests::node::{Igb, Pod, host_links, run};
use hardwire_tests::plugin::{Call, Plugin};
use serde_json::{Value, json};

const VF: u32 = 3;
const NETWORK: &str = "net-a";

/// Fresh VFs, and one attachment of one of them.
struct Stage {
    igb: Igb,
    plugin: Plugin,
    pod: Option<Pod>,
    device: String,
    /// Name of the VF's interface on the host.
    name: String,
    before: Seen,
}

/// What must be the same before and after.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    vfs: Vec<Value>,
    links: Vec<Value>,
}

fn seen(igb: &Igb) -> Seen {
    Seen {
        vfs: igb.vfs(),
        links: host_links(),
    }
}

impl Stage {
    fn new(name: &str) -> Self {
        Self::prepared(name, |_name| {})
    }

    /// With something done to the VF's interface first.
    fn prepared(name: &str, prepare: impl FnOnce(&str)) -> Self {
        let igb = Igb::get();
        igb.tidy(VF);
        let netdev = igb.vf_netdev(VF).expect("the VF is on the host");
        prepare(&netdev);
        Self {
            plugin: Plugin::new(),
            pod: Some(Pod::new(name)),
            device: igb.vf_address(VF),
            name: netdev,
            before: seen(&igb),
            igb,
        }
    }

    fn conf(&self) -> Value {
        json!({"cniVersion": "1.0.0", "name": NETWORK, "type": "hardwire", "deviceID": self.device, "vlan": 60,
               "vlanQoS": 2, "spoofchk": "off", "trust": "on", "mtu": 1400,
               "ipam": self.plugin.host_local("10.90.0.0/24")})
    }

    fn pod(&self) -> &Pod {
        self.pod.as_ref().expect("the pod is there")
    }

    fn call(&self, command: &str, pod: &Pod) -> Call {
        self.plugin.request(command, pod, &self.conf())
    }

    /// ADD, and the call that will be its DEL.
    #[track_caller]
    fn add(&self) -> Call {
        self.call("ADD", self.pod()).run().success();
        assert_eq!(self.igb.vf(VF)["vlan_list"][0]["vlan"], 60);
        assert_eq!(self.plugin.reservations(NETWORK).len(), 1);
        self.call("DEL", self.pod())
    }

    /// The pod's namespace ends, and the kernel brings the VF back to the host: under which name.
    #[track_caller]
    fn end_namespace(&mut self) -> String {
        self.pod = None;
        self.igb.wait_for_vf(VF);
        self.igb.vf_netdev(VF).expect("the VF is on the host")
    }

    /// Asserts that everything is as before, and that the next pod gets the device.
    #[track_caller]
    fn ended(&self) {
        self.as_before();
        self.serves_the_next();
    }

    #[track_caller]
    fn as_before(&self) {
        self.released();
        assert_eq!(seen(&self.igb), self.before);
    }

    /// Asserts that nothing is left of the attachment.
    #[track_caller]
    fn released(&self) {
        assert_eq!(self.plugin.reservations(NETWORK), [""; 0]);
        assert_eq!(self.plugin.state_files(), [""; 0].map(std::path::PathBuf::from));
    }

    /// Asserts that another container's ADD and DEL work, and that nobody can tell afterwards.
    #[track_caller]
    fn serves_the_next(&self) {
        let (before, next) = (seen(&self.igb), Pod::new("next"));
        self.call("ADD", &next).run().success();
        assert_eq!(self.igb.vf(VF)["vlan_list"][0]["vlan"], 60);
        self.call("DEL", &next).run().silence();
        self.released();
        assert_eq!(seen(&self.igb), before);
    }

    /// The record of the attachment.
    fn record(&self) -> Value {
        let path = self.plugin.state().join("attachments");
        let mut entries = std::fs::read_dir(path).expect("a directory");
        let entry = entries.next().expect("a record").expect("an entry");
        serde_json::from_slice(&std::fs::read(entry.path()).expect("a record")).expect("JSON")
    }
}

/// An interface of the host with a certain name, which goes when dropped.
struct Namesake(String);

impl Namesake {
    fn new(name: &str) -> Self {
        run(&["ip", "link", "add", name, "type", "bridge"]);
        Self(name.to_owned())
    }
}

impl Drop for Namesake {
    fn drop(&mut self) {
        hardwire_tests::node::succeeds(&["ip", "link", "del", &self.0]);
    }
}
