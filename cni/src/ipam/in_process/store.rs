//! host-local's store of one network: a file for each address that is taken, which names the container.
//!
//! Shared with host-local itself, in turn and at once: the same names, contents and lock. An address's file gets its name when
//! its content is written, so that whoever is killed leaves no address that names nobody.
//! Contract: host-local's `backend/disk`: `DATADIR/NETWORK/ADDRESS` holds `CONTAINER\r\nIFNAME` (before 0.8 the container
//! alone), `last_reserved_ip.SET` the address that was given out last, and flock(2) on `lock` excludes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Problem;
use crate::beneath::Directory;
use crate::journal::lock_within;
use crate::write_out;

const LOCK: &str = "lock";
const LAST: &str = "last_reserved_ip";
/// Of nobody's address: its content is that of the reservation to be.
const UNFINISHED: &str = ".reservation";
const FOLDER: Mode = Mode::from_raw_mode(0o755);
const FILE: Mode = Mode::from_raw_mode(0o600);
/// A container id, a line's end and an interface's name: more than this is no file of the store's.
const LARGEST: u64 = 4096;
/// Others hold the lock for one look at the folder.
const LOCK_BOUND: Duration = Duration::from_secs(60);

/// The folder of a network, locked until this is dropped.
#[derive(Debug)]
pub(super) struct Store {
    folder: Directory,
    path: PathBuf,
    _lock: File,
}

// === impl Store ===

impl Store {
    /// Opens a network's folder beneath a directory of the operator's, made where it is not there, and locks it.
    pub(super) fn lock(base: &Path, below: &[&OsStr], network: &str) -> Result<Self, Problem> {
        let mut path: PathBuf = base.to_owned();
        path.extend(below);
        path.push(network);
        let folder = open(base, below, network).map_err(|error| problem("mkdir", &path, &error))?;
        let lock = path.join(LOCK);
        let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, LOCK, flags, FILE);
        let file = file.map_err(|errno| problem("open", &lock, &errno.into()))?;
        let locked = lock_within(File::from(file), LOCK_BOUND).map_err(|error| problem("flock", &lock, &error))?;
        Ok(Self {
            folder,
            path,
            _lock: locked,
        })
    }

    /// Reserves an address for a container's interface, and remembers it as the set's last one. Tells whether it was free.
    pub(super) fn reserve(&self, owner: &str, address: IpAddr, set: usize) -> Result<bool, Problem> {
        let name = address.to_string();
        let at = |verb, error: &io::Error| problem(verb, &self.path.join(&name), error);
        let is_taken = self
            .folder
            .stat(OsStr::new(&name))
            .map_err(|error| at("stat", &error))?;
        if is_taken.is_some() {
            return Ok(false);
        }
        let written = self.write(UNFINISHED, owner.as_bytes());
        let named = written.and_then(|file| {
            rustix::fs::linkat(&self.folder, UNFINISHED, &self.folder, name.as_str(), AtFlags::empty())?;
            Ok(file)
        });
        let removed = self.remove(OsStr::new(UNFINISHED));
        match named {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(at("write", &error)),
            Ok(file) => write_out::begin(&file, owner.len()),
        }
        let last = format!("{LAST}.{set}");
        let remembered = self.write(&last, name.as_bytes());
        let remembered = remembered.map_err(|error| problem("write", &self.path.join(&last), &error));
        let removed = removed.map_err(|error| problem("remove", &self.path.join(UNFINISHED), &error));
        if let Err(error) = remembered.and(removed) {
            // Nobody is told of an address that could not be reserved wholly.
            self.remove(OsStr::new(&name)).map_err(|error| at("remove", &error))?;
            return Err(error);
        }
        Ok(true)
    }

    /// The address of a set that was given out last, if that is known.
    pub(super) fn last(&self, set: usize) -> Option<IpAddr> {
        let text = self.read(OsStr::new(&format!("{LAST}.{set}")))?;
        let address: IpAddr = std::str::from_utf8(&text).ok()?.parse().ok()?;
        Some(address.to_canonical())
    }

    /// The addresses that a container's interface has, or the container itself by a file of before 0.8.
    pub(super) fn of(&self, owner: &str, container: &str) -> Result<Vec<IpAddr>, Problem> {
        let found = self.files(&[owner, container])?;
        let addresses = found.iter().filter_map(|name| name.to_str()?.parse::<IpAddr>().ok());
        Ok(addresses.map(|address| address.to_canonical()).collect())
    }

    /// Whether a container's interface has a file, or the container itself.
    pub(super) fn has(&self, owner: &str, container: &str) -> Result<bool, Problem> {
        Ok(!self.files(&[owner])?.is_empty() || !self.files(&[container])?.is_empty())
    }

    /// Removes what a container's interface has; what the container itself has where that is nothing.
    pub(super) fn release(&self, owner: &str, container: &str) -> Result<(), Problem> {
        // Of a reservation that was killed before it had a word: nobody makes one while we have the lock.
        let unfinished = self.remove(OsStr::new(UNFINISHED));
        unfinished.map_err(|error| problem("remove", &self.path.join(UNFINISHED), &error))?;
        let mut found = self.files(&[owner])?;
        if found.is_empty() {
            found = self.files(&[container])?;
        }
        for name in found {
            self.remove(&name)
                .map_err(|error| problem("remove", &self.path.join(&name), &error))?;
        }
        Ok(())
    }

    /// Names of the files that hold one of these texts.
    fn files(&self, texts: &[&str]) -> Result<Vec<OsString>, Problem> {
        let failed = |errno: Errno| problem("open", &self.path, &errno.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listed = rustix::fs::openat(&self.folder, ".", flags, Mode::empty()).map_err(failed)?;
        let mut found = Vec::new();
        for entry in Dir::new(listed).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
                continue;
            }
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let Some(content) = self.read(name) else { continue };
            if texts.iter().any(|text| content.trim_ascii() == text.as_bytes()) {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }

    /// What a plain file holds; none where it is none, is too large or cannot be read.
    fn read(&self, name: &OsStr) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.folder, name, flags, Mode::empty()).ok()?);
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        if metadata.len() > LARGEST {
            return None;
        }
        let mut content = Vec::with_capacity(128);
        file.take(LARGEST).read_to_end(&mut content).ok()?;
        Some(content)
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.folder, name, flags, FILE)?);
        file.write_all(content)?;
        Ok(file)
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        match self.folder.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

fn open(base: &Path, below: &[&OsStr], network: &str) -> io::Result<Directory> {
    let directory = match Directory::open(base) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(base)?;
            Directory::open(base)
        }
        opened => opened,
    }?;
    let names = below.iter().copied().chain([OsStr::new(network)]);
    directory.descend(names, Some(FOLDER))
}

/// In the words that host-local's user knows.
fn problem(verb: &str, path: &Path, error: &io::Error) -> Problem {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    let words: String = first.into_iter().chain(letters).collect();
    Problem(format!("{verb} {}: {words}", path.display()))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
