//! GC, which releases exactly what is ours, of one network, and not listed; and STATUS, which says whether an ADD could
//! work now.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod gc;
mod status;

use hardwire_tests::node::{Pod, Veth, host_links};
use hardwire_tests::plugin::{Call, FakeIpam, Plugin};
use serde_json::{Value, json};

/// Some attachments by one plugin, and an IPAM plugin that remembers its calls.
struct Attachments {
    plugin: Plugin,
    ipam: FakeIpam,
    idle: Vec<Value>,
    made: Vec<(Pod, Veth, &'static str)>,
}

impl Attachments {
    /// One attachment per network named.
    fn new(name: &str, networks: &[&'static str]) -> Self {
        let mut plugin = Plugin::new();
        let ipam = plugin.fake_ipam("addresses");
        ipam.gives_an_address();
        let made: Vec<_> = networks
            .iter()
            .enumerate()
            .map(|(index, network)| (Pod::new(name), Veth::new(&format!("hw{name}{index}")), *network))
            .collect();
        let all = Self {
            plugin,
            ipam,
            idle: host_links(),
            made,
        };
        for index in 0..all.made.len() {
            all.call("ADD", index).run().success();
        }
        all
    }

    fn conf(&self, index: usize) -> Value {
        let (_, nic, network) = &self.made[index];
        json!({"cniVersion": "1.1.0", "name": network, "type": "hardwire", "device": nic.name(), "ipam": self.ipam.conf()})
    }

    fn call(&self, command: &str, index: usize) -> Call {
        self.plugin.request(command, &self.made[index].0, &self.conf(index))
    }

    fn id(&self, index: usize) -> &str {
        self.made[index].0.name()
    }

    /// The entry of a list of valid attachments.
    fn entry(&self, index: usize) -> Value {
        json!({"containerID": self.id(index), "ifname": "net1"})
    }

    /// GC of net-a as libcni calls it: without device, with empty variables.
    fn gc(&self, lists: &Value) -> Call {
        let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire", "ipam": self.ipam.conf()});
        for (key, value) in lists.as_object().expect("an object") {
            conf[key] = value.clone();
        }
        caller(&self.plugin, "GC").stdin(conf.to_string())
    }

    /// Which attachments are still made.
    fn attached(&self) -> Vec<usize> {
        let mut attached = Vec::new();
        for (index, (pod, ..)) in self.made.iter().enumerate() {
            if pod.link_names().contains(&"net1".to_owned()) {
                attached.push(index);
            }
        }
        attached
    }

    /// Calls of IPAM after all ADDs.
    fn ipam_calls(&self) -> Vec<String> {
        self.ipam.calls().split_off(self.made.len())
    }

    /// Ends them all, and asserts that nothing is left.
    #[track_caller]
    fn end(self) {
        for index in 0..self.made.len() {
            self.call("DEL", index).run().silence();
        }
        assert_eq!(host_links(), self.idle);
        assert!(self.plugin.state_files().is_empty(), "{:?}", self.plugin.state_files());
    }
}

/// A call with the environment that libcni gives to GC and STATUS.
fn caller(plugin: &Plugin, command: &str) -> Call {
    ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"]
        .into_iter()
        .fold(plugin.bare_request(), |call, name| call.set(name, ""))
        .set("CNI_COMMAND", command)
        .set("CNI_PATH", &plugin.path)
}
