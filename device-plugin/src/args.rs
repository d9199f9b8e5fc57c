//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hardwire_pci::Sysfs;

use crate::config::Defaults;
use crate::logging::LogFormat;
use crate::metrics::http::MetricsBind;

/// The device manager of hardwire: offers network hardware to the kubelet.
#[derive(Debug, Parser)]
#[command(name = "hardwired", version)]
pub struct Cli {
    /// What is logged, on stderr: error, warn, info, debug, trace, or a filter by module. `RUST_LOG` comes first.
    #[arg(long, global = true, default_value = "info", value_name = "LEVEL")]
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
    /// Put the CNI plugin's program into the node's directory of CNI plugins, in one step.
    InstallCni(InstallArgs),
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration: a JSON file with a resourceList.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// How long a DEL is waited for once an attachment's network namespace is gone; then its device is repaired.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub repair_grace: u64,
    /// Where /metrics, /healthz and /readyz are served over HTTP: an IP address and a port, or none.
    #[arg(long, value_name = "ADDR", default_value_t = MetricsBind::None)]
    pub metrics_bind: MetricsBind,
    /// Options that the commands share.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Options of `devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// The configuration, to see which device is in which pool.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Options that the commands share.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Options of `install-cni`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// The program.
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/hardwire")]
    pub from: PathBuf,
    /// The directory, /opt/cni/bin on most nodes.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// Where things are on this node.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// The kubelet's directory; its sockets are in DIR/device-plugins.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kubelet")]
    pub kubelet_dir: PathBuf,
    /// Read devices below DIR instead of /sys.
    #[arg(long, value_name = "DIR", default_value = "/sys")]
    pub sysfs_root: PathBuf,
    /// The prefix of resources whose configuration gives none.
    #[arg(long, value_name = "PREFIX", default_value = "intel.com")]
    pub resource_prefix: String,
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
            plugin_directory: self.kubelet_dir.join(hardwire_proto::deviceplugin::DIRECTORY),
        }
    }
}
