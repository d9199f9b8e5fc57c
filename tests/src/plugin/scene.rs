//! A pod, a NIC for it, and the plugin: what one attachment needs.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Call, Plugin};
use crate::node::{Pod, Veth, host_links};

/// All three, named alike.
#[derive(Debug)]
pub struct Scene {
    /// The plugin.
    pub plugin: Plugin,
    /// The pod.
    pub pod: Pod,
    /// The NIC.
    pub nic: Veth,
}

/// What a call that fails must leave alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// Links of the host.
    pub host: Vec<Value>,
    /// Names of the pod's links.
    pub pod: Vec<String>,
    /// Files of the journal.
    pub journal: Vec<PathBuf>,
}

impl Scene {
    /// A scene whose NIC is `hw<name>`.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        Self {
            plugin: Plugin::new(),
            pod: Pod::new(name),
            nic: Veth::new(&format!("hw{name}")),
        }
    }

    /// A configuration for the NIC, with more fields or other values.
    pub fn conf(&self, extra: &Value) -> Value {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": self.nic.name()});
        for (key, value) in extra.as_object().expect("an object") {
            conf[key] = value.clone();
        }
        conf
    }

    /// A call for the pod.
    pub fn call(&self, command: &str, extra: &Value) -> Call {
        self.plugin.request(command, &self.pod, &self.conf(extra))
    }

    /// ADD that succeeds.
    #[track_caller]
    pub fn add(&self, extra: &Value) -> Value {
        self.call("ADD", extra).run().success()
    }

    /// CHECK against a result.
    pub fn check(&self, extra: &Value, result: &Value) -> Call {
        let mut conf = self.conf(extra);
        conf["prevResult"] = result.clone();
        self.plugin.request("CHECK", &self.pod, &conf)
    }

    /// DEL that succeeds, and prints nothing.
    #[track_caller]
    pub fn del(&self, extra: &Value) {
        self.call("DEL", extra).run().silence();
    }

    /// How things are.
    pub fn seen(&self) -> Seen {
        Seen {
            host: host_links(),
            pod: self.pod.link_names(),
            journal: self.plugin.state_files(),
        }
    }

    /// Asserts that things are afterwards as they were before.
    #[track_caller]
    pub fn unchanged_by<T>(&self, calls: impl FnOnce() -> T) -> T {
        let before = self.seen();
        let returned = calls();
        assert_eq!(self.seen(), before);
        returned
    }

    /// The same of host and pod alone.
    #[track_caller]
    pub fn links_unchanged_by<T>(&self, calls: impl FnOnce() -> T) -> T {
        let links = |seen: Seen| (seen.host, seen.pod);
        let before = links(self.seen());
        let returned = calls();
        assert_eq!(links(self.seen()), before);
        returned
    }
}
