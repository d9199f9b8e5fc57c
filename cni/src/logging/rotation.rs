//! A log file that has become large makes place: `NAME.log` becomes `NAME.log.1`, and so on; few are kept.
//!
//! Several calls may come to it at once: who has the lock of the large file (`flock(2)`) rotates, the others wait for it and
//! find the new one; a call that has the old file open writes to it to its end. Nothing that is not ours is renamed or
//! replaced.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;

use hardwire_cni::beneath::Directory;
use rustix::fs::{FlockOperation, RenameFlags, Stat};
use rustix::io::Errno;

use super::file::ours;

/// A file of this size is rotated, bytes.
const LARGEST: u64 = 16 << 20;

/// How many old files are kept.
const KEPT: u32 = 3;

/// Whether a log file has become large.
pub(super) fn is_due(stat: &Stat) -> bool {
    u64::try_from(stat.st_size).is_ok_and(|size| size >= LARGEST)
}

/// Rotates `file`, which is the log file of this name.
pub(super) fn rotate(directory: &Directory, name: &OsStr, file: &File) -> io::Result<()> {
    rustix::fs::flock(file, FlockOperation::LockExclusive)?;
    let (now, locked) = (directory.stat(name)?, rustix::fs::fstat(file)?);
    if now.is_none_or(|now| (now.st_dev, now.st_ino) != (locked.st_dev, locked.st_ino)) {
        // Another call rotated it while this one waited.
        return Ok(());
    }
    for number in (1..KEPT).rev() {
        shift(directory, &old(name, number), &old(name, number + 1))?;
    }
    shift(directory, name, &old(name, 1))
}

/// Renames a file of ours onto another of ours, or onto nothing; nothing to rename is fine.
fn shift(directory: &Directory, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let in_the_way =
        |name: &OsStr, error: io::Error| io::Error::other(format!("rotating it: {}: {error}", name.to_string_lossy()));
    if ours(directory, from)
        .map_err(|error| in_the_way(from, error))?
        .is_none()
    {
        return Ok(());
    }
    let replaced = ours(directory, to).map_err(|error| in_the_way(to, error))?;
    let flags = match replaced {
        Some(_) => RenameFlags::empty(),
        None => RenameFlags::NOREPLACE,
    };
    match rustix::fs::renameat_with(directory, from, directory, to, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(in_the_way(to, errno.into())),
    }
}

fn old(name: &OsStr, number: u32) -> OsString {
    let mut old = name.to_owned();
    old.push(format!(".{number}"));
    old
}
