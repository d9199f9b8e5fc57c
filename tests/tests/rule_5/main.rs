//! Never the node's own NIC: whatever the node may use it for is found, what cannot be read is a use, and a NAD alone
//! gets nothing of the node's; what is lent comes back with everything that the node had on it.
//!
//! Runs anywhere as root: in namespaces of its own, on veth.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod elsewhere;
mod lent;
mod operator;
mod seen;

use hardwire_tests::node::{Pod, Veth, host_links, isolated, run};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

/// A NIC that is up and has a neighbour, a pod that wants it, and the plugin.
struct Node {
    plugin: Plugin,
    pod: Pod,
    nic: Veth,
}

impl Node {
    fn new() -> Self {
        let nic = Veth::new("nic0");
        run(&["ip", "link", "set", "nic0p", "up"]);
        run(&["ip", "link", "set", "nic0", "up"]);
        Self {
            plugin: Plugin::new(),
            pod: Pod::new("rule5"),
            nic,
        }
    }

    fn conf(&self, extra: &Value) -> Value {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": self.nic.name()});
        for (key, value) in extra.as_object().expect("an object") {
            conf[key] = value.clone();
        }
        conf
    }

    /// An ADD that must fail and leave no trace.
    #[track_caller]
    fn refused(&self, extra: &Value, code: u32, parts: &[&str]) {
        let before = (host_links(), self.pod.link_names(), self.plugin.state_files());
        let outcome = self.plugin.call("ADD", &self.pod, &self.conf(extra));
        outcome.failure_naming(code, parts);
        let after = (host_links(), self.pod.link_names(), self.plugin.state_files());
        assert_eq!(after, before);
    }

    #[track_caller]
    fn attached_and_back(&self, extra: &Value) {
        self.plugin.add(&self.pod, &self.conf(extra));
        self.plugin.del(&self.pod, &self.conf(&json!({})));
    }
}

/// In namespaces of their own.
fn on_a_node(body: impl FnOnce(Node) + Send) {
    isolated(|| {
        run(&["ip", "link", "set", "lo", "up"]);
        body(Node::new());
    });
}

/// Runs `ip` with the words of a line.
#[track_caller]
fn ip(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    run(&[&["ip"], &words[..]].concat())
}
