//! What this process may do on the node, tried out: a profile that forbids says so only to who is refused.
//!
//! Each attempt changes nothing: a netlink socket is opened and closed, the own network namespace is entered, a file below /sys
//! is opened for writing and not written to. Contract: proc(5) for `/proc/PID/status` (`CapEff`, `Seccomp`) and
//! `/proc/PID/attr/current` (the `AppArmor` profile); capabilities(7) for the numbers.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use hardwire_cni::netns::{Netns, NetnsError};
use hardwire_pci::netlink::{NetlinkError, Socket};
use serde::{Deserialize, Serialize};

/// `CAP_DAC_OVERRIDE`.
pub const DAC_OVERRIDE: u32 = 1;
/// `CAP_NET_ADMIN`.
pub const NET_ADMIN: u32 = 12;
/// `CAP_SYS_ADMIN`.
pub const SYS_ADMIN: u32 = 21;
/// Written to by udev and by people, and by nobody with nothing.
const SYSFS_FILE: &str = "bus/pci/drivers_probe";

/// What a process may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rights {
    /// `CapEff`; none where /proc does not tell.
    pub capabilities: Option<u64>,
    /// Whether a seccomp filter judges its system calls.
    pub is_filtered: bool,
    /// Its `AppArmor` profile, where one confines it.
    pub apparmor: Option<String>,
    /// What was refused.
    pub refused: Vec<Refused>,
}

/// An attempt that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What was tried.
    pub what: Attempt,
    /// The system's words.
    pub error: String,
    /// Its number; none where a daemon of before does not tell. It tells who denies: a profile of `AppArmor` says EACCES of files
    /// and sockets, a filter of system calls EPERM, a read-only file system EROFS.
    #[serde(default)]
    pub errno: Option<i32>,
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// A netlink socket.
    Netlink,
    /// Entering a network namespace, which needs `CAP_SYS_ADMIN`.
    EnterNamespace,
    /// Opening a file below /sys for writing.
    WriteSysfs,
}

// === impl Rights ===

impl Rights {
    /// What this process may do. Without the kernel's own tree below `sysfs`, nothing is tried there.
    pub fn of_this_process(sysfs: &Path) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().to_owned())
        };
        let profile = fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
        let refused = [
            (Attempt::Netlink, open_netlink()),
            (Attempt::EnterNamespace, enter_own_namespace()),
            (Attempt::WriteSysfs, open_for_writing(sysfs)),
        ];
        Self {
            capabilities: field("CapEff:").and_then(|mask| u64::from_str_radix(&mask, 16).ok()),
            is_filtered: field("Seccomp:").is_some_and(|mode| mode == "2"),
            apparmor: confining(&profile),
            refused: refused
                .into_iter()
                .filter_map(|(what, tried)| Some((what, tried.err()?)))
                .map(|(what, (error, errno))| Refused { what, error, errno })
                .collect(),
        }
    }

    /// Whether a capability is there; `true` where that is not known.
    pub fn may(&self, capability: u32) -> bool {
        self.capabilities.is_none_or(|mask| mask >> capability & 1 == 1)
    }

    /// What the system said where an attempt was refused.
    pub fn refusal(&self, attempt: Attempt) -> Option<&Refused> {
        self.refused.iter().find(|refused| refused.what == attempt)
    }
}

/// With the error, its number.
type Tried = Result<(), (String, Option<i32>)>;

fn open_netlink() -> Tried {
    let opened = Socket::open().map(drop);
    opened.map_err(|error| {
        let errno = match &error {
            NetlinkError::Socket { source, .. } => source.raw_os_error(),
            other => other.errno(),
        };
        (error.to_string(), errno)
    })
}

fn enter_own_namespace() -> Tried {
    let entered = Netns::own().and_then(|own| own.run(|| ()));
    entered.map_err(|error| match error {
        NetnsError::Io { source, .. } => (source.to_string(), source.raw_os_error()),
        other => (other.to_string(), None),
    })
}

fn open_for_writing(sysfs: &Path) -> Tried {
    let file = sysfs.join(SYSFS_FILE);
    match OpenOptions::new().write(true).open(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err((format!("{}: {error}", file.display()), error.raw_os_error()))
        }
        _ => Ok(()),
    }
}

/// `NAME (enforce)`; other modes, and `unconfined`, forbid nothing.
fn confining(profile: &str) -> Option<String> {
    let name = profile.trim_end_matches(['\0', '\n']).strip_suffix(" (enforce)")?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_counts_where_it_is_enforced() {
        let confined = confining("cri-containerd.apparmor.d (enforce)\n");
        assert_eq!(confined.as_deref(), Some("cri-containerd.apparmor.d"));
        for other in ["unconfined\n", "x (complain)\n", "", "kernel\0"] {
            assert_eq!(confining(other), None, "{other:?}");
        }
    }

    #[test]
    fn capabilities_are_told_by_their_numbers() {
        let rights = |capabilities| Rights {
            capabilities,
            ..Rights::default()
        };
        assert!(rights(Some(1 << SYS_ADMIN)).may(SYS_ADMIN) && rights(None).may(SYS_ADMIN));
        assert!(!rights(Some(1 << NET_ADMIN)).may(SYS_ADMIN));
        let own = Rights::of_this_process(Path::new("/nowhere"));
        assert!(own.capabilities.is_some() && own.refusal(Attempt::WriteSysfs).is_none());
    }
}
