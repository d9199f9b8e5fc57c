//! The lock of one device.
//!
//! flock(2) on a file beside the records: the kernel releases it when the holder dies. The file is removed with the last
//! record, so a holder checks after locking that the path still names the file it locked.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Changes take milliseconds; a driver that hangs in firmware may hold a PF for two minutes.
const BOUND: Duration = Duration::from_secs(150);

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it for too long.
    #[error("{}: still locked by another process after {} s", path.display(), BOUND.as_secs())]
    Busy {
        /// The lock file.
        path: PathBuf,
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
    _file: File,
}

impl DeviceLock {
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
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
            let file = lock(file, path)?;
            let locked = file.metadata().map_err(io)?;
            match fs::metadata(path) {
                Ok(now) if (now.dev(), now.ino()) == (locked.dev(), locked.ino()) => {
                    return Ok(Self {
                        path: path.to_owned(),
                        _file: file,
                    });
                }
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io(source)),
                // Removed by the holder we waited for: what we locked is no longer the device's lock.
                _ => {}
            }
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

fn lock(file: File, path: &Path) -> Result<File, LockError> {
    let io = |source| LockError::Io {
        path: path.to_owned(),
        source,
    };
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    // flock has no bound of its own. A thread that is still waiting when the bound is over ends with the process.
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let locked = file.lock().map(|()| file);
        // The receiver is gone only if the bound was over first, and then nobody wants the lock.
        drop(sender.send(locked));
    });
    match receiver.recv_timeout(BOUND) {
        Ok(locked) => locked.map_err(io),
        Err(_timeout) => Err(LockError::Busy { path: path.to_owned() }),
    }
}
