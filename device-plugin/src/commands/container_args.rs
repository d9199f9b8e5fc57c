//! Flags of `run` about what containers get.

use std::path::{Path, PathBuf};

use clap::Args;
use hardwire_pci::Sysfs;

use crate::container::{HostPaths, Publisher};

/// What containers get, and where others look for it.
#[derive(Debug, Clone, Args)]
pub struct ContainerArgs {
    /// Hand out device nodes through CDI (Container Device Interface) instead of one by one.
    #[arg(long)]
    pub use_cdi: bool,
    /// Where the container runtime looks for CDI specs.
    #[arg(long, value_name = "DIR", default_value = "/var/run/cdi")]
    pub cdi_dir: PathBuf,
    /// Where Multus looks for device-info files.
    #[arg(long, value_name = "DIR", default_value = "/var/run/k8s.cni.cncf.io/devinfo/dp")]
    pub device_info_dir: PathBuf,
    /// Look below DIR instead of /dev for nodes that sysfs does not show.
    #[arg(long, value_name = "DIR", default_value = "/dev")]
    pub dev_root: PathBuf,
}

// === impl ContainerArgs ===

impl ContainerArgs {
    /// What offers are made with. `state` is our own state directory, where there is one.
    pub fn host_paths(&self, sysfs: Sysfs, state: Option<&Path>) -> HostPaths {
        HostPaths {
            sysfs,
            dev: self.dev_root.clone(),
            publisher: Publisher::new(
                self.use_cdi,
                self.cdi_dir.clone(),
                self.device_info_dir.clone(),
                state.map(|state| state.join("published")),
            ),
        }
    }
}
