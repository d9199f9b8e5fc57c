//! What was set on a PF, and what was before: one file for each, beside the rules that outlive a boot.
//!
//! It is written before the first change. It must outlive a boot, after which the count is 0: only the record tells that the VFs of
//! before were ours, or that nobody wants them any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hardwire_cni::Context;
use hardwire_cni::state_file::replace_on_disk;
use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};

use super::now::PfNow;
use crate::config::pfs::{EswitchMode, PfSettings};

/// The directory, beside the pools' rules.
const DIRECTORY: &str = "provisioned";

/// What is ours on a PF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Layout of the record.
    pub version: u32,
    /// The PF.
    pub pf: DeviceId,
    /// In which boot it was set.
    pub boot: String,
    /// Which instance of the PF it was set on; none where that is not known.
    #[serde(default)]
    pub instance: Option<u64>,
    /// It is being set, or was when somebody ended who set it.
    pub pending: bool,
    /// What was before we first set anything.
    pub before: PfFacts,
    /// What we set.
    pub set: PfFacts,
}

/// Facts of a PF; none is known or wanted of those that are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PfFacts {
    /// `sriov_numvfs`.
    pub num_vfs: Option<u32>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// What the switch does.
    pub mode: Option<EswitchMode>,
    /// Whether new VFs are bound by themselves.
    pub autoprobe: Option<bool>,
    /// Whether its interface is up.
    pub link_up: Option<bool>,
}

/// The records of this node.
#[derive(Debug, Clone)]
pub struct Records {
    directory: PathBuf,
}

// === impl PfFacts ===

impl PfFacts {
    fn of(pf: &PfNow) -> Self {
        Self {
            num_vfs: Some(pf.num_vfs),
            mtu: pf.mtu,
            mode: pf.mode,
            autoprobe: pf.autoprobe,
            link_up: pf.is_up,
        }
    }

    fn wanted(settings: &PfSettings) -> Self {
        Self {
            num_vfs: settings.num_vfs,
            mtu: settings.mtu,
            mode: settings.eswitch_mode,
            autoprobe: settings.drivers_autoprobe,
            link_up: settings.link_up,
        }
    }
}

// === impl Record ===

impl Record {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;

    /// That `settings` are about to be set on a PF. What was before is what was before the first time.
    pub fn begun(earlier: Option<Self>, pf: &PfNow, settings: &PfSettings, boot: &str) -> Self {
        let before = earlier.map_or_else(|| PfFacts::of(pf), |earlier| earlier.before);
        Self {
            version: Self::VERSION,
            pf: pf.id.clone(),
            boot: boot.to_owned(),
            instance: pf.instance,
            pending: true,
            before,
            set: PfFacts::wanted(settings),
        }
    }

    /// Who else changed the count: nobody, where it is as we set it, or where the PF has begun anew since.
    pub fn count_changed_by_others(&self, pf: &PfNow, boot: &str) -> Option<String> {
        let set = self.set.num_vfs.filter(|_| !self.pending)?;
        let is_the_same = self.boot == boot && self.instance.is_some() && self.instance == pf.instance;
        (is_the_same && set != pf.num_vfs).then(|| {
            format!(
                "somebody else changed its VFs: hardwired made {set}, and there are {} now",
                pf.num_vfs
            )
        })
    }
}

// === impl Records ===

impl Records {
    /// Those of a node.
    pub fn of(context: &Context) -> Self {
        Self::at(&context.policies.with_file_name(DIRECTORY))
    }

    /// Those in a directory, which need not be there yet.
    pub fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Whether there is any.
    pub fn has_any(&self) -> bool {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        let mut paths = entries.map(|entry| entry.path());
        paths.any(|path| path.extension().is_some_and(|extension| extension == "json"))
    }

    /// What is ours on a PF; an error where that cannot be read, for nothing is to be done then.
    pub fn get(&self, pf: &DeviceId) -> io::Result<Option<Record>> {
        let path = self.path(pf);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let other = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()));
        let record: Record = serde_json::from_slice(&text).map_err(|error| other(error.to_string()))?;
        if record.version != Record::VERSION || record.pf != *pf {
            return Err(other(format!(
                "a record of version {} of {}",
                record.version, record.pf
            )));
        }
        Ok(Some(record))
    }

    /// Writes a record, in one step.
    pub fn put(&self, record: &Record) -> io::Result<()> {
        replace_on_disk(&self.path(&record.pf), &serde_json::to_vec_pretty(record)?)
    }

    /// Nothing is ours on a PF any more.
    pub fn remove(&self, pf: &DeviceId) -> io::Result<()> {
        match fs::remove_file(self.path(pf)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The lock of who changes a PF: held by the thread that writes, also while a write hangs.
    pub fn lock(&self, pf: &DeviceId) -> io::Result<Option<fs::File>> {
        fs::create_dir_all(&self.directory)?;
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.directory.join(format!("{}.lock", pf.file_stem())))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn path(&self, pf: &DeviceId) -> PathBuf {
        self.directory.join(format!("{}.json", pf.file_stem()))
    }
}
