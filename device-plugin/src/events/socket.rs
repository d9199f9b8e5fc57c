//! Taking a socket's place in the directory.
//!
//! A socket file that a killed process left behind stands in the way of bind(2). It is removed only after it refused a
//! connection: one that does not belongs to another process, which must not lose it. connect(2) of a datagram socket tells that
//! of every kind: `ECONNREFUSED` where no socket is bound to the file any more, `EPROTOTYPE` where one of another kind is
//! (`unix_find_bsd`, `net/unix/af_unix.c`). It never waits, as that of a stream socket may.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use tokio::net::{UnixDatagram, UnixListener};
use tracing::info;

/// How often another process may come in between before that is an error.
const ATTEMPTS: usize = 5;

/// Why a socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody serves it.
    #[error("{}: another process serves this socket; is a second hardwired running?", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket has the name.
    #[error("{}: in the way, and no socket", .0.display())]
    NoSocket(PathBuf),
    /// The system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Which file a path leads to, also after it was removed and made again.
///
/// A file system may use the number of a removed inode again at once, but not while somebody holds it: so it is held, without
/// being opened (`O_PATH`, open(2)). Times tell less: chmod(2) and chown(2) change the ctime of a file that stays the same.
#[derive(Debug, Clone)]
pub struct FileId {
    device: u64,
    inode: u64,
    /// None where there was no descriptor for it.
    _held: Option<Arc<OwnedFd>>,
}

/// Our file; removed with this, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: FileId,
}

// === impl FileId ===

impl FileId {
    /// Of what is there now, if anything is.
    pub fn of(path: &Path) -> Option<Self> {
        let held = openat(
            CWD,
            path,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .ok();
        let (device, inode) = match &held {
            Some(held) => rustix::fs::fstat(held).ok().map(|stat| (stat.st_dev, stat.st_ino))?,
            None => numbers(path)?,
        };
        Some(Self {
            device,
            inode,
            _held: held.map(Arc::new),
        })
    }

    /// Whether the path leads to it now.
    pub fn is_at(&self, path: &Path) -> bool {
        numbers(path) == Some((self.device, self.inode))
    }
}

fn numbers(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

// === impl SocketFile ===

impl SocketFile {
    /// The socket that is bound at `path` now, by us.
    pub fn of(path: &Path) -> Option<Self> {
        let id = FileId::of(path)?;
        let path = path.to_owned();
        Some(Self { path, id })
    }

    /// Whether the path still leads to it.
    pub fn is_there(&self) -> bool {
        self.id.is_at(&self.path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets nobody but root use it. Until then the directory's mode keeps others out.
    pub fn for_root_only(&self) -> Result<(), BindError> {
        fs::set_permissions(&self.path, Permissions::from_mode(0o600)).map_err(|source| BindError::Io {
            path: self.path.clone(),
            source,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            // Nobody is left to be told; a later start copes with a stale file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path` for streams. Within a runtime.
pub fn bind(path: &Path) -> Result<(UnixListener, SocketFile), BindError> {
    place(path, UnixListener::bind)
}

/// Receives datagrams at `path`. Within a runtime.
pub fn bind_datagram(path: &Path) -> Result<(UnixDatagram, SocketFile), BindError> {
    place(path, UnixDatagram::bind)
}

fn place<'a, S>(path: &'a Path, make: impl Fn(&'a Path) -> io::Result<S>) -> Result<(S, SocketFile), BindError> {
    let io = |source| BindError::Io {
        path: path.to_owned(),
        source,
    };
    for _ in 0..ATTEMPTS {
        match make(path) {
            Ok(socket) => {
                if let Some(file) = SocketFile::of(path) {
                    return Ok((socket, file));
                }
                // Removed meanwhile, as a starting kubelet does.
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => clear(path)?,
            Err(error) => return Err(io(error)),
        }
    }
    Err(io(io::ErrorKind::AddrInUse.into()))
}

/// Who is behind the name of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// A process serves it.
    Somebody,
    /// The process that made it has ended.
    Nobody,
    /// There is no socket.
    NoSocket,
}

/// Who serves the socket at `path`, of whichever type. No connection comes of it: that a stream socket is no datagram socket,
/// the kernel says only where somebody listens.
pub fn behind(path: &Path) -> io::Result<Behind> {
    // A file that is none refuses as a socket does that nobody serves.
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.file_type().is_socket()) {
        return Ok(Behind::NoSocket);
    }
    match std::os::unix::net::UnixDatagram::unbound()?.connect(path) {
        Ok(()) => Ok(Behind::Somebody),
        Err(error) if error.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error()) => Ok(Behind::Somebody),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Behind::Nobody),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Behind::NoSocket),
        Err(error) => Err(error),
    }
}

/// Removes a socket that nobody serves.
pub fn clear(path: &Path) -> Result<(), BindError> {
    let io = |source| BindError::Io {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(BindError::NoSocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    }
    let asked = FileId::of(path);
    match behind(path).map_err(io)? {
        Behind::Somebody => Err(BindError::InUse(path.to_owned())),
        Behind::NoSocket => Ok(()),
        // Somebody has taken its place meanwhile.
        Behind::Nobody if asked.as_ref().is_none_or(|asked| !asked.is_at(path)) => Ok(()),
        Behind::Nobody => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(error)),
            _ => {
                info!("{}: left by a process that was killed; removed", path.display());
                Ok(())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test)
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let (_listener, file) = bind(&path).unwrap();
            assert!(file.is_there());
            assert!(matches!(bind(&path), Err(BindError::InUse(_))));
            assert!(file.is_there());
        });
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            fs::write(&path, "precious").unwrap();
            assert!(matches!(bind(&path), Err(BindError::NoSocket(_))));
            assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        });
    }

    #[test]
    fn only_our_own_file_is_removed_at_the_end() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            let (listener, file) = bind(&path).unwrap();
            drop(file);
            assert!(!path.exists());
            drop(listener);
            let (_listener, file) = bind(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
            assert!(!file.is_there());
            drop(file);
            assert!(path.exists());
        });
    }

    #[test]
    fn a_chmod_makes_no_other_file_of_it_and_a_file_in_its_place_does() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            let (listener, file) = bind(&path).unwrap();
            for mode in [0o666, 0o600, 0o755] {
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                assert!(file.is_there());
            }
            std::os::unix::fs::chown(&path, Some(0), Some(0)).ok();
            assert!(file.is_there());
            // Its inode would be free for the next file otherwise.
            drop(listener);
            for _ in 0..100 {
                fs::remove_file(&path).unwrap();
                let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
                assert!(!file.is_there());
            }
        });
    }

    #[test]
    fn sockets_of_every_kind_stay_while_somebody_has_them_and_go_afterwards() {
        use std::os::unix::net::{UnixDatagram as Datagram, UnixListener as Listener};

        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            let in_use = || {
                assert!(matches!(bind(&path), Err(BindError::InUse(_))));
                assert!(matches!(bind_datagram(&path), Err(BindError::InUse(_))));
            };
            let listener = Listener::bind(&path).unwrap();
            in_use();
            drop(listener);
            drop(bind_datagram(&path).unwrap());
            let datagrams = Datagram::bind(&path).unwrap();
            in_use();
            drop(datagrams);
            drop(bind(&path).unwrap());
            assert!(!path.exists());
        });
    }
}
