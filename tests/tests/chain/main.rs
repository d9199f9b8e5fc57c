//! What a pod was given is attached by our entry in the default network's list, and nothing else is: natively as root, in
//! namespaces of its own, on veth.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod alone;
mod attached;
mod entitled;
mod without_daemon;

use hardwire_cni::ask::Answer;
use hardwire_tests::node::{Pod, Veth, isolated};
use hardwire_tests::plugin::{Call, FakeDaemon, Plugin};
use serde_json::{Value, json};

const RESOURCE: &str = "intel.com/vfs";
const UID: &str = "11111111-2222-3333-4444-555555555555";

/// A node with two NICs, and a pod on it.
struct Node {
    plugin: Plugin,
    pod: Pod,
    first: Veth,
    second: Veth,
}

impl Node {
    fn new() -> Self {
        Self {
            plugin: Plugin::new(),
            pod: Pod::new("chain"),
            first: Veth::new("hwa"),
            second: Veth::new("hwb"),
        }
    }

    /// A daemon by whose word each pod has both NICs.
    fn daemon(&self, network: &Value) -> FakeDaemon {
        let both = [
            ("net1", "net/hwa", network.clone()),
            ("net2", "net/hwb", network.clone()),
        ];
        FakeDaemon::start(&self.plugin.state(), &both)
    }

    /// A call of the list, in which another plugin has made eth0 unless we stand alone.
    fn call(&self, command: &str, conf: &Value) -> Call {
        let mut whole = json!({"cniVersion": "1.0.0", "name": "cluster", "type": "hardwire", "attach": "pod"});
        for (key, value) in conf.as_object().unwrap() {
            whole[key] = value.clone();
        }
        if command == "ADD" {
            let (is_alone, reports) = (whole.get("prevResult").is_none(), whole["reportIps"] == true);
            self.plugin.list_has_us("cluster", is_alone, reports);
        }
        let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=red;K8S_POD_NAME=a;K8S_POD_UID={UID}");
        self.plugin
            .request(command, &self.pod, &whole)
            .set("CNI_IFNAME", "eth0")
            .set("CNI_ARGS", args)
    }

    /// What the plugin before us has printed.
    fn previous(&self) -> Value {
        json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": self.pod.path()}],
               "ips": [{"interface": 0, "address": "10.0.0.2/24"}], "vendor.example/x": 1})
    }

    fn links(&self) -> Vec<String> {
        let mut names = self.pod.link_names();
        names.retain(|name| name != "lo");
        names.sort();
        names
    }

    #[track_caller]
    fn is_as_before(&self) {
        assert_eq!(self.links(), [""; 0]);
        assert_eq!(self.plugin.state_files(), [""; 0].map(std::path::PathBuf::from));
        for nic in [&self.first, &self.second] {
            assert!(
                hardwire_tests::node::host_links()
                    .iter()
                    .any(|link| link["ifname"] == nic.name())
            );
        }
    }
}

fn on_a_node(test: impl FnOnce(&Node) + Send) {
    isolated(|| test(&Node::new()));
}

fn names(result: &Value) -> Vec<&str> {
    let interfaces = result["interfaces"].as_array().unwrap();
    interfaces
        .iter()
        .map(|interface| interface["name"].as_str().unwrap())
        .collect()
}
