//! What the pools of this node say about their devices: written by `hardwired`, read by the plugin whether that runs or not.
//!
//! It outlives daemon and boot: a node whose daemon is not there yet gives away nothing that it would not give away with it.
//! Believed only where nobody but root can have written it. A file that is not understood refuses: it is a limit.

use std::io;
use std::path::{Path, PathBuf};

use hardwire_pci::{Device, DeviceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::allow::Allow;
use super::device_names::DeviceNames;
use super::interface_pattern::InterfacePattern;
use super::trusted::{Untrusted, read_trusted};
use crate::state_file::replace_on_disk;

/// A node has some thousand devices at most.
const LARGEST: u64 = 4 << 20;

/// What all pools say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// Layout of the file.
    pub version: u32,
    /// The kubelet's device checkpoint.
    pub checkpoint: PathBuf,
    /// Where the runtime reads its networks; none in a file of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cni_config: Option<PathBuf>,
    /// The pools, in the order of the configuration.
    pub pools: Vec<PoolPolicy>,
}

/// What a pool says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolPolicy {
    /// Its resource.
    pub resource: String,
    /// Whether its devices are for pods only that were given them.
    #[serde(default)]
    pub require_allocation: RequireAllocation,
    /// What may be asked of its devices; none: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
    /// Who attaches them.
    #[serde(default)]
    pub attach: AttachBy,
    /// How they are attached by us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Map<String, Value>>,
    /// What their interfaces are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<InterfacePattern>,
    /// Its selectors, as the configuration has them: a device that they no longer select stays under the pool's rules, until
    /// the selectors are others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selected_by: String,
    /// No configuration that is in force has the pool: what it said last still holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_left: bool,
    /// Its devices.
    pub devices: DeviceNames,
}

/// A pool's `requireAllocation`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequireAllocation {
    /// `false`: a NAD's author may name any of its devices.
    Off,
    /// `true`: a pod has to have been given the device; a call that names no pod passes.
    #[default]
    On,
    /// `always`: a call that names no pod is refused, too.
    Always,
}

/// A pool's `attach`: the one way in which its devices reach pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachBy {
    /// By a NAD, for which Multus names the device.
    #[default]
    Multus,
    /// By our own entry in the list of the cluster's default network.
    Chain,
}

/// Why the file tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// It is not to be read, or not to be believed.
    #[error("{}: {source}", path.display())]
    Untrusted {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Untrusted,
    },
    /// It is not what this program writes.
    #[error("{} is not understood: {reason}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

// === impl Policies ===

impl Policies {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;

    /// What the daemon left; `None` where none ever ran.
    pub fn read(path: &Path) -> Result<Option<Self>, PoliciesError> {
        let untrusted = |source| PoliciesError::Untrusted {
            path: path.to_owned(),
            source,
        };
        let Some(text) = read_trusted(path, LARGEST).map_err(untrusted)? else {
            return Ok(None);
        };
        let misunderstood = |reason: String| PoliciesError::Content {
            path: path.to_owned(),
            reason,
        };
        let policies: Self = serde_json::from_slice(&text).map_err(|error| misunderstood(error.to_string()))?;
        if policies.version == Self::VERSION {
            Ok(Some(policies))
        } else {
            Err(misunderstood(format!("its version is {}", policies.version)))
        }
    }

    /// Writes the file, in one step. The daemon is the only writer.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        replace_on_disk(path, &serde_json::to_vec(self)?)
    }

    /// The pool that has a device.
    pub fn pool_of(&self, device: &DeviceId) -> Option<&PoolPolicy> {
        self.pools.iter().find(|pool| pool.devices.contains(device))
    }

    /// The pools that have a part of a device, or that of which it is a part: who has the PF has all of its VFs' traffic.
    pub fn pools_beside<'a>(&'a self, device: &'a Device, vfs: &'a [DeviceId]) -> impl Iterator<Item = &'a PoolPolicy> {
        let is_beside = |id: &DeviceId| {
            let is_same_function = id.pci().is_some() && id.pci() == device.id.pci();
            is_same_function || device.pf() == Some(id) || vfs.contains(id)
        };
        self.pools
            .iter()
            .filter(move |pool| pool.devices.iter().any(|id| is_beside(&id)))
    }

    /// The pools whose devices we attach.
    pub fn chained(&self) -> impl Iterator<Item = &PoolPolicy> {
        self.pools.iter().filter(|pool| pool.attach == AttachBy::Chain)
    }

    /// Whether a device that a pod was given as this resource is one of ours under a name that no pool has: the pool may have
    /// been renamed, and nobody else attaches the device.
    pub fn is_chained_as_another(&self, device: &DeviceId, resource: &str) -> bool {
        let is_claimed = self.pools.iter().any(|pool| pool.resource == resource);
        !is_claimed && self.chained().any(|pool| pool.devices.contains(device))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policies.json");
        assert!(matches!(Policies::read(&path), Ok(None)));
        let policies = Policies {
            version: Policies::VERSION,
            checkpoint: "/c".into(),
            cni_config: None,
            pools: vec![PoolPolicy {
                resource: "intel.com/vfs".to_owned(),
                require_allocation: RequireAllocation::Always,
                allow: Some(Allow::default()),
                attach: AttachBy::Chain,
                network: None,
                interface: Some("rdma%d".parse().unwrap()),
                selected_by: "{}".to_owned(),
                is_left: true,
                devices: [&"0000:3b:02.1".parse().unwrap()].into_iter().collect(),
            }],
        };
        policies.write(&path).unwrap();
        assert_eq!(Policies::read(&path).unwrap(), Some(policies.clone()));
        assert!(policies.pool_of(&"0000:3b:02.1".parse().unwrap()).is_some());
        assert!(policies.pool_of(&"0000:3b:02.2".parse().unwrap()).is_none());
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(Policies::read(&path), Err(PoliciesError::Untrusted { .. })));
        for text in [r#"{"version": 2, "checkpoint": "", "pools": []}"#, "", "{"] {
            fs::remove_file(&path).unwrap();
            fs::write(&path, text).unwrap();
            assert!(
                matches!(Policies::read(&path), Err(PoliciesError::Content { .. })),
                "{text}"
            );
        }
    }
}
