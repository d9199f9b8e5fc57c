//! Network namespaces: opened by path, held by descriptor, recognised by cookie.
//!
//! A path can come to name another namespace, and inodes are reused (five namespaces in a row can have the same one); the
//! cookie (`SO_NETNS_COOKIE`, Linux 5.14) is never given twice in a boot. Contract: `network_namespaces(7)`, setns(2).

mod cookie;
mod gone;
mod propagation;
mod reachable;
mod sysfs;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic;

use hardwire_pci::netlink::{NetlinkError, Socket};
use hardwire_pci::noted;
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

pub use gone::{is_gone, is_hidden, sees_all_processes};
pub use reachable::reachable;

/// What nsfs and the proc file system of `/proc/PID/ns/net` say they are (include/uapi/linux/magic.h).
const NAMESPACE_MAGICS: [u64; 2] = [0x6e73_6673, 0x9fa0];
const OWN: &str = "/proc/self/ns/net";
const OWN_THREAD: &str = "/proc/thread-self/ns/net";

/// Why a namespace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// There is nothing at the path.
    #[error("network namespace {0:?} does not exist")]
    Missing(String),
    /// The path names something else.
    #[error("unknown FS magic on {path:?}: {magic:x}: it is no network namespace")]
    NotANamespace {
        /// Which path.
        path: String,
        /// Type of the file system there.
        magic: u64,
    },
    /// The path names a namespace of another kind, or another file of the proc file system.
    #[error("{0:?} is no network namespace")]
    OtherKind(String),
    /// The system refuses.
    #[error("network namespace {path:?}: {step}: {source}")]
    Io {
        /// Which path.
        path: String,
        /// What was being done.
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// No socket inside.
    #[error("network namespace {path:?}: {source}")]
    Socket {
        /// Which path.
        path: String,
        /// Why.
        source: NetlinkError,
    },
}

impl NetnsError {
    /// Whether the path surely names no network namespace: there is nothing to be looked for.
    pub fn is_no_namespace(&self) -> bool {
        match self {
            Self::Missing(_) | Self::NotANamespace { .. } | Self::OtherKind(_) => true,
            Self::Io { .. } | Self::Socket { .. } => false,
        }
    }
}

/// What a namespace is recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetnsIdentity {
    /// `SO_NETNS_COOKIE`; none on kernels before 5.14.
    pub cookie: Option<u64>,
    /// Device of the namespace file.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
}

/// An open network namespace. It lives at least as long as this.
#[derive(Debug)]
pub struct Netns {
    file: File,
    path: String,
    device: u64,
    inode: u64,
}

/// A network namespace with a netlink socket inside.
#[derive(Debug)]
pub struct Entered {
    /// The namespace.
    pub netns: Netns,
    /// A socket that was opened in it.
    pub socket: Socket,
    /// What to recognise it by.
    pub identity: NetnsIdentity,
}

impl Netns {
    /// Opens the namespace at `path`.
    pub fn open(path: &str) -> Result<Self, NetnsError> {
        let at = |step| {
            move |source: io::Error| NetnsError::Io {
                path: path.to_owned(),
                step,
                source,
            }
        };
        // Non-blocking, so that a path that names a FIFO cannot hold us.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblocking)
            .open(path)
            .map_err(noted)
            .map_err(|source| {
                if names_nothing(&source) {
                    NetnsError::Missing(path.to_owned())
                } else {
                    at("open")(source)
                }
            })?;
        let magic = rustix::fs::fstatfs(&file)
            .map_err(|errno| at("statfs")(errno.into()))?
            .f_type;
        let magic = u64::try_from(magic).unwrap_or_default();
        if !NAMESPACE_MAGICS.contains(&magic) {
            return Err(NetnsError::NotANamespace {
                path: path.to_owned(),
                magic,
            });
        }
        let metadata = file.metadata().map_err(at("stat"))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// The namespace of this process, which is the host's: only threads of [`Netns::run`] ever leave it.
    pub fn own() -> Result<Self, NetnsError> {
        Self::open(OWN)
    }

    /// Where it was opened.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Inode of the namespace file: `net:[INODE]`.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Whether both are the same namespace. Both are open, so neither inode can be reused.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Runs `inside` in this namespace and comes back to the caller's, in which IPAM plugins must be started.
    pub fn run<T>(&self, inside: impl FnOnce() -> T) -> Result<T, NetnsError> {
        let failed = |step, source: io::Error| NetnsError::Io {
            path: self.path.clone(),
            step,
            source,
        };
        // Of this thread: in the daemon, another one may be inside a pod at this moment.
        let way_back = File::open(OWN_THREAD).map_err(|source| failed("remember the way back", source))?;
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|errno| {
            // setns(2): the descriptor is none of a namespace of the kind that is asked for.
            if errno == Errno::INVAL {
                NetnsError::OtherKind(self.path.clone())
            } else {
                failed("enter", errno.into())
            }
        })?;
        // From here on: who was refused the way in has none back to take, and would be refused it too.
        let home = Home(way_back);
        let result = inside();
        drop(home);
        Ok(result)
    }

    /// Opens a netlink socket inside and learns the cookie.
    pub fn enter(self) -> Result<Entered, NetnsError> {
        let socket = self.run(Socket::open)?;
        let socket = socket.map_err(|source| NetnsError::Socket {
            path: self.path.clone(),
            source,
        })?;
        let identity = NetnsIdentity {
            cookie: cookie::of(socket.as_fd()),
            device: self.device,
            inode: self.inode,
        };
        Ok(Entered {
            netns: self,
            socket,
            identity,
        })
    }
}

/// Whether an error of open(2) says that nothing is there, or can be, whoever asks.
fn names_nothing(error: &io::Error) -> bool {
    // The last is a NUL in the path.
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};

    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput)
        || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// The way back of a thread; taken when dropped, after a panic inside too.
struct Home(File);

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(errno) = move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)) {
            // The panic hook says it, as an error object where this is the plugin. Whatever this thread did from here on,
            // it would do to the pod.
            drop(panic::catch_unwind(|| {
                unreachable!("no way back from a pod's network namespace: {errno}")
            }));
            std::process::abort();
        }
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl NetnsIdentity {
    /// Whether a namespace found later is the one recorded: by cookie where both have one.
    pub fn is(&self, found: &Self) -> bool {
        match (self.cookie, found.cookie) {
            (Some(recorded), Some(found)) => recorded == found,
            _ => (self.device, self.inode) == (found.device, found.inode),
        }
    }
}
