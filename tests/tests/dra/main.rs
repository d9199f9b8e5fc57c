//! `hardwired` and claims: dynamic resource allocation, as the kubelet's plugin watcher and its DRA manager use it.
//!
//! Natively, without root: a sysfs tree of files, stand-ins for the kubelet and the API server, and the built programs between
//! them.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod claims;
mod entitled;
mod registration;
mod slices;

use std::fs;
use std::time::Duration;

use hardwire_tests::api_server::{ApiServer, NODE};
use hardwire_tests::daemon::{Daemon, Site};
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::sysfs_tree::SysfsTree;
use serde_json::{Value, json};

/// For what should take no time at all, on however slow a machine.
const SOON: Duration = Duration::from_secs(20);
const DRIVER: &str = "hardwire.dev";

/// One pool of all VFs of the tree's PF, for claims.
fn for_claims() -> Value {
    json!({"resourceList": [{
        "resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}, "via": "dra",
        "network": {"vlan": 100, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}},
    }]})
}

/// A daemon, the kubelet and the API server that it speaks to, and a tree with VFs.
struct Running {
    // In the order in which they end.
    daemon: Daemon,
    kubelet: Kubelet,
    api: ApiServer,
    site: Site,
    tree: SysfsTree,
}

impl Running {
    fn start(config: &Value, vfs: u32) -> Self {
        let (site, tree, api) = (Site::new(), SysfsTree::with_vfs(vfs), ApiServer::start().unwrap());
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let daemon = start(config, &site, &tree, &api);
        Self {
            daemon,
            kubelet,
            api,
            site,
            tree,
        }
    }

    /// The daemon is killed, and another one begins.
    fn restart(&mut self, config: &Value) {
        self.daemon.signal(rustix::process::Signal::KILL);
        self.daemon.wait(SOON);
        self.daemon = start(config, &self.site, &self.tree, &self.api);
    }
}

fn start(config: &Value, site: &Site, tree: &SysfsTree, api: &ApiServer) -> Daemon {
    let directory = site.directory().join("net.d");
    fs::create_dir_all(&directory).unwrap();
    // Without our entry in the list, devices are given to nobody.
    let list = json!({"cniVersion": "1.0.0", "name": "k8s",
                      "plugins": [{"type": "bridge"}, {"type": "hardwire", "attach": "pod"}]});
    fs::write(directory.join("10-k8s.conflist"), list.to_string()).unwrap();
    let kubeconfig = api.kubeconfig(site.directory());
    let arguments = [
        "--kube",
        kubeconfig.to_str().unwrap(),
        "--cni-config-dir",
        directory.to_str().unwrap(),
    ];
    site.start_with_variables(config, tree.root(), &arguments, &[("NODE_NAME", NODE)])
}

/// A claim as the API has it, allocated these devices and reserved for these pods; one that a pod owns, unless it is `shared`.
fn allocated(uid: &str, devices: &[&str], pods: &[&str], shared: bool) -> Value {
    let results: Vec<Value> = devices
        .iter()
        .map(|device| json!({"request": "vf", "driver": DRIVER, "pool": NODE, "device": device}))
        .collect();
    let pods: Vec<Value> = pods
        .iter()
        .map(|uid| json!({"resource": "pods", "name": "p", "uid": uid}))
        .collect();
    let owner = json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": true}]);
    json!({
        "metadata": {"uid": uid, "ownerReferences": if shared { json!([]) } else { owner }},
        "status": {"allocation": {"devices": {"results": results, "config": []}}, "reservedFor": pods},
    })
}

/// What the parameters of a claim are in the API.
fn with_parameters(mut claim: Value, fields: &Value) -> Value {
    let mut parameters = json!({"apiVersion": "hardwire.dev/v1alpha1", "kind": "Attachment"});
    for (key, value) in fields.as_object().unwrap() {
        parameters[key] = value.clone();
    }
    claim["status"]["allocation"]["devices"]["config"] =
        json!([{"source": "FromClaim", "requests": ["vf"], "opaque": {"driver": DRIVER, "parameters": parameters}}]);
    claim
}
