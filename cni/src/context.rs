//! Where the program finds the node: the sysfs tree and its own state directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use hardwire_pci::Sysfs;

use crate::journal::Journal;

/// Roots that tests replace. Set by the process environment, which is the runtime's, never by a configuration, which may
/// be a tenant's.
#[derive(Debug, Clone)]
pub struct Context {
    /// sysfs.
    pub sysfs: Sysfs,
    /// Journal.
    pub journal: Journal,
}

impl Context {
    /// The node's own: `/sys` and `/run/hardwire`, unless `HARDWIRE_SYSFS_ROOT` and `HARDWIRE_STATE_DIR` say otherwise.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str, default: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        Self::at(
            &path("HARDWIRE_SYSFS_ROOT", "/sys"),
            &path("HARDWIRE_STATE_DIR", "/run/hardwire"),
        )
    }

    /// Given roots.
    pub fn at(sysfs: &Path, state: &Path) -> Self {
        Self {
            sysfs: Sysfs::at(sysfs),
            journal: Journal::at(state),
        }
    }
}
