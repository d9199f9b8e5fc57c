//! Taking a socket's place in the directory.
//!
//! A socket file that a killed process left behind stands in the way of bind(2). It is removed only after it refused a
//! connection: one that accepts belongs to another instance, which must not lose it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
    changed: (i64, i64),
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
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            // An inode is used again at once, by a socket of the same name too.
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
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
        FileId::of(&self.path) == Some(self.id)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
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

/// Listens at `path`.
pub async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), BindError> {
    let io = |source| BindError::Io {
        path: path.to_owned(),
        source,
    };
    for _ in 0..ATTEMPTS {
        match UnixListener::bind(path) {
            Ok(listener) => {
                let file = SocketFile::of(path).ok_or_else(|| io(io::ErrorKind::NotFound.into()))?;
                return Ok((listener, file));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => clear(path).await?,
            Err(error) => return Err(io(error)),
        }
    }
    Err(io(io::ErrorKind::AddrInUse.into()))
}

/// Removes a socket that nobody serves.
async fn clear(path: &Path) -> Result<(), BindError> {
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
    match UnixStream::connect(path).await {
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(error)),
            _ => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io(error)),
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
            let (_listener, file) = bind(&path).await.unwrap();
            assert!(file.is_there());
            assert!(matches!(bind(&path).await, Err(BindError::InUse(_))));
            assert!(file.is_there());
        });
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            fs::write(&path, "precious").unwrap();
            assert!(matches!(bind(&path).await, Err(BindError::NoSocket(_))));
            assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        });
    }

    #[test]
    fn only_our_own_file_is_removed_at_the_end() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            let (listener, file) = bind(&path).await.unwrap();
            drop(file);
            assert!(!path.exists());
            drop(listener);
            let (_listener, file) = bind(&path).await.unwrap();
            fs::remove_file(&path).unwrap();
            let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
            assert!(!file.is_there());
            drop(file);
            assert!(path.exists());
        });
    }
}
