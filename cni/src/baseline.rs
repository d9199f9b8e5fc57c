//! The baselines: what each free device is like while nobody has it (its idle state, as logs and READMEs say), kept by
//! `hardwired` in `idle/` of the state directory and read by the plugin.
//!
//! With such a record at hand neither ADD nor DEL asks a PF for its VFs, which costs a firmware query per VF under RTNL
//! (`rtnl_fill_vf`, net/core/rtnetlink.c). A record is taken of a free device only: it says what every pod is to get. It counts for the boot, the PF interface and the
//! generation it was taken in: the daemon withdraws a PF's generation with the first event of that PF, which takes all its
//! VFs' records out of use in one step, and gives it a new one after the next look. While no daemon listens, nobody would
//! hear of an event, and no record counts.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hardwire_pci::DeviceId;
use hardwire_pci::netlink::VfState;
use serde::{Deserialize, Serialize};

use crate::journal::OriginalLink;
use crate::pf::{AdminMac, InForce, SeenMacs};
use crate::state_file::replace;

/// A free device as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Layout of the record.
    pub version: u32,
    /// The device.
    pub device: DeviceId,
    /// What tells it from one that was made later under the same id ([`hardwire_pci::instance`]); none where that is not
    /// known.
    #[serde(default)]
    pub instance: Option<u64>,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// The bound driver.
    pub driver: Option<String>,
    /// Its interface; none where it has none.
    pub link: Option<OriginalLink>,
    /// Its attributes on the PF; none where no PF is to be asked.
    pub vf: Option<BaselineVf>,
}

/// A VF as its PF showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineVf {
    /// The PF.
    pub pf: DeviceId,
    /// Index of the PF's interface.
    pub pf_index: u32,
    /// The PF's generation when it was asked.
    pub generation: u64,
    /// The VF's index.
    pub index: u32,
    /// The attributes.
    pub state: VfState,
    /// Whether its admin MAC was set by anybody.
    #[serde(default)]
    pub admin_mac: AdminMac,
    /// What that is known from, where the VF was seen since with other addresses than this record's.
    #[serde(default)]
    pub admin_mac_at: Option<SeenMacs>,
}

impl Baseline {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;
}

/// The directory of baselines.
#[derive(Debug, Clone)]
pub struct BaselineStore {
    directory: PathBuf,
}

impl BaselineStore {
    /// The records below `state`, `/run/hardwire` in production.
    pub fn at(state: &Path) -> Self {
        Self {
            directory: state.join("idle"),
        }
    }

    /// The record of a device; `None` where there is none that is understood.
    pub fn get(&self, device: &DeviceId) -> Option<Baseline> {
        let record: Baseline = serde_json::from_slice(&fs::read(self.path(device)).ok()?).ok()?;
        (record.version == Baseline::VERSION && record.device == *device).then_some(record)
    }

    /// All that are understood, by file name.
    pub fn all(&self) -> Vec<Baseline> {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort_unstable();
        let records = paths
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == "json"));
        records
            .filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok())
            .filter(|record: &Baseline| record.version == Baseline::VERSION)
            .collect()
    }

    /// Writes a record, in one step.
    pub fn put(&self, record: &Baseline) -> io::Result<()> {
        replace(&self.path(&record.device), &serde_json::to_vec(record)?)
    }

    /// Removes the record of a device; there may be none.
    pub fn remove(&self, device: &DeviceId) -> io::Result<()> {
        gone(fs::remove_file(self.path(device)))
    }

    /// What is in force of a PF's records; `None` after an event of it, and without a daemon that ever looked.
    pub fn in_force(&self, pf: &DeviceId) -> Option<InForce> {
        let mut file = File::open(self.generation_path(pf)).ok()?;
        let metadata = file.metadata().ok()?;
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Some(InForce {
            generation: text.parse().ok()?,
            inode: metadata.ino(),
            written: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
        })
    }

    /// Puts a PF's generation in force, from now on.
    pub fn set_generation(&self, pf: &DeviceId, generation: u64) -> io::Result<()> {
        replace(&self.generation_path(pf), generation.to_string().as_bytes())
    }

    /// Takes all records of a PF's VFs out of use.
    pub fn withdraw(&self, pf: &DeviceId) -> io::Result<()> {
        gone(fs::remove_file(self.generation_path(pf)))
    }

    fn path(&self, device: &DeviceId) -> PathBuf {
        self.directory.join(format!("{}.json", device.file_stem()))
    }

    fn generation_path(&self, pf: &DeviceId) -> PathBuf {
        self.directory.join(format!("{}.generation", pf.file_stem()))
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pfs_records_go_out_of_use_together() {
        let state = tempfile::tempdir().unwrap();
        let records = BaselineStore::at(state.path());
        let (pf, vf): (DeviceId, DeviceId) = ("0000:01:00.0".parse().unwrap(), "0000:01:10.0".parse().unwrap());
        let record = Baseline {
            version: Baseline::VERSION,
            device: vf.clone(),
            instance: None,
            boot: "b".to_owned(),
            driver: Some("igbvf".to_owned()),
            link: None,
            vf: Some(BaselineVf {
                pf: pf.clone(),
                pf_index: 3,
                generation: 7,
                index: 0,
                state: VfState::default(),
                admin_mac: AdminMac::Unset,
                admin_mac_at: None,
            }),
        };
        let generation = || records.in_force(&pf).map(|in_force| in_force.generation);
        assert_eq!((generation(), records.get(&vf)), (None, None));
        records.put(&record).unwrap();
        records.set_generation(&pf, 7).unwrap();
        assert_eq!((generation(), records.get(&vf)), (Some(7), Some(record.clone())));
        assert_eq!(records.all(), [record]);
        let first = records.in_force(&pf);
        assert_eq!(records.in_force(&pf), first, "nothing happened");
        records.withdraw(&pf).unwrap();
        records.set_generation(&pf, 7).unwrap();
        assert_ne!(
            records.in_force(&pf),
            first,
            "the same generation, and something happened"
        );
        records.withdraw(&pf).unwrap();
        records.withdraw(&pf).unwrap();
        assert_eq!(generation(), None);
        records.remove(&vf).unwrap();
        assert_eq!((records.get(&vf), records.all()), (None, vec![]));
    }

    #[test]
    fn what_is_not_understood_is_no_record() {
        let state = tempfile::tempdir().unwrap();
        let records = BaselineStore::at(state.path());
        let vf: DeviceId = "0000:01:10.0".parse().unwrap();
        fs::create_dir(state.path().join("idle")).unwrap();
        for text in ["", "{", r#"{"version":9}"#] {
            fs::write(records.path(&vf), text).unwrap();
            assert_eq!((records.get(&vf), records.all()), (None, vec![]), "{text}");
        }
    }
}
