//! The lock of one device.
//!
//! flock(2) on a file beside the records: the kernel releases it when the holder dies. The file is removed with the last
//! record, so a holder checks after locking that the path still names the file it locked.
//!
//! An IPAM ADD has a lock of its own, which its process inherits: it is held for as long as that process lives, even if the
//! plugin that started it was killed, and whoever releases the addresses waits for it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Changes take milliseconds; a driver that hangs in firmware may hold a PF for two minutes.
pub(super) const CHANGE_BOUND: Duration = Duration::from_secs(150);
/// As long as a DHCP server may take to answer.
pub(super) const IPAM_BOUND: Duration = Duration::from_secs(60);

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it for too long.
    #[error("{}: still locked by another process after {} s", path.display(), bound.as_secs())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        bound: Duration,
    },
    /// The system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct DeviceLock {
    path: PathBuf,
    file: File,
}

impl DeviceLock {
    pub(super) fn take(path: &Path, bound: Duration) -> Result<Self, LockError> {
        let io = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        loop {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(path)
                .map_err(io)?;
            let file = match lock_within(file, bound) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(LockError::Busy {
                        path: path.to_owned(),
                        bound,
                    });
                }
                file => file.map_err(io)?,
            };
            let locked = file.metadata().map_err(io)?;
            match fs::metadata(path) {
                Ok(now) if (now.dev(), now.ino()) == (locked.dev(), locked.ino()) => {
                    return Ok(Self {
                        path: path.to_owned(),
                        file,
                    });
                }
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io(source)),
                // Removed by the holder we waited for: what we locked is no longer the device's lock.
                _ => {}
            }
        }
    }

    /// Lets every process that is started from now on hold the lock too.
    pub(super) fn bequeath(self) -> Result<Self, LockError> {
        match rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty()) {
            Ok(()) => Ok(self),
            Err(errno) => Err(LockError::Io {
                path: self.path,
                source: errno.into(),
            }),
        }
    }

    /// Removes the lock file, for a device that has no record any more, and releases the lock.
    pub(super) fn remove(self) -> Result<(), LockError> {
        match fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(LockError::Io {
                path: self.path,
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// Locks a file, and waits no longer than `bound` for who has it; `TimedOut` then.
pub(crate) fn lock_within(file: File, bound: Duration) -> io::Result<File> {
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) if bound.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // flock has no bound of its own. A thread that is still waiting when the bound is over ends with the process.
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let locked = file.lock().map(|()| file);
        // The receiver is gone only if the bound was over first, and then nobody wants the lock.
        drop(sender.send(locked));
    });
    let timeout = |_elapsed| io::Error::from(io::ErrorKind::TimedOut);
    receiver.recv_timeout(bound).map_err(timeout)?
}
