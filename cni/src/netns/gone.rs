//! Whether a namespace is gone, rather than hidden from us: a container has its own /proc and its own mounts.

use std::fs;
use std::path::Path;

use super::propagation::shows_mounts_of_host;
use super::{Netns, NetnsError};

/// What can be told of a namespace from where we run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// It is there, or something is that we may not look at.
    There,
    /// The path surely names no namespace any more.
    Gone,
    /// It could not be seen if it were there.
    Hidden,
}

/// Whether the path surely names no namespace any more. What we may not look at, or could not see from where we run, counts
/// as alive.
pub fn is_gone(path: &str) -> bool {
    presence(path) == Presence::Gone
}

/// Whether nothing can be told of the namespace from where we run: the host's processes or mounts are not in sight.
pub fn is_hidden(path: &str) -> bool {
    presence(path) == Presence::Hidden
}

fn presence(path: &str) -> Presence {
    let in_sight = match Netns::open(path) {
        Ok(_) | Err(NetnsError::Io { .. } | NetnsError::Socket { .. }) => return Presence::There,
        Err(NetnsError::Missing(_)) => is_in_sight(Path::new(path), sees_all_processes()),
        // The file that a namespace is mounted on looks like this, too, where its mount does not arrive.
        Err(NetnsError::NotANamespace { .. }) => shows_mounts_of_host(Path::new(path)),
        Err(NetnsError::OtherKind(_)) => true,
    };
    if in_sight { Presence::Gone } else { Presence::Hidden }
}

/// Whether what is not there would be seen if it were.
fn is_in_sight(path: &Path, sees_all_processes: bool) -> bool {
    if path.starts_with("/proc") {
        sees_all_processes
    } else {
        path.parent().is_some_and(Path::is_dir)
    }
}

/// Whether our /proc has the node's processes. The first PID namespace of a kernel has a fixed inode
/// (`PROC_PID_INIT_INO` in the kernel's `proc_ns.h`).
pub fn sees_all_processes() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new("pid:[4026531836]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_gone_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pod1");
        assert!(is_gone(path.to_str().unwrap()));
        assert!(!is_gone("/proc/self/ns/net"));
    }

    #[test]
    fn what_is_out_of_sight_is_not_gone() {
        let directory = tempfile::tempdir().unwrap();
        let hidden = directory.path().join("not-mounted-here/pod1");
        assert!(!is_gone(hidden.to_str().unwrap()) && is_hidden(hidden.to_str().unwrap()));
        let process = Path::new("/proc/999999999/ns/net");
        assert!(is_in_sight(process, true));
        assert!(!is_in_sight(process, false));
    }
}
