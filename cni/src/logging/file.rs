//! A log file of ours: one that we made and marked, and none that only looks like one.
//!
//! The file is made without a name (`O_TMPFILE`), marked with an extended attribute that only root may set
//! (`trusted.*`, xattr(7)), and then given its name, which `linkat(2)` does only where nothing has it: no instant shows a
//! file of ours without its mark, and nothing that was there is opened for writing without it. Where the filesystem knows
//! neither there is no log file.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use hardwire_cni::beneath::Directory;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

const MARK: &str = "trusted.hardwire.log";

/// The file of this name, if it is one of ours; `None` if there is none. Anything else is an error.
pub(super) fn ours(directory: &Directory, name: &OsStr) -> io::Result<Option<(File, Stat)>> {
    let foreign = |why: &str| Err(io::Error::other(format!("what is there is not ours: {why}")));
    // Looked at before it is opened: opening a device or a FIFO is doing something to it.
    let Some(seen) = directory.stat(name)? else {
        return Ok(None);
    };
    if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
        return foreign("it is no regular file");
    }
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return foreign("it is no regular file");
    }
    if stat.st_nlink > 1 {
        return foreign("it has another name too");
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return foreign("another user owns it");
    }
    let mut value = [0u8; 8];
    match rustix::fs::fgetxattr(&file, MARK, &mut value) {
        Ok(_) => Ok(Some((File::from(file), stat))),
        Err(Errno::NODATA | Errno::NOTSUP) => foreign("hardwire did not make it"),
        Err(errno) => Err(errno.into()),
    }
}

/// Makes the file of this name; `EEXIST` if anything has the name.
pub(super) fn make(directory: &Directory, name: &OsStr) -> Result<File, Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, c".", flags, Mode::from_raw_mode(0o600))?;
    rustix::fs::fsetxattr(&file, MARK, b"1", XattrFlags::CREATE)?;
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, itself, directory, name, AtFlags::SYMLINK_FOLLOW)?;
    Ok(File::from(file))
}
