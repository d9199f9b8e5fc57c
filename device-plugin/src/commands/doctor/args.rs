//! Options of `doctor`: where things are on this node. What is not said is the running daemon's, or as on most nodes.

use std::path::PathBuf;

use clap::Args;

use crate::commands::examples;

/// Options of `doctor`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = examples::DOCTOR)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Have the running daemon mend what is surely ours: the plugin's program, sockets that nobody serves, attachments of
    /// devices that nobody has. Each is said before it is done.
    #[arg(long)]
    pub fix: bool,
    /// Networks to look at too: a manifest with `NetworkAttachmentDefinition`s (kubectl get net-attach-def -A -o yaml).
    #[arg(long, value_name = "FILE")]
    pub nad: Vec<PathBuf>,
    /// The configuration to go by. Default: the one in force in the running daemon, else /etc/hardwire/config.json or
    /// /etc/pcidp/config.json.
    #[arg(long, alias = "config-file", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The kubelet's directory. Default: the running daemon's, else /var/lib/kubelet.
    #[arg(long, value_name = "DIR")]
    pub kubelet_dir: Option<PathBuf>,
    /// Where the kubelet's podresources socket is. Default: where the running daemon looks for it.
    #[arg(long, value_name = "DIR")]
    pub pod_resources_dir: Option<PathBuf>,
    /// Read devices below DIR. Default: where the running daemon reads them, else /sys.
    #[arg(long, value_name = "DIR")]
    pub sysfs_root: Option<PathBuf>,
    /// The prefix of resources whose configuration gives none. Default: the running daemon's, else intel.com.
    #[arg(long, value_name = "PREFIX")]
    pub resource_prefix: Option<String>,
    /// The directory of CNI plugins. Default: the running daemon's, else /opt/cni/bin.
    #[arg(long = "cni-plugin-dir", value_name = "DIR")]
    pub cni_bin_dir: Option<PathBuf>,
    /// The directory of network configurations. Default: /etc/cni/net.d, else what k3s and others have.
    #[arg(long, value_name = "DIR")]
    pub cni_conf_dir: Option<PathBuf>,
    /// The daemon's `DaemonSet`, for commands. Default: that of the daemon's pod, else kube-system/hardwired.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub daemonset: Option<String>,
    /// Where CNI and its IPAM plugins keep what they know.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/cni")]
    pub cni_state_dir: PathBuf,
    /// Read processes and the kernel's command line below DIR.
    #[arg(long, value_name = "DIR", default_value = "/proc")]
    pub proc_root: PathBuf,
}
