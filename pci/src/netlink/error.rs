//! Why a netlink request failed, in the kernel's words where it has some.

use std::fmt;
use std::io;

/// A netlink request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel refused. `explanation` is its extack text (`NLMSGERR_ATTR_MSG`).
    #[error("{}", Refusal(*errno, explanation.as_deref()))]
    Refused {
        /// Positive errno.
        errno: i32,
        /// What the kernel or the driver says about it.
        explanation: Option<String>,
    },
    /// The socket itself failed.
    #[error("netlink socket: {step}: {source}")]
    Socket {
        /// What was being done.
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The reply makes no sense.
    #[error("netlink reply not understood: {0}")]
    Malformed(String),
    /// Changes came between the parts of an answer each time, so that something may be missing in it.
    #[error("netlink: the list changed while it was read, {0} times in a row")]
    Interrupted(usize),
}

impl NetlinkError {
    /// The errno of a refusal.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Socket { .. } | Self::Malformed(_) | Self::Interrupted(_) => None,
        }
    }

    /// Whether the thing asked about does not exist (`ENODEV`, `ENOENT`, `ENXIO`).
    pub fn is_missing(&self) -> bool {
        const MISSING: [rustix::io::Errno; 3] = [
            rustix::io::Errno::NODEV,
            rustix::io::Errno::NOENT,
            rustix::io::Errno::NXIO,
        ];
        self.errno()
            .is_some_and(|errno| MISSING.iter().any(|e| e.raw_os_error() == errno))
    }

    /// Whether what was asked for does not fit into an answer (`EMSGSIZE`), so that it is not known.
    pub fn is_too_long(&self) -> bool {
        self.errno() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
    }
}

struct Refusal<'a>(i32, Option<&'a str>);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = errno_name(self.0);
        match (self.1, name) {
            (Some(text), Some(name)) => write!(f, "{text} ({name})"),
            (Some(text), None) => write!(f, "{text} (errno {})", self.0),
            (None, Some(name)) => write!(f, "{name}"),
            (None, None) => write!(f, "{}", io::Error::from_raw_os_error(self.0)),
        }
    }
}

/// The symbolic name of an errno, for those that rtnetlink and network drivers answer with.
pub fn errno_name(errno: i32) -> Option<&'static str> {
    use rustix::io::Errno;

    // ENOTSUPP (524) is the kernel's own, never meant for user space, and drivers return it all the same.
    const ENOTSUPP: i32 = 524;
    const NAMES: &[(Errno, &str)] = &[
        (Errno::ACCESS, "EACCES"),
        (Errno::ADDRINUSE, "EADDRINUSE"),
        (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (Errno::AFNOSUPPORT, "EAFNOSUPPORT"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::BUSY, "EBUSY"),
        (Errno::EXIST, "EEXIST"),
        (Errno::FAULT, "EFAULT"),
        (Errno::HOSTUNREACH, "EHOSTUNREACH"),
        (Errno::INTR, "EINTR"),
        (Errno::INVAL, "EINVAL"),
        (Errno::IO, "EIO"),
        (Errno::LOOP, "ELOOP"),
        (Errno::MSGSIZE, "EMSGSIZE"),
        (Errno::NETDOWN, "ENETDOWN"),
        (Errno::NETUNREACH, "ENETUNREACH"),
        (Errno::NOBUFS, "ENOBUFS"),
        (Errno::NODEV, "ENODEV"),
        (Errno::NOENT, "ENOENT"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::NOSPC, "ENOSPC"),
        (Errno::NOTCONN, "ENOTCONN"),
        (Errno::NXIO, "ENXIO"),
        (Errno::OPNOTSUPP, "EOPNOTSUPP"),
        (Errno::PERM, "EPERM"),
        (Errno::PROTO, "EPROTO"),
        (Errno::RANGE, "ERANGE"),
        (Errno::ROFS, "EROFS"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::XDEV, "EXDEV"),
    ];
    if errno == ENOTSUPP {
        return Some("ENOTSUPP");
    }
    NAMES
        .iter()
        .find(|(e, _)| e.raw_os_error() == errno)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_explanation_comes_first_and_the_name_stands_beside_it() {
        let refused = |explanation: Option<&str>| {
            NetlinkError::Refused {
                errno: 95,
                explanation: explanation.map(str::to_owned),
            }
            .to_string()
        };
        assert_eq!(refused(None), "EOPNOTSUPP");
        assert_eq!(refused(Some("use devlink")), "use devlink (EOPNOTSUPP)");
    }
}
