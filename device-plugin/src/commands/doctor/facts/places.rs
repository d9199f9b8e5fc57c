//! Where things are on this node: as the arguments say, else as the running daemon says, else as on most nodes.

use std::path::{Path, PathBuf};

use hardwire_cni::Context;
use hardwire_pci::Sysfs;

use crate::ask::in_force::Running;
use crate::commands::doctor::args::DoctorArgs;
use crate::commands::install_cni::CNI_BIN_DIR;
use crate::config::Defaults;

const KUBELET_DIR: &str = "/var/lib/kubelet";
const SYSFS: &str = "/sys";
const PREFIX: &str = "intel.com";
/// Set in every container of a pod.
const IN_POD: &str = "KUBERNETES_SERVICE_HOST";

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
    /// The node's name, as far as it is the kernel's.
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
        let node = std::fs::read_to_string(args.proc_root.join("sys/kernel/hostname")).unwrap_or_default();
        Self {
            sysfs: chosen(&args.sysfs_root, |running| &running.sysfs_root, SYSFS),
            proc: args.proc_root.clone(),
            pod_resources: pod_resources.unwrap_or_else(|| kubelet_dir.join("pod-resources")),
            cni_bin: chosen(&args.cni_bin_dir, |running| &running.cni_bin_dir, CNI_BIN_DIR),
            cni_conf: args.cni_conf_dir.clone(),
            cni_state: args.cni_state_dir.clone(),
            state: context.state.clone(),
            leases: context.leases.directory().to_owned(),
            defaults: Defaults {
                resource_prefix: prefix.unwrap_or_else(|| PREFIX.to_owned()),
                plugin_directory: device_plugins.clone(),
            },
            device_plugins,
            in_pod: std::env::var_os(IN_POD).is_some(),
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
