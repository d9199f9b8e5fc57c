//! Where the program finds the node: the sysfs tree and its own state directory.

use std::ffi::OsString;
use std::path::PathBuf;

use hardwire_pci::Sysfs;

use crate::idle::IdleRecords;
use crate::journal::Journal;

/// Roots that tests replace. Set by the process environment, which is the runtime's, never by a configuration, which may
/// be a tenant's.
#[derive(Debug, Clone)]
pub struct Context {
    /// sysfs.
    pub sysfs: Sysfs,
    /// Journal.
    pub journal: Journal,
    /// Idle records.
    pub idle: IdleRecords,
    /// Where all of our own state is.
    pub state: PathBuf,
    /// Where sriov-cni keeps its state.
    pub sriov_cni: PathBuf,
    /// What the node's operator allows.
    pub plugin_config: PathBuf,
}

impl Context {
    /// The node's own: `/sys`, `/run/hardwire`, `/var/lib/cni/sriov` and `/etc/hardwire/plugin.json`, unless
    /// `HARDWIRE_SYSFS_ROOT`, `HARDWIRE_STATE_DIR`, `HARDWIRE_SRIOV_CNI_DIR` and `HARDWIRE_PLUGIN_CONFIG` say otherwise.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str, default: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        let state = path("HARDWIRE_STATE_DIR", "/run/hardwire");
        Self {
            sysfs: Sysfs::at(path("HARDWIRE_SYSFS_ROOT", "/sys")),
            journal: Journal::at(&state),
            idle: IdleRecords::at(&state),
            state,
            sriov_cni: path("HARDWIRE_SRIOV_CNI_DIR", "/var/lib/cni/sriov"),
            plugin_config: path("HARDWIRE_PLUGIN_CONFIG", crate::node::CONFIG_PATH),
        }
    }
}
