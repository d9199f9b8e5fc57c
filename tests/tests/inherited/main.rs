//! What a pod leaves on its interface, the next does not inherit.
//!
//! Only what survives the move to the host's namespace: the kernel takes the rest away by itself. veth stands in for the NIC
//! where what is left is the stack's and no driver's.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod cards;
mod children;
mod programs;
mod settings;

use hardwire_tests::node::{Pod, Veth, host_links};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

/// A pod that has an interface of the host as `net1`.
struct Attached {
    nic: Veth,
    pod: Pod,
    plugin: Plugin,
    before: Vec<Value>,
}

impl Attached {
    /// After `prepare` was done to the interface on the host.
    fn prepared(name: &str, prepare: impl FnOnce(&Veth)) -> Self {
        let (nic, pod, plugin) = (Veth::new(name), Pod::new(name), Plugin::new());
        prepare(&nic);
        let before = host_links();
        let attached = Self {
            nic,
            pod,
            plugin,
            before,
        };
        attached.plugin.add(&attached.pod, &attached.conf());
        attached
    }

    fn new(name: &str) -> Self {
        Self::prepared(name, |_| ())
    }

    fn conf(&self) -> Value {
        json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": self.nic.name()})
    }

    /// Changes `net1` in the pod, as who may administer the pod's network.
    #[track_caller]
    fn sets(&self, words: &[&str]) {
        self.pod.run(&[&["ip", "link", "set", "dev", "net1"], words].concat());
    }

    #[track_caller]
    fn del(&self) {
        self.plugin.del(&self.pod, &self.conf());
        assert_eq!(host_links(), self.before);
        assert!(self.plugin.state_files().is_empty());
    }
}
