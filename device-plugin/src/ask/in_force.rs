//! Which configuration is in force: told to metrics and probes, and to whoever asks over the control socket.
//!
//! The text itself is told, not only the file's name: the file may be another one by now, or lie where only the daemon's
//! container sees it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::own_pod::OwnPod;
use super::rights::Rights;
use crate::config::{Config, ConfigError, Defaults};
use crate::telemetry::metrics::Metrics;

/// A configuration in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InForce {
    /// The file it was read from.
    pub file: PathBuf,
    /// What was in it.
    pub text: String,
    /// Why the file as it is now is not in force.
    pub bad_file: Option<String>,
}

/// A running daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Its `--kubelet-dir`.
    pub kubelet_dir: PathBuf,
    /// Where the kubelet's podresources socket is.
    pub pod_resources_dir: PathBuf,
    /// Its `--sysfs-root`.
    pub sysfs_root: PathBuf,
    /// What it reads its configuration with.
    pub defaults: Defaults,
    /// Where it would put the CNI plugin.
    #[serde(default)]
    pub cni_bin_dir: PathBuf,
    /// From which file.
    #[serde(default)]
    pub cni_program: PathBuf,
    /// Its configuration; none before it has one.
    pub in_force: InForce,
    /// Resources that the kubelet does not know, or does not listen to.
    #[serde(default)]
    pub unregistered: Vec<String>,
    /// PFs that are not as configured, a line each.
    #[serde(default)]
    pub provisioning: Vec<String>,
    /// What it may do.
    #[serde(default)]
    pub rights: Rights,
    /// Its pod, where it runs in one that tells.
    #[serde(default)]
    pub pod: Option<OwnPod>,
}

/// The daemon's end.
#[derive(Debug, Clone)]
pub struct InForceSender {
    sender: watch::Sender<InForce>,
    metrics: Metrics,
}

/// Both ends.
pub fn in_force(metrics: Metrics) -> (InForceSender, watch::Receiver<InForce>) {
    let (sender, receiver) = watch::channel(InForce::default());
    (InForceSender { sender, metrics }, receiver)
}

// === impl InForceSender ===

impl InForceSender {
    /// A configuration is in force from now on.
    pub fn configured(&self, file: &Path, config: &Config) {
        let refused = config.refused.iter().map(ToString::to_string).collect();
        self.metrics.configured(refused);
        self.sender.send_replace(InForce {
            file: file.to_owned(),
            text: config.text.clone(),
            bad_file: None,
        });
    }

    /// The file as it is now is of no use: the configuration before stays in force.
    pub fn not_configured(&self, error: &ConfigError) {
        self.metrics.not_configured(error.to_string());
        self.sender
            .send_modify(|in_force| in_force.bad_file = Some(error.to_string()));
    }
}
