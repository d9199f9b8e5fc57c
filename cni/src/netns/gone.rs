//! Whether a namespace is gone, rather than hidden from us: a container has its own /proc and its own mounts.

use std::fs;
use std::path::Path;

use super::{Netns, NetnsError};

/// Whether the path surely names no namespace any more. What we may not look at, or could not see from where we run, counts
/// as alive.
pub fn is_gone(path: &str) -> bool {
    match Netns::open(path) {
        Ok(_) | Err(NetnsError::Io { .. } | NetnsError::Socket { .. }) => false,
        Err(NetnsError::Missing(_)) => is_in_sight(Path::new(path), sees_all_processes()),
        Err(NetnsError::NotANamespace { .. } | NetnsError::OtherKind(_)) => true,
    }
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
    fn a_name_that_is_gone_or_is_no_namespace_any_more_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pod1");
        assert!(is_gone(path.to_str().unwrap()));
        fs::write(&path, "").unwrap();
        assert!(is_gone(path.to_str().unwrap()));
        assert!(!is_gone("/proc/self/ns/net"));
    }

    #[test]
    fn what_is_out_of_sight_is_not_gone() {
        let directory = tempfile::tempdir().unwrap();
        let hidden = directory.path().join("not-mounted-here/pod1");
        assert!(!is_gone(hidden.to_str().unwrap()));
        let process = Path::new("/proc/999999999/ns/net");
        assert!(is_in_sight(process, true));
        assert!(!is_in_sight(process, false));
    }
}
