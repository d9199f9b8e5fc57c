//! The records on disk.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardwire_pci::{DeviceId, IfName};
use serde::de::IgnoredAny;

use super::lock::{CHANGE_BOUND, DeviceLock, IPAM_BOUND, LockError};
use super::record::{Ending, Record};
use super::unreadable::Unreadable;
use crate::protocol::ContainerId;
use crate::state_file::{ReplaceError, replace_or_tell};

const RECORD: &str = "json";

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refuses.
    #[error("journal: {step} {}: {source}", path.display())]
    Io {
        /// What was being done.
        step: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The device's lock is not to be had.
    #[error("journal: {0}")]
    Lock(#[from] LockError),
    /// The device has a record that nobody can read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// The directory of records and locks.
#[derive(Debug, Clone)]
pub struct Journal {
    records: PathBuf,
    locks: PathBuf,
    pub(super) waiting: PathBuf,
}

impl Journal {
    /// The journal below `state`, `/run/hardwire` in production.
    pub fn at(state: &Path) -> Self {
        Self {
            records: state.join("attachments"),
            locks: state.join("locks"),
            waiting: state.join("waiting"),
        }
    }

    /// Where the records are: a watcher hears of each that comes or goes. Made if it is not there.
    pub fn directory(&self) -> Result<&Path, JournalError> {
        create(&self.records)?;
        Ok(&self.records)
    }

    /// Takes the lock of a device.
    pub fn lock(&self, device: &DeviceId) -> Result<DeviceLock, JournalError> {
        self.lock_within(device, CHANGE_BOUND)
    }

    /// Takes the lock of a device, if nobody has it.
    pub fn try_lock(&self, device: &DeviceId) -> Result<Option<DeviceLock>, JournalError> {
        match self.lock_within(device, Duration::ZERO) {
            Err(JournalError::Lock(LockError::Busy { .. })) => Ok(None),
            taken => taken.map(Some),
        }
    }

    fn lock_within(&self, device: &DeviceId, bound: Duration) -> Result<DeviceLock, JournalError> {
        let path = self.locks.join(format!("{}.lock", device.file_stem()));
        match DeviceLock::take(&path, bound) {
            Err(LockError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(&self.locks)?;
                Ok(DeviceLock::take(&path, bound)?)
            }
            taken => Ok(taken?),
        }
    }

    /// Whether a call of ours is changing the device at this moment: its lock is held.
    pub fn is_changing(&self, device: &DeviceId) -> bool {
        let lock = File::open(self.locks.join(format!("{}.lock", device.file_stem())));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Takes the lock of a device's IPAM ADD, for this process and the IPAM process that it starts. Taken while the
    /// device's lock is held, so that who has that one sees whether IPAM was asked.
    pub fn lock_ipam(&self, device: &DeviceId) -> Result<DeviceLock, JournalError> {
        Ok(DeviceLock::take(&self.ipam_path(device), IPAM_BOUND)?.bequeath()?)
    }

    /// Ends the lock of an IPAM ADD that has ended.
    pub fn unlock_ipam(&self, lock: DeviceLock) -> Result<(), JournalError> {
        Ok(lock.remove()?)
    }

    /// Whether an IPAM ADD of the device has begun whose plugin has not seen its end.
    pub fn is_ipam_asked(&self, device: &DeviceId) -> bool {
        self.ipam_path(device).exists()
    }

    /// Waits until no IPAM ADD of the device is running: one whose plugin was killed would reserve addresses after their
    /// release. One that does not end is no reason to keep the device.
    pub fn wait_for_ipam(&self, device: &DeviceId) {
        if !self.is_ipam_asked(device) {
            return;
        }
        let ended = DeviceLock::take(&self.ipam_path(device), IPAM_BOUND).and_then(DeviceLock::remove);
        if let Err(error) = ended {
            tracing::warn!(device = %device, "an IPAM ADD may still be running: {error}");
        }
    }

    /// Releases a device's lock, and removes it where the device has no record.
    pub fn unlock(&self, device: &DeviceId, lock: DeviceLock) -> Result<(), JournalError> {
        if self.record_path(device).exists() {
            Ok(())
        } else {
            Ok(lock.remove()?)
        }
    }

    /// Whether a record could be written now.
    pub fn probe(&self) -> Result<(), JournalError> {
        create(&self.records)?;
        let path = self.records.join(format!(".probe.{}.tmp", std::process::id()));
        let at = |step| {
            let path = path.clone();
            move |source: io::Error| JournalError::Io { step, path, source }
        };
        fs::write(&path, b"probe").map_err(at("write"))?;
        fs::remove_file(&path).map_err(at("remove"))
    }

    /// The record of a device.
    pub fn get(&self, device: &DeviceId) -> Result<Option<Record>, JournalError> {
        read(&self.record_path(device), |_bytes| true)
    }

    /// The records of a device and, of a PCI function, of its further ports, which are devices of their own.
    pub fn of_all_ports(&self, device: &DeviceId) -> Result<Vec<Record>, JournalError> {
        let Some(function) = device.pci() else {
            return Ok(self.get(device)?.into_iter().collect());
        };
        let whole = DeviceId::Pci(function).file_stem();
        let names = match fs::read_dir(&self.records) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                let path = self.records.clone();
                return Err(JournalError::Io {
                    step: "list",
                    path,
                    source,
                });
            }
        };
        let is_its = |name: &String| {
            let rest = name.strip_prefix(&whole).and_then(|rest| rest.strip_suffix(".json"));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("_p"))
        };
        let mut records = Vec::new();
        for name in names.filter(is_its) {
            records.extend(read(&self.records.join(name), |_bytes| true)?);
        }
        Ok(records)
    }

    /// Writes a record in one step: a temporary name, then a rename.
    pub fn put(&self, record: &Record) -> Result<(), JournalError> {
        let path = self.record_path(&record.device);
        let encode = |error: serde_json::Error| JournalError::Io {
            step: "encode",
            path: path.clone(),
            source: error.into(),
        };
        // The lock makes us the only writer of this name.
        let json = serde_json::to_vec(record).map_err(encode)?;
        let written = replace_or_tell(&path, &json);
        written.map_err(|ReplaceError { step, path, source }| JournalError::Io { step, path, source })
    }

    /// Notes on a record that its owner has ended, under the device's lock; on the record of this attempt only.
    pub fn mark_ending(&self, seen: &Record, ending: Ending) -> Result<(), JournalError> {
        let lock = self.lock(&seen.device)?;
        let record = self.get(&seen.device)?;
        // A DEL says more than that the device was given away.
        let news = |record: &Record| {
            record.ending.is_none() || (record.ending, ending) == (Some(Ending::GivenAway), Ending::Del)
        };
        let same = record.filter(|record| record.attempt == seen.attempt && news(record));
        let marked = same.map_or(Ok(()), |record| {
            self.put(&Record {
                ending: Some(ending),
                ..record
            })
        });
        self.unlock(&seen.device, lock)?;
        marked
    }

    /// Removes the record of a device; there may be none.
    pub fn remove(&self, device: &DeviceId) -> Result<(), JournalError> {
        let path = self.record_path(device);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(JournalError::Io {
                step: "remove",
                path,
                source,
            }),
            _ => Ok(()),
        }
    }

    /// Puts a record that cannot be read out of the way, and keeps it for whoever wants to know.
    pub fn set_aside(&self, device: &DeviceId) -> Result<(), JournalError> {
        let path = self.record_path(device);
        fs::rename(&path, path.with_extension("unreadable")).map_err(|source| JournalError::Io {
            step: "set aside",
            path,
            source,
        })
    }

    /// All records, and those that cannot be read.
    pub fn all(&self) -> Result<(Vec<Record>, Vec<Unreadable>), JournalError> {
        self.those(|_bytes| true)
    }

    /// The records of one attachment, or of all those that one call was for, and those that cannot be read: a runtime that is
    /// confused may have attached several devices under one name, and its one DEL is for all of them. `hint` is looked at first:
    /// where it has an interface in the pod, no other device can have got that name, and one file is read instead of all.
    pub fn of(
        &self,
        container_id: &ContainerId,
        ifname: &IfName,
        hint: Option<&DeviceId>,
    ) -> Result<(Vec<Record>, Vec<Unreadable>), JournalError> {
        if let Some(device) = hint
            && let Ok(Some(record)) = self.get(device)
            && record.owner.is(container_id, ifname)
            && record.chain.is_none()
            && record.link.is_some()
        {
            return Ok((vec![record], Vec::new()));
        }
        let id = container_id.as_str();
        // Decoding costs more than reading. What we wrote begins so, and holds the id as it is, which needs no escape.
        let begins = format!("{{\"version\":{},", Record::VERSION);
        let concerns = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            let is_whole = || serde_json::from_str::<IgnoredAny>(text).is_ok();
            !text.starts_with(&begins) || text.contains(id) || !is_whole()
        };
        let (mut records, unreadable) = self.those(concerns)?;
        records.retain(|record| record.is_of(container_id, ifname));
        Ok((records, unreadable))
    }

    fn those(&self, concerns: impl Fn(&[u8]) -> bool) -> Result<(Vec<Record>, Vec<Unreadable>), JournalError> {
        let (mut records, mut unreadable) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.records) {
            Ok(entries) => entries,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok((records, unreadable)),
            Err(source) => {
                return Err(JournalError::Io {
                    step: "list",
                    path: self.records.clone(),
                    source,
                });
            }
        };
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == RECORD)) {
            match read(&path, &concerns) {
                Ok(record) => records.extend(record),
                Err(JournalError::Unreadable(record)) => unreadable.push(record),
                Err(error) => return Err(error),
            }
        }
        Ok((records, unreadable))
    }

    /// The record of an attachment. `hint` is looked at first, so that a call that names its device reads one file.
    pub fn find(
        &self,
        container_id: &ContainerId,
        ifname: &IfName,
        hint: Option<&DeviceId>,
    ) -> Result<Option<Record>, JournalError> {
        if let Some(device) = hint
            && let Ok(Some(record)) = self.get(device)
            && record.is_of(container_id, ifname)
        {
            return Ok(Some(record));
        }
        let (records, unreadable) = self.all()?;
        for record in unreadable {
            tracing::warn!("{record}");
        }
        Ok(records.into_iter().find(|record| record.is_of(container_id, ifname)))
    }

    fn ipam_path(&self, device: &DeviceId) -> PathBuf {
        self.locks.join(format!("{}.ipam", device.file_stem()))
    }

    pub(super) fn record_path(&self, device: &DeviceId) -> PathBuf {
        self.records.join(format!("{}.{RECORD}", device.file_stem()))
    }
}

pub(super) fn create(directory: &Path) -> Result<(), JournalError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    created.map_err(|source| JournalError::Io {
        step: "create",
        path: directory.to_owned(),
        source,
    })
}

/// `None` where there is none, or where `concerns` says so of what is in it.
fn read(path: &Path, concerns: impl Fn(&[u8]) -> bool) -> Result<Option<Record>, JournalError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(JournalError::Io {
                step: "read",
                path: path.to_owned(),
                source,
            });
        }
    };
    if !concerns(&bytes) {
        return Ok(None);
    }
    let unreadable = |reason: String| Unreadable::new(path, reason, &bytes, Record::VERSION);
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    if record.version != Record::VERSION {
        return Err(unreadable(format!(
            "its version is {}, this program writes {}",
            record.version,
            Record::VERSION
        ))
        .into());
    }
    Ok(Some(record))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
