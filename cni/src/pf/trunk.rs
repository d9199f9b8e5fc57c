//! The VLANs that a VF may tag by itself, through the vendor driver's file `sriov/N/trunk` of the PF.
//!
//! Not a kernel interface: drivers that vendors ship beside the kernel have it (i40e, ice, mlx5 of OFED). Reading lists the
//! ids; `add LIST` and `rem LIST` change them.

use std::fs;
use std::io;
use std::path::PathBuf;

use hardwire_pci::{Device, DeviceId, Sysfs};
use serde::{Deserialize, Serialize};

use crate::config::VlanTrunk;

/// Why a trunk could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TrunkError {
    /// The driver has no such file.
    #[error("vlanTrunk: the driver of PF {pf} does not let trunks be set: it has no {}", path.display())]
    NotSupported {
        /// The PF.
        pf: DeviceId,
        /// The file that is missing.
        path: PathBuf,
    },
    /// The driver refuses.
    #[error("vlanTrunk: {step} {}: {source}", path.display())]
    Refused {
        /// What was being done.
        step: String,
        /// The driver's file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

/// A VF's trunk as an attachment found it, and what was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalTrunk {
    /// The PF.
    pub pf: DeviceId,
    /// Index of the VF.
    pub vf: u32,
    /// What was not there before.
    pub added: VlanTrunk,
}

impl OriginalTrunk {
    /// Reads the trunk and tells what `wanted` will add to it.
    pub fn read(sysfs: &Sysfs, pf: &DeviceId, vf: u32, wanted: &VlanTrunk) -> Result<Self, TrunkError> {
        let path = file(sysfs, pf, vf);
        let text = fs::read_to_string(&path).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                return TrunkError::NotSupported {
                    pf: pf.clone(),
                    path: path.clone(),
                };
            }
            TrunkError::Refused {
                step: "reading".to_owned(),
                path: path.clone(),
                source,
            }
        })?;
        // A driver that prints something else for "none" has none of ours.
        let before = VlanTrunk::read(&text).unwrap_or_default();
        Ok(Self {
            pf: pf.clone(),
            vf,
            added: wanted.without(&before),
        })
    }

    /// Adds what was not there.
    pub fn add(&self, sysfs: &Sysfs) -> Result<(), TrunkError> {
        self.write(sysfs, "add")
    }

    /// Removes it again. A PF that is gone has taken its trunks with it.
    pub fn remove(&self, sysfs: &Sysfs) -> Result<(), TrunkError> {
        if file(sysfs, &self.pf, self.vf).exists() {
            self.write(sysfs, "rem")
        } else {
            Ok(())
        }
    }

    fn write(&self, sysfs: &Sysfs, verb: &str) -> Result<(), TrunkError> {
        if self.added.is_empty() {
            return Ok(());
        }
        let path = file(sysfs, &self.pf, self.vf);
        let command = format!("{verb} {}", self.added);
        fs::write(&path, &command).map_err(|source| TrunkError::Refused {
            step: format!("writing {command:?} to"),
            path,
            source,
        })
    }
}

fn file(sysfs: &Sysfs, pf: &DeviceId, vf: u32) -> PathBuf {
    Device::directory(sysfs, pf).join(format!("sriov/{vf}/trunk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_added_is_removed_and_a_driver_without_trunks_is_named() {
        let tree = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(tree.path());
        let pf: DeviceId = "0000:01:00.0".parse().unwrap();
        let wanted = VlanTrunk::read("10-12").unwrap();
        let missing = OriginalTrunk::read(&sysfs, &pf, 3, &wanted).unwrap_err().to_string();
        assert!(
            missing.contains("0000:01:00.0") && missing.contains("sriov/3/trunk"),
            "{missing}"
        );

        let path = file(&sysfs, &pf, 3);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "11,50\n").unwrap();
        let trunk = OriginalTrunk::read(&sysfs, &pf, 3, &wanted).unwrap();
        trunk.add(&sysfs).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "add 10,12");
        trunk.remove(&sysfs).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "rem 10,12");
        fs::remove_file(&path).unwrap();
        trunk.remove(&sysfs).unwrap();
    }
}
