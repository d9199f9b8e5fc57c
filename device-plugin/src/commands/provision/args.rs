//! The flags of `plan` and `apply`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::args::NodeArgs;
use crate::commands::examples;

/// Options of `plan`.
#[derive(Debug, Args)]
#[command(after_help = examples::PLAN)]
pub struct PlanArgs {
    /// For programs.
    #[arg(long)]
    pub json: bool,
    /// Print the `SriovNetworkNodeState` in this file (of sriov-network-operator, in YAML or JSON) as a configuration of
    /// hardwired, and plan nothing.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// What both commands go by.
    #[command(flatten)]
    pub survey: SurveyArgs,
}

/// Options of `apply`.
#[derive(Debug, Args)]
#[command(after_help = examples::APPLY)]
pub struct ApplyArgs {
    /// What both commands go by.
    #[command(flatten)]
    pub survey: SurveyArgs,
}

/// What both go by.
#[derive(Debug, Args)]
pub struct SurveyArgs {
    /// The configuration. Default: that of the running daemon, else /etc/pcidp/config.json.
    #[arg(long, alias = "config-file", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change this PF (its interface or its address) though the node uses its link, or somebody else makes its VFs. Never under a
    /// VF in use.
    #[arg(long, value_name = "PF")]
    pub force: Vec<String>,
    /// How long one write may take before the PF is given up. Where a daemon runs, it is the daemon's.
    #[arg(long, value_name = "SECONDS", default_value_t = WRITE_BOUND, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub write_bound: u64,
    /// Below it are the files of others who make VFs: etc/netplan, etc/systemd/network, and so on.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Options that the commands share.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Seconds. What firmware does for a thousand VFs takes less.
pub const WRITE_BOUND: u64 = 120;
