//! Where the program finds the node: the sysfs tree and its own state directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardwire_pci::Sysfs;

use crate::baseline::BaselineStore;
use crate::claims::ClaimStore;
use crate::journal::Journal;
use crate::leases::Leases;

const STATE: &str = "/run/hardwire";
const LEASES: &str = "/var/lib/hardwire/leases";
const POLICIES: &str = "/var/lib/hardwire/policies.json";
/// A DEL takes seconds at most, and the runtime sends it within its grace of ending the containers.
const HOLDER_BOUND: Duration = Duration::from_secs(30);

/// Roots that tests replace. Set by the process environment, which is the runtime's, never by a configuration, which may
/// be a tenant's.
#[derive(Debug, Clone)]
pub struct Context {
    /// sysfs.
    pub sysfs: Sysfs,
    /// Journal.
    pub journal: Journal,
    /// Claims that were prepared.
    pub claims: ClaimStore,
    /// What each free device is like.
    pub baselines: BaselineStore,
    /// Where all of our own state is.
    pub state: PathBuf,
    /// Where sriov-cni keeps its state.
    pub sriov_cni: PathBuf,
    /// What the node's operator allows.
    pub plugin_config: PathBuf,
    /// What IPAM may still hold, on disk.
    pub leases: Leases,
    /// What pools say about their devices, on disk.
    pub policies: PathBuf,
    /// How long an ADD waits for a holder that is on its way out.
    pub holder_bound: Duration,
    /// Where Multus reads the device information of attachments.
    pub device_info: PathBuf,
    /// Where the runtime reads its networks, unless `hardwired` or the default says so.
    pub cni_config: Option<PathBuf>,
}

impl Context {
    /// The node's own: `/sys`, `/run/hardwire`, `/var/lib/hardwire/leases`, `/var/lib/cni/sriov` and
    /// `/etc/hardwire/plugin.json`, unless `HARDWIRE_SYSFS_ROOT`, `HARDWIRE_STATE_DIR`, `HARDWIRE_LEASES_DIR`,
    /// `HARDWIRE_SRIOV_CNI_DIR` and `HARDWIRE_PLUGIN_CONFIG` say otherwise. With another state directory, what pools
    /// say (`/var/lib/hardwire/policies.json`) is in it, and so are the leases where nothing is said of them.
    /// `HARDWIRE_HOLDER_WAIT_MS` is how long a holder on its way out is waited for; `HARDWIRE_DEVICE_INFO_DIR` stands for
    /// `/var/run/k8s.cni.cncf.io/devinfo/cni`, `HARDWIRE_CNI_CONFIG_DIR` for what
    /// `hardwired` was told (`--cni-config-dir`) and `/etc/cni/net.d`.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str, default: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        let state = path("HARDWIRE_STATE_DIR", STATE);
        let (leases, policies) = if state == Path::new(STATE) {
            (PathBuf::from(LEASES), PathBuf::from(POLICIES))
        } else {
            (state.join("leases"), state.join("policies.json"))
        };
        let leases = variable("HARDWIRE_LEASES_DIR")
            .filter(|value| !value.is_empty())
            .map_or(leases, PathBuf::from);
        let bound = variable("HARDWIRE_HOLDER_WAIT_MS").and_then(|ms| ms.to_str()?.parse().ok());
        Self {
            sysfs: Sysfs::at(path("HARDWIRE_SYSFS_ROOT", "/sys")),
            journal: Journal::at(&state),
            claims: ClaimStore::at(&state),
            baselines: BaselineStore::at(&state),
            state,
            policies,
            leases: Leases::at(&leases),
            holder_bound: bound.map_or(HOLDER_BOUND, Duration::from_millis),
            sriov_cni: path("HARDWIRE_SRIOV_CNI_DIR", "/var/lib/cni/sriov"),
            plugin_config: path("HARDWIRE_PLUGIN_CONFIG", crate::node::CONFIG_PATH),
            cni_config: variable("HARDWIRE_CNI_CONFIG_DIR")
                .filter(|value| !value.is_empty())
                .map(PathBuf::from),
            device_info: path("HARDWIRE_DEVICE_INFO_DIR", "/var/run/k8s.cni.cncf.io/devinfo/cni"),
        }
    }
}
