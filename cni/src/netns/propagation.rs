//! Whether mounts that the host makes are seen at a path.
//!
//! A named network namespace is a mount on an empty file: where mounts of the host do not arrive, the file is there and the
//! namespace is not, while it lives. They arrive in the mount namespace of the node's init, and below a mount that gets the
//! events of another (`shared:` and `master:` of `/proc/self/mountinfo`). Contract: `mount_namespaces(7)`, proc(5).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Whether what the host mounts at a path would be seen there. What cannot be told is no.
pub(super) fn shows_mounts_of_host(path: &Path) -> bool {
    let Some(folder) = path.parent().and_then(|folder| fs::canonicalize(folder).ok()) else {
        return false;
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    arrive_at(&folder, &mounts, is_mount_namespace_of_init())
}

/// The decision, for a folder without links.
fn arrive_at(folder: &Path, mountinfo: &str, is_mount_namespace_of_init: bool) -> bool {
    is_mount_namespace_of_init || mount_of(folder, mountinfo).is_some_and(|mount| mount.is_told)
}

fn is_mount_namespace_of_init() -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    super::sees_all_processes() && of("1").is_some_and(|init| Some(init) == of("self"))
}

struct Mount {
    point: PathBuf,
    /// It gets the mounts and unmounts of others.
    is_told: bool,
}

/// The mount that holds a folder: the deepest, and of several at one place the last.
fn mount_of(folder: &Path, mountinfo: &str) -> Option<Mount> {
    let holders = mountinfo.lines().filter_map(Mount::parse);
    holders
        .filter(|mount| folder.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
}

impl Mount {
    /// `36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw`
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ').skip(4);
        let point = unescaped(fields.next()?);
        let mut optional = fields.skip(1).take_while(|field| *field != "-");
        Some(Self {
            point,
            is_told: optional.any(|field| field.starts_with("shared:") || field.starts_with("master:")),
        })
    }
}

/// Space, tab, newline and backslash stand there as `\` and three octal digits.
fn unescaped(field: &str) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::with_capacity(field.len()), field.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| first == b'\\');
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        22 1 8:1 / / rw,relatime - ext4 /dev/vda rw\n\
        23 22 0:5 / /run rw,nosuid master:7 - tmpfs tmpfs rw\n\
        24 23 0:5 /netns /run/netns rw - tmpfs tmpfs rw\n\
        25 23 0:6 / /run/told rw shared:9 - tmpfs tmpfs rw\n\
        26 22 0:7 / /with\\040space rw shared:3 master:2 propagate_from:1 - tmpfs tmpfs rw\n\
        27 22 0:8 / /twice rw shared:4 - tmpfs tmpfs rw\n\
        28 27 0:9 / /twice rw unbindable - tmpfs tmpfs rw\n\
        29 22 0:9 / /named rw - tmpfs shared:5 rw\n";

    #[test]
    fn rule_2_mounts_arrive_where_init_is_and_where_the_mount_is_told() {
        for (folder, expected) in [
            ("/run", true),
            ("/run/netns", false),
            ("/run/netns-of-another", true),
            ("/run/told/below", true),
            ("/with space", true),
            ("/", false),
            ("/var/run", false),
            ("/twice", false),
            ("/named", false),
        ] {
            assert_eq!(arrive_at(Path::new(folder), MOUNTS, false), expected, "{folder}");
            assert!(arrive_at(Path::new(folder), MOUNTS, true), "{folder}");
        }
        assert!(!arrive_at(Path::new("/run"), "", false), "nothing is known");
    }

    #[test]
    fn names_are_as_the_kernel_writes_them() {
        for (written, meant) in [("/a\\040b\\134c", "/a b\\c"), ("/a\\", "/a\\"), ("/a\\9zz", "/a\\9zz")] {
            assert_eq!(unescaped(written), Path::new(meant));
        }
    }
}
