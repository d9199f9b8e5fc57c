//! What IPAM may still hold, kept where it outlives a boot.
//!
//! The journal is on a tmpfs, as the state is that it describes. Addresses are not such a state: IPAM's store is on disk or
//! elsewhere, and a runtime that lost its sandboxes in a power cut sends no DEL. So what IPAM DEL needs is also here, from
//! before IPAM is asked until it has released. Nothing waits for the disk: the write-out is begun, and a file that a power cut
//! tore all the same is set aside.
//! One file per attempt: that of before the boot and that of after it are never the same.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hardwire_pci::{DeviceId, IfName};
use serde::{Deserialize, Serialize};

use crate::boot_id;
use crate::journal::{Ipam, Owner, Record};
use crate::protocol::{ChainCall, ContainerId};
use crate::state_file::{replace, replace_on_disk};

const LEASE: &str = "json";
const TORN: &str = "unreadable";
/// What [`replace`] calls a file that is not whole yet.
const UNFINISHED: &str = "tmp";
/// Of what nothing releases, so much is kept: the newest.
const MOST: usize = 1000;
const MOST_TORN: usize = 16;
/// Nobody writes one file for so long.
const ABANDONED: Duration = Duration::from_secs(600);

/// Why a lease cannot be kept or removed.
#[derive(Debug, thiserror::Error)]
#[error("lease: {step} {}: {source}", path.display())]
pub struct LeaseError {
    /// What was being done.
    pub step: &'static str,
    /// To which file.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// One attachment's claim on IPAM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Layout of the file.
    pub version: u32,
    /// `/proc/sys/kernel/random/boot_id` of the ADD.
    pub boot: String,
    /// Which attempt asked; names the file.
    pub attempt: String,
    /// The device, for the log: it is not touched.
    pub device: DeviceId,
    /// Whose addresses they are.
    pub owner: Owner,
    /// What IPAM DEL needs.
    pub ipam: Ipam,
    /// The call that the attachment was made in, where that was for all of the pod's.
    #[serde(default)]
    pub chain: Option<ChainCall>,
}

impl Lease {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;
}

/// The directory of leases.
#[derive(Debug, Clone)]
pub struct Leases {
    directory: PathBuf,
}

impl Leases {
    /// The leases in a directory, `/var/lib/hardwire/leases` in production.
    pub fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps what IPAM is about to be asked for; nothing without IPAM.
    pub fn keep(&self, record: &Record) -> Result<(), LeaseError> {
        let Some(ipam) = record.ipam.clone() else { return Ok(()) };
        let path = self.path(&record.attempt)?;
        let at = |step| {
            let path = path.clone();
            move |source: io::Error| LeaseError { step, path, source }
        };
        let lease = Lease {
            version: Lease::VERSION,
            boot: boot_id().map_err(at("learn the boot of"))?,
            attempt: record.attempt.clone(),
            device: record.device.clone(),
            owner: record.owner.clone(),
            ipam,
            chain: record.chain.clone(),
        };
        let json = serde_json::to_vec(&lease).map_err(|error| at("encode")(error.into()))?;
        replace_on_disk(&path, &json).map_err(at("write"))
    }

    /// Removes what IPAM has released; it may be gone, and a killed ADD may not have finished it.
    pub fn forget(&self, attempt: &str) -> Result<(), LeaseError> {
        let path = self.path(attempt)?;
        let failed = |path: &Path, source| {
            let path = path.to_owned();
            let step = "remove";
            Err(LeaseError { step, path, source })
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return failed(&path, source),
            Ok(()) => return Ok(()),
        }
        let unfinished = path.with_extension(UNFINISHED);
        match fs::remove_file(&unfinished) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => failed(&unfinished, source),
            _ => Ok(()),
        }
    }

    /// Whether an attempt has one.
    pub fn has(&self, attempt: &str) -> bool {
        self.path(attempt).is_ok_and(|path| path.exists())
    }

    /// What is kept for one attachment.
    pub fn of(&self, container_id: &ContainerId, ifname: &IfName) -> Result<Vec<Lease>, LeaseError> {
        let mut leases = self.read_those(|text| text.contains(container_id.as_str()))?;
        leases.retain(|lease| lease.owner.is_of(lease.chain.as_ref(), container_id, ifname));
        Ok(leases)
    }

    /// All that are understood. What a power cut tore is set aside.
    pub fn all(&self) -> Result<Vec<Lease>, LeaseError> {
        self.read_those(|_any| true)
    }

    /// Whether a lease could be kept now.
    pub fn probe(&self) -> Result<(), LeaseError> {
        let path = self.directory.join(format!(".probe.{}", std::process::id()));
        let failed = |source| LeaseError {
            step: "write",
            path: path.clone(),
            source,
        };
        replace(&path, b"probe").map_err(failed)?;
        fs::remove_file(&path).map_err(failed)
    }

    /// Keeps the directory from growing for ever: of leases that `is_left` for good, and of what was set aside, the newest
    /// stay; what a killed ADD did not finish goes.
    pub fn tidy(&self, is_left: impl Fn(&Lease) -> bool) -> Result<(), LeaseError> {
        let mut left: Vec<(SystemTime, String)> = Vec::new();
        for lease in self.all()?.into_iter().filter(is_left) {
            left.push((written(&self.path(&lease.attempt)?), lease.attempt));
        }
        left.sort_unstable();
        let surplus = left.len().saturating_sub(MOST);
        for (_, attempt) in left.drain(..surplus) {
            tracing::warn!("the lease of attempt {attempt} is dropped: more than {MOST} are left");
            self.forget(&attempt)?;
        }
        let mut torn = self.files(TORN)?;
        torn.sort_by_key(|path| written(path));
        let surplus = torn.len().saturating_sub(MOST_TORN);
        let unfinished = self.files(UNFINISHED)?.into_iter();
        let unfinished = unfinished.filter(|path| written(path).elapsed().is_ok_and(|age| age > ABANDONED));
        for path in torn.drain(..surplus).chain(unfinished) {
            remove(&path);
        }
        Ok(())
    }

    fn read_those(&self, concerns: impl Fn(&str) -> bool) -> Result<Vec<Lease>, LeaseError> {
        let mut leases = Vec::new();
        for path in self.files(LEASE)? {
            let text = match read(&path) {
                Ok(text) => text,
                // Released meanwhile.
                Err(source) if source.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => {
                    return Err(LeaseError {
                        step: "read",
                        path,
                        source,
                    });
                }
            };
            let text = String::from_utf8_lossy(&text);
            if !text.ends_with('}') || concerns(&text) {
                leases.extend(understood(&path, &text));
            }
        }
        Ok(leases)
    }

    fn files(&self, extension: &str) -> Result<Vec<PathBuf>, LeaseError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(LeaseError {
                    step: "list",
                    path: self.directory.clone(),
                    source,
                });
            }
        };
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        Ok(paths
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect())
    }

    /// An attempt is digits and hyphens, so far as we wrote it.
    fn path(&self, attempt: &str) -> Result<PathBuf, LeaseError> {
        let path = self.directory.join(format!("{attempt}.{LEASE}"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if attempt.bytes().all(plain) && (1..=200).contains(&attempt.len()) {
            return Ok(path);
        }
        Err(LeaseError {
            step: "name",
            path,
            source: io::ErrorKind::InvalidFilename.into(),
        })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(8 << 10);
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a file says; `None` where it is torn, which puts it aside, or of another layout, which leaves it to who wrote it.
fn understood(path: &Path, text: &str) -> Option<Lease> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let other_layout = serde_json::from_str::<Versioned>(text).is_ok_and(|file| file.version != Lease::VERSION);
    match serde_json::from_str::<Lease>(text) {
        Ok(lease) if !other_layout => return Some(lease),
        _ if other_layout => tracing::warn!("lease {}: of another version of hardwire: left alone", path.display()),
        Ok(_) => {}
        Err(error) => {
            tracing::warn!("lease {} is not understood: {error}: it is set aside", path.display());
            if let Err(error) = fs::rename(path, path.with_extension(TORN)) {
                tracing::warn!("lease {}: setting it aside: {error}", path.display());
            }
        }
    }
    None
}

fn written(path: &Path) -> SystemTime {
    let metadata = fs::metadata(path).and_then(|metadata| metadata.modified());
    metadata.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("removing {}: {error}", path.display());
    }
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
