//! Where things are on this node: as the arguments say, else as the running daemon says, else as on most nodes.

use std::path::{Path, PathBuf};

use hardwire_cni::Context;
use hardwire_pci::Sysfs;

use crate::ask::in_force::Running;
use crate::ask::own_pod::{NODE_NAME, OwnPod};
use crate::commands::doctor::args::DoctorArgs;
use crate::commands::install_cni::{CNI_BIN_DIR, CNI_PROGRAM};
use crate::config::Defaults;

const KUBELET_DIR: &str = "/var/lib/kubelet";
const SYSFS: &str = "/sys";
const PREFIX: &str = "intel.com";
/// Set in every container of a pod.
const IN_POD: &str = "KUBERNETES_SERVICE_HOST";
/// Of deploy/base.
const DAEMONSET: &str = "kube-system/hardwired";
/// Where network configurations are: on most nodes, on `OpenShift`'s, on k3s'.
const CONFIGURATIONS: [&str; 3] = [
    "/etc/cni/net.d",
    "/etc/kubernetes/cni/net.d",
    "/var/lib/rancher/k3s/agent/etc/cni/net.d",
];

/// Where things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// sysfs.
    pub sysfs: PathBuf,
    /// The process file system.
    pub proc: PathBuf,
    /// Sockets of device plugins, and the kubelet's checkpoint.
    pub device_plugins: PathBuf,
    /// The podresources socket.
    pub pod_resources: PathBuf,
    /// CNI plugins.
    pub cni_bin: PathBuf,
    /// Network configurations.
    pub cni_conf: PathBuf,
    /// What CNI and IPAM plugins keep.
    pub cni_state: PathBuf,
    /// Our state directory.
    pub state: PathBuf,
    /// What IPAM may still hold.
    pub leases: PathBuf,
    /// What a configuration does not say.
    pub defaults: Defaults,
    /// Whether this is a container of a pod.
    pub in_pod: bool,
    /// The daemon's pod; none where it runs in none, or nobody says in which.
    pub pod: Option<OwnPod>,
    /// The namespace and the name of its `DaemonSet`.
    pub daemonset: (String, String),
    /// The name of its container, where an argument says it.
    pub container: Option<String>,
    /// From which file the daemon would put the CNI plugin back.
    pub cni_program: PathBuf,
    /// The node's name in the cluster, where somebody says it.
    pub cluster_node: Option<String>,
    /// What the node is called here: its name in the cluster, else the kernel's.
    pub node: String,
}

// === impl Places ===

impl Places {
    /// The places that the arguments name, with what the daemon says where they say nothing.
    pub fn of(args: &DoctorArgs, context: &Context, running: Option<&Running>) -> Self {
        let chosen = |argument: &Option<PathBuf>, of: fn(&Running) -> &PathBuf, default: &str| {
            let path = argument.as_ref().or_else(|| running.map(of));
            let path = path.filter(|path| !path.as_os_str().is_empty());
            path.map_or_else(|| PathBuf::from(default), Clone::clone)
        };
        let kubelet_dir = chosen(&args.kubelet_dir, |running| &running.kubelet_dir, KUBELET_DIR);
        // The narrower word of the daemon goes with its own directory only.
        let same_kubelet = running.filter(|_| args.kubelet_dir.is_none());
        let device_plugins = same_kubelet.map(|running| running.defaults.plugin_directory.clone());
        let pod_resources = same_kubelet.map(|running| running.pod_resources_dir.clone());
        let device_plugins = device_plugins.unwrap_or_else(|| kubelet_dir.join("device-plugins"));
        let pod_resources = args.pod_resources_dir.clone().or(pod_resources);
        let prefix = args.resource_prefix.clone();
        let prefix = prefix.or_else(|| Some(running?.defaults.resource_prefix.clone()));
        let pod = OwnPod::of_this_process().or_else(|| running?.pod.clone());
        let (given, container) = match args.daemonset.as_deref().map(split_name) {
            Some((names, container)) => (Some(names), container),
            None => (None, None),
        };
        let own = || pod.as_ref().and_then(OwnPod::daemonset);
        let daemonset = given.or_else(own);
        let cluster_node = pod.as_ref().map(|pod| pod.node.clone()).filter(|node| !node.is_empty());
        let cluster_node = cluster_node.or_else(|| std::env::var(NODE_NAME).ok().filter(|node| !node.is_empty()));
        let host = || std::fs::read_to_string(args.proc_root.join("sys/kernel/hostname")).unwrap_or_default();
        let node = cluster_node.clone().unwrap_or_else(host);
        Self {
            sysfs: chosen(&args.sysfs_root, |running| &running.sysfs_root, SYSFS),
            proc: args.proc_root.clone(),
            pod_resources: pod_resources.unwrap_or_else(|| kubelet_dir.join("pod-resources")),
            cni_bin: chosen(&args.cni_bin_dir, |running| &running.cni_bin_dir, CNI_BIN_DIR),
            cni_conf: args.cni_conf_dir.clone().unwrap_or_else(usual_configurations),
            cni_state: args.cni_state_dir.clone(),
            state: context.state.clone(),
            leases: context.leases.directory().to_owned(),
            defaults: Defaults {
                resource_prefix: prefix.unwrap_or_else(|| PREFIX.to_owned()),
                plugin_directory: device_plugins.clone(),
            },
            device_plugins,
            in_pod: std::env::var_os(IN_POD).is_some(),
            daemonset: daemonset.unwrap_or_else(|| split_name(DAEMONSET).0),
            container,
            cni_program: chosen(&None, |running| &running.cni_program, CNI_PROGRAM),
            pod,
            cluster_node,
            node: node.trim().to_owned(),
        }
    }

    /// The tree that devices are read from.
    pub fn sysfs(&self) -> Sysfs {
        Sysfs::at(self.sysfs.clone())
    }

    /// Whether the processes of the node can be seen: all of a tree that is given, of our own only where this is no container.
    pub fn shows_processes(&self) -> bool {
        self.proc != Path::new("/proc") || hardwire_cni::netns::sees_all_processes()
    }
}

/// `NAMESPACE/NAME` or `NAMESPACE/NAME/CONTAINER`; without a namespace, that of deploy/base.
fn split_name(text: &str) -> ((String, String), Option<String>) {
    let (namespace, name) = text.split_once('/').unwrap_or(("kube-system", text));
    let (name, container) = name
        .split_once('/')
        .map_or((name, None), |(name, rest)| (name, Some(rest)));
    ((namespace.to_owned(), name.to_owned()), container.map(str::to_owned))
}

fn usual_configurations() -> PathBuf {
    let there = CONFIGURATIONS.iter().map(PathBuf::from).find(|path| path.is_dir());
    there.unwrap_or_else(|| PathBuf::from(CONFIGURATIONS[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemonset_is_named_with_its_namespace_and_its_container_or_without() {
        let names = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        assert_eq!(split_name("x"), (names("kube-system", "x"), None));
        assert_eq!(split_name("net/x"), (names("net", "x"), None));
        assert_eq!(split_name("net/x/main"), (names("net", "x"), Some("main".to_owned())));
    }
}
