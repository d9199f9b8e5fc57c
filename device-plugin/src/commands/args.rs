//! The command line. That of sriov-network-device-plugin is made one of ours by [`crate::commands::upstream_flags`].

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use hardwire_pci::Sysfs;

use crate::ask::in_force::Running;
use crate::cluster::KubeAccess;
use crate::commands::completions::CompletionsArgs;
use crate::commands::container_args::ContainerArgs;
use crate::commands::doctor::args::DoctorArgs;
use crate::commands::examples;
use crate::commands::install_cni::{CNI_BIN_DIR, CNI_PROGRAM, PROGRAM, ProgramName};
use crate::commands::networks::args::{ClassArgs, NadArgs};
use crate::commands::provision::args::{ApplyArgs, PlanArgs, WRITE_BOUND};
use crate::config::Defaults;
use crate::telemetry::logging::LogFormat;
use crate::telemetry::metrics::http::MetricsBind;

/// Where sriov-network-device-plugin has it.
pub(crate) const CONFIG: &str = "/etc/pcidp/config.json";
const KUBELET_DIR: &str = "/var/lib/kubelet";
const SYSFS: &str = "/sys";
/// As containerd and CRI-O have it.
const CNI_CONFIG: &str = "/etc/cni/net.d";
/// As there.
pub(crate) const PREFIX: &str = "intel.com";
/// The highest level in manifests of sriov-network-device-plugin, at which it logs what others log as info.
const UPSTREAM_LEVEL: u32 = 10;
/// A year: for ever, and far from what a clock cannot count to.
const LONGEST_GRACE: u64 = 365 * 24 * 60 * 60;

fn grace() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(..=LONGEST_GRACE)
}

/// The device manager of hardwire: offers network hardware to the kubelet. Without a command, it is `run`.
#[derive(Debug, Parser)]
#[command(name = "hardwired", version = hardwire_cni::VERSION, args_override_self = true, after_help = examples::ALL)]
#[command(max_term_width = 100, override_usage = "hardwired [COMMAND] [OPTIONS]")]
pub struct Cli {
    /// What is logged, on stderr: error, warn, info, debug, trace, or a filter by module. `RUST_LOG` comes first. Numbers are
    /// those of sriov-network-device-plugin: up to 10 is info, more is debug.
    #[arg(long, global = true, default_value = "info", value_name = "LEVEL", value_parser = log_level)]
    pub log_level: String,
    /// How a line of the log looks.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Offer the pools of a configuration to the kubelet until told to stop (SIGTERM, SIGINT).
    Run(RunArgs),
    /// Print the node's network devices, and the pool of each or why it is in none.
    Devices(DevicesArgs),
    /// Take the present state of a free VF for its idle state, in the running daemon.
    Adopt(AdoptArgs),
    /// Read a configuration as `run` does, or the configurations or networks of a manifest, and say what is wrong. Exit status 1
    /// if anything is.
    Check(CheckArgs),
    /// Print a NetworkAttachmentDefinition for the pods of a pool, which has passed what an ADD checks.
    Nad(NadArgs),
    /// Print a DeviceClass, by which claims ask for the devices of a pool with `via: dra` or `via: extended`.
    Deviceclass(ClassArgs),
    /// Print a script that completes commands and flags in a shell.
    Completions(CompletionsArgs),
    /// Say what is wrong on this node, since when and why, and the command that mends it. Exit status 0: nothing; 1: warnings;
    /// 2: errors; 3: it could not be looked at.
    Doctor(DoctorArgs),
    /// Say what would be done so that PFs and VFs are as configured (`pfs`), and change nothing. Exit status 0: nothing; 1:
    /// something; 2: something is refused.
    Plan(PlanArgs),
    /// Do it: make VFs, bind drivers, set what is configured. Never under a VF in use. Exit status 0: everything is as configured;
    /// 1: something failed; 2: something is refused.
    Apply(ApplyArgs),
    /// Put the CNI plugin's program into the node's directory of CNI plugins, in one step; with `--chain`, its entry into the
    /// default network's list.
    InstallCni(InstallArgs),
}

/// Options of `run`.
#[derive(Debug, Args)]
#[command(after_help = examples::RUN)]
pub struct RunArgs {
    /// The configuration: a JSON or YAML file with a resourceList.
    #[arg(long, alias = "config-file", value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// How long a DEL is waited for once an attachment's network namespace is gone; then its device is repaired.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = grace())]
    pub repair_grace: u64,
    /// How long a device that is gone, or that no pool selects any more, is still listed as unhealthy.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = grace())]
    pub removal_grace: u64,
    /// IPAM plugins beside host-local, whereabouts and dhcp that release by the container id alone: they too are asked to
    /// release what was attached before a boot.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub ipam_by_container_id: Vec<String>,
    /// Where the runtime's network configurations are: whether Multus is among them tells what chained interfaces are called.
    #[arg(long, value_name = "DIR", default_value = CNI_CONFIG)]
    pub cni_config_dir: PathBuf,
    /// What containers get.
    #[command(flatten)]
    pub container: ContainerArgs,
    /// Where /metrics, /healthz and /readyz are served over HTTP: an IP address and a port, or none.
    #[arg(long, value_name = "ADDR", default_value_t = MetricsBind::None)]
    pub metrics_bind: MetricsBind,
    /// The node's directory of CNI plugins: `doctor --fix` has the plugin put back there.
    #[arg(long = "cni-plugin-dir", value_name = "DIR", default_value = CNI_BIN_DIR)]
    pub cni_bin_dir: PathBuf,
    /// The plugin's program that is put there.
    #[arg(long, value_name = "FILE", default_value = CNI_PROGRAM)]
    pub cni_program: PathBuf,
    /// Show this node's devices to the cluster (`kubectl get nnd`, Events, and slices for claims): off, auto (where hardwired runs in a pod with a
    /// service account's token), or by this kubeconfig. The node's name is in the variable `NODE_NAME`, else the host's.
    #[arg(long, value_name = "off|auto|KUBECONFIG", default_value_t = KubeAccess::Auto)]
    pub kube: KubeAccess,
    /// How long one write to a PF may take before that PF is given up (`provision: apply`).
    #[arg(long, value_name = "SECONDS", default_value_t = WRITE_BOUND, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub write_bound: u64,
    /// Below it are the files of others who make VFs: etc/netplan, etc/systemd/network, and so on.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Options that the commands share.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Options of `devices`.
#[derive(Debug, Args)]
#[command(after_help = examples::DEVICES)]
pub struct DevicesArgs {
    /// Show the pools of this configuration instead of those that the running daemon has.
    #[arg(long, alias = "config-file", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How they are printed.
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Table)]
    pub output: Form,
    /// The same as -o json.
    #[arg(long)]
    pub json: bool,
    /// Where the kubelet's podresources socket is. Default: where the running daemon looks for it, else
    /// /var/lib/kubelet/pod-resources.
    #[arg(long, value_name = "DIR")]
    pub pod_resources_dir: Option<PathBuf>,
    /// The kubelet's directory. Default: the running daemon's, else /var/lib/kubelet.
    #[arg(long, value_name = "DIR")]
    pub kubelet_dir: Option<PathBuf>,
    /// Read devices below DIR. Default: where the running daemon reads them, else /sys.
    #[arg(long, value_name = "DIR")]
    pub sysfs_root: Option<PathBuf>,
    /// The prefix of resources whose configuration gives none. Default: the running daemon's, else intel.com.
    #[arg(long, value_name = "PREFIX")]
    pub resource_prefix: Option<String>,
}

/// Options of `adopt`.
#[derive(Debug, Args)]
#[command(after_help = examples::ADOPT)]
pub struct AdoptArgs {
    /// The device, as `hardwired devices` lists it.
    #[arg(value_name = "ID")]
    pub device: String,
}

/// How `devices` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal of 100 columns: what is longer is cut.
    Table,
    /// All columns, whole.
    Wide,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Options of `check`.
#[derive(Debug, Args)]
#[command(after_help = examples::CHECK)]
pub struct CheckArgs {
    /// The configuration: a JSON or YAML file with a resourceList, or a Kubernetes manifest with a `ConfigMap` that has one.
    /// Default: /etc/pcidp/config.json; with --nad, the pools of the running daemon.
    #[arg(long, alias = "config-file", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say what an ADD would refuse of the networks in a manifest (`NetworkAttachmentDefinition`), in YAML or JSON.
    #[arg(long, value_name = "FILE")]
    pub nad: Option<PathBuf>,
    /// Take warnings for mistakes too.
    #[arg(long)]
    pub strict: bool,
    /// Options that the commands share.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Options of `install-cni`.
#[derive(Debug, Args)]
#[command(after_help = examples::INSTALL_CNI)]
pub struct InstallArgs {
    /// The program.
    #[arg(long, value_name = "FILE", default_value = CNI_PROGRAM)]
    pub from: PathBuf,
    /// The directory, /opt/cni/bin on most nodes.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["chain", "unchain"])]
    pub to: Option<PathBuf>,
    /// Put {"type": "hardwire", "attach": "pod"} at the end of the default network's list, so that pods get the devices of pools
    /// with `attach: chain` without a NAD. The running daemon puts it back when that file is written anew.
    #[arg(long)]
    pub chain: bool,
    /// Take it out again, for good. Refused while devices are attached by it.
    #[arg(long, conflicts_with = "chain")]
    pub unchain: bool,
    /// Where the runtime's network configurations are.
    #[arg(long, value_name = "DIR", default_value = CNI_CONFIG)]
    pub cni_config_dir: PathBuf,
    /// What it is called there: the `type` of the networks that are to use it. With `sriov` it takes the place of
    /// sriov-cni, whose program is kept beside it as sriov.before-hardwire.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = PROGRAM)]
    pub name: Vec<ProgramName>,
}

/// Where things are on this node.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Where the kubelet's socket for device plugins is, and ours. A kubelet keeps it in place, whatever its --root-dir.
    /// Default: /var/lib/kubelet/device-plugins.
    #[arg(long, value_name = "DIR")]
    pub device_plugin_dir: Option<PathBuf>,
    /// Where the kubelet's podresources socket is: ROOT/pod-resources for a kubelet with --root-dir=ROOT.
    /// Default: /var/lib/kubelet/pod-resources.
    #[arg(long, value_name = "DIR")]
    pub pod_resources_dir: Option<PathBuf>,
    /// Both of them: DIR/device-plugins and DIR/pod-resources, unless their own flags say otherwise.
    #[arg(long, value_name = "DIR", default_value = KUBELET_DIR)]
    pub kubelet_dir: PathBuf,
    /// Read devices below DIR instead of /sys.
    #[arg(long, value_name = "DIR", default_value = SYSFS)]
    pub sysfs_root: PathBuf,
    /// The prefix of resources whose configuration gives none.
    #[arg(long, value_name = "PREFIX", default_value = PREFIX)]
    pub resource_prefix: String,
}

#[allow(clippy::unnecessary_wraps, reason = "clap's parsers may fail")]
fn log_level(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(match text.parse::<u32>() {
        Ok(level) if level > UPSTREAM_LEVEL => "debug".to_owned(),
        Ok(_) => "info".to_owned(),
        Err(_not_a_number) => text.to_owned(),
    })
}

// === impl CheckArgs ===

impl CheckArgs {
    /// The configuration, where no other is named.
    pub fn config(&self) -> &Path {
        self.config.as_deref().unwrap_or_else(|| Path::new(CONFIG))
    }
}

// === impl DevicesArgs ===

impl DevicesArgs {
    /// How they are printed.
    pub fn form(&self) -> Form {
        if self.json { Form::Json } else { self.output }
    }

    /// The node as the arguments have it, and where they say nothing, as the running daemon has it.
    pub fn node(&self, running: Option<&Running>) -> NodeArgs {
        let path = |argument: &Option<PathBuf>, of: fn(&Running) -> &PathBuf, default: &str| {
            let path = argument.as_ref().or_else(|| running.map(of));
            path.map_or_else(|| default.into(), Clone::clone)
        };
        let prefix = self.resource_prefix.as_ref();
        let prefix = prefix.or_else(|| running.map(|running| &running.defaults.resource_prefix));
        // What an argument says of both directories is more than what the daemon says of one.
        let running_dir = running.filter(|_| self.kubelet_dir.is_none());
        let pod_resources_dir = self.pod_resources_dir.clone();
        let device_plugin_dir = running_dir.map(|running| running.defaults.plugin_directory.clone());
        NodeArgs {
            device_plugin_dir,
            pod_resources_dir: pod_resources_dir.or_else(|| Some(running_dir?.pod_resources_dir.clone())),
            kubelet_dir: path(&self.kubelet_dir, |running| &running.kubelet_dir, KUBELET_DIR),
            sysfs_root: path(&self.sysfs_root, |running| &running.sysfs_root, SYSFS),
            resource_prefix: prefix.map_or_else(|| PREFIX.to_owned(), Clone::clone),
        }
    }
}

// === impl NodeArgs ===

impl NodeArgs {
    /// The tree to read devices from.
    pub fn sysfs(&self) -> Sysfs {
        Sysfs::at(&self.sysfs_root)
    }

    /// What a configuration is read with.
    pub fn defaults(&self) -> Defaults {
        Defaults {
            resource_prefix: self.resource_prefix.clone(),
            plugin_directory: self.device_plugin_dir(),
        }
    }

    /// The directory of the kubelet's registration socket and of ours (`DevicePluginPath` in the kubelet's
    /// staging/src/k8s.io/kubelet/pkg/apis/deviceplugin, which no flag of it changes).
    pub fn device_plugin_dir(&self) -> PathBuf {
        let below = || self.kubelet_dir.join(hardwire_proto::deviceplugin::DIRECTORY);
        self.device_plugin_dir.clone().unwrap_or_else(below)
    }

    /// The directory of the kubelet's podresources socket (`getPodResourcesDir` in pkg/kubelet, below its root directory).
    pub fn pod_resources_dir(&self) -> PathBuf {
        let below = || self.kubelet_dir.join(hardwire_proto::podresources::DIRECTORY);
        self.pod_resources_dir.clone().unwrap_or_else(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(arguments: &[&str]) -> (PathBuf, PathBuf) {
        let cli = Cli::try_parse_from([&["hardwired", "run"], arguments].concat()).unwrap();
        let Command::Run(run) = cli.command else { unreachable!() };
        (run.node.device_plugin_dir(), run.node.pod_resources_dir())
    }

    /// A clock counts no further: the loop would end at the first device that is gone.
    #[test]
    fn rule_9_a_grace_that_no_clock_counts_to_is_refused() {
        for flag in ["--removal-grace", "--repair-grace"] {
            let with = |seconds: u64| Cli::try_parse_from(["hardwired", "run", flag, &seconds.to_string()]);
            let error = with(u64::MAX).unwrap_err().to_string();
            assert!(error.contains(flag) && error.contains("31536000"), "{error}");
            assert!(with(0).is_ok() && with(LONGEST_GRACE).is_ok());
        }
    }

    #[test]
    fn the_kubelets_sockets_are_found_together_or_each_for_itself() {
        let both = |plugins: &str, pods: &str| (Path::new(plugins).to_owned(), Path::new(pods).to_owned());
        let (plugins, pods) = ("/var/lib/kubelet/device-plugins", "/var/lib/kubelet/pod-resources");
        assert_eq!(directories(&[]), both(plugins, pods));
        assert_eq!(
            directories(&["--kubelet-dir", "/k"]),
            both("/k/device-plugins", "/k/pod-resources")
        );
        assert_eq!(
            directories(&["--pod-resources-dir", "/data/kubelet/pod-resources"]),
            both(plugins, "/data/kubelet/pod-resources")
        );
        assert_eq!(directories(&["--device-plugin-dir=/d"]), both("/d", pods));
        assert_eq!(
            directories(&["--kubelet-dir=/k", "--device-plugin-dir=/d"]),
            both("/d", "/k/pod-resources"),
            "the narrower flag takes precedence"
        );
    }
}
