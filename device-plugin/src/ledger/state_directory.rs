//! The state directory: the journal is of use only where it is the one that the CNI plugin on the node writes.
//!
//! In a container the directory is the node's if it is mounted from there. A read-only root without the mount says so by itself.
//! A volume of the pod's own does not: it can be written, stays empty, and would make every device look free. What can be known
//! is what is mounted there (`/proc/self/mountinfo`, proc(5)):
//!
//! - an `emptyDir` is a bind mount of a directory of the kubelet's, `.../pods/UID/volumes/kubernetes.io~empty-dir/NAME`
//!   (pkg/volume/emptydir), as other volumes of pods are of `.../kubernetes.io~KIND/NAME`; one in memory is a tmpfs of its own,
//!   whose root is mounted, while the node's directory is one in the tmpfs of the node's `/run`;
//! - what is mounted nowhere is in the root; one that is an overlay is a container's, since it is what runtimes make of images.
//!   An operator who names the directory (`HARDWIRE_STATE_DIR`) may have such a root on the node itself.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

/// Name of the lock in the state directory.
const LOCK: &str = "daemon.lock";
const MOUNTS: &str = "/proc/self/mountinfo";

/// Why the state directory is refused.
#[derive(Debug, thiserror::Error)]
pub enum StateDirectoryError {
    /// Another daemon runs.
    #[error("{}: locked: is a second hardwired running?", .0.display())]
    Second(PathBuf),
    /// It cannot be used, and that is no matter of what is mounted.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What the state directory is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateDirectory {
    /// It is the node's, as far as can be known.
    Node(PathBuf),
    /// Others in this container may use it, and the plugin on the node does not.
    Private(PathBuf, String),
    /// Nothing can be written.
    Missing(String),
}

// === impl StateDirectory ===

impl StateDirectory {
    /// Makes the directory and takes its lock, which is the process's, whatever ends it. `is_named` by the operator.
    pub fn claim(state: &Path, is_named: bool) -> Result<(Self, Option<File>), StateDirectoryError> {
        let lock = match lock(state) {
            Ok(lock) => lock,
            Err(StateDirectoryError::Io { source, .. }) if is_of_the_mount(&source) => {
                return Ok((Self::Missing(advice(state, &source.to_string())), None));
            }
            Err(error) => return Err(error),
        };
        let mounts = fs::read_to_string(MOUNTS).unwrap_or_default();
        let canonical = fs::canonicalize(state).unwrap_or_else(|_gone| state.to_owned());
        let directory = match private(&canonical, is_named, &mounts) {
            None => Self::Node(state.to_owned()),
            Some(why) => Self::Private(state.to_owned(), advice(state, &why)),
        };
        Ok((directory, Some(lock)))
    }

    /// Why the journal in a directory that is not ours to make says nothing; none where it does.
    pub fn unknown_at(state: &Path, is_named: bool) -> Option<String> {
        let there = state.ancestors().find(|path| path.exists())?;
        let is_read_only = rustix::fs::statvfs(there).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
        if there != state && is_read_only {
            return Some(advice(state, "there is none, and the root is read-only"));
        }
        let mounts = fs::read_to_string(MOUNTS).unwrap_or_default();
        let canonical = fs::canonicalize(there).unwrap_or_else(|_gone| there.to_owned());
        private(&canonical, is_named, &mounts).map(|why| advice(state, &why))
    }

    /// Where something can be written, for whoever reads it.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Node(path) | Self::Private(path, _) => Some(path),
            Self::Missing(_) => None,
        }
    }

    /// Why it is not known what is attached; none where it is.
    pub fn unknown(&self) -> Option<&str> {
        match self {
            Self::Node(_) => None,
            Self::Private(_, why) | Self::Missing(why) => Some(why),
        }
    }
}

/// Whether another mount would do.
fn is_of_the_mount(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
    )
}

fn advice(state: &Path, why: &str) -> String {
    let state = state.display();
    format!(
        "{state} is not the node's: {why}; what is attached is not known, and nothing is repaired. Mount the hostPath {state} \
         there: an emptyDir will not do, since the CNI plugin writes the node's directory"
    )
}

fn lock(state: &Path) -> Result<File, StateDirectoryError> {
    let path = state.join(LOCK);
    let failed = |source| StateDirectoryError::Io {
        path: path.clone(),
        source,
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(state).map_err(failed)?;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateDirectoryError::Second(path)),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// One line of mountinfo.
struct Mount<'a> {
    /// What of the file system is mounted.
    root: String,
    /// Where.
    point: PathBuf,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        Some(Self {
            root: unescaped(fields.next()?),
            point: unescaped(fields.next()?).into(),
            kind: file_system.split(' ').next()?,
        })
    }
}

/// Space, tab, newline and backslash stand there as three octal digits.
fn unescaped(text: &str) -> String {
    let replaced = |text: String, (code, character): &(&str, &str)| text.replace(code, character);
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(text.to_owned(), replaced)
}

/// Why a directory is not the node's, if that shows.
fn private(directory: &Path, is_named: bool, mounts: &str) -> Option<String> {
    // Of two at one place, the later one is seen.
    let mount = mounts
        .lines()
        .filter_map(Mount::parse)
        .filter(|mount| directory.starts_with(&mount.point))
        .enumerate()
        .max_by_key(|(index, mount)| (mount.point.components().count(), *index))
        .map(|(_, mount)| mount)?;
    let volume = mount.root.split_once("/kubernetes.io~").map(|(_, volume)| volume);
    if let Some(kind) = volume.and_then(|volume| volume.split('/').next()) {
        return Some(match kind {
            "empty-dir" => "it is an emptyDir of the pod".to_owned(),
            kind => format!("it is a volume of the pod ({kind})"),
        });
    }
    if mount.kind == "tmpfs" && mount.root == "/" && mount.point == directory {
        return Some("it is a tmpfs of its own, such as an emptyDir in memory".to_owned());
    }
    let is_image = mount.kind == "overlay" && mount.point == Path::new("/");
    (is_image && !is_named).then(|| "it is in the root of the container".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "1 0 0:30 / / rw,relatime - overlay overlay rw,lowerdir=/l\n";

    fn judged(directory: &str, is_named: bool, mounts: &[&str]) -> Option<String> {
        let mounts = format!("{ROOT}{}", mounts.concat());
        private(Path::new(directory), is_named, &mounts)
    }

    #[test]
    fn the_nodes_directory_is_told_from_volumes_of_the_pod() {
        let state = "/run/hardwire";
        let at = |root: &str, kind: &str| format!("2 1 0:25 {root} {state} rw,nosuid - {kind} x rw\n");
        let of_pod = "/var/lib/kubelet/pods/1f/volumes/kubernetes.io~";
        assert_eq!(judged(state, false, &[&at("/hardwire", "tmpfs")]), None);
        assert_eq!(judged(state, false, &[&at("/var/lib/x", "ext4")]), None);
        let empty_dir = judged(state, false, &[&at(&format!("{of_pod}empty-dir/state"), "ext4")]);
        assert_eq!(empty_dir.unwrap(), "it is an emptyDir of the pod");
        let named = judged(state, true, &[&at(&format!("{of_pod}empty-dir/state"), "xfs")]);
        assert!(named.is_some(), "an operator who names it does not make it the node's");
        let other = judged(state, false, &[&at(&format!("{of_pod}csi/pvc-1/mount"), "ext4")]);
        assert_eq!(other.unwrap(), "it is a volume of the pod (csi)");
        let in_memory = judged(state, false, &[&at("/", "tmpfs")]);
        assert!(in_memory.unwrap().contains("emptyDir in memory"));
        let later = judged(state, false, &[&at("/", "tmpfs"), &at("/hardwire", "tmpfs")]);
        assert_eq!(later, None, "the later mount is what is seen");
    }

    #[test]
    fn what_is_mounted_nowhere_is_the_containers_unless_the_node_has_such_a_root() {
        let run = "2 1 0:25 / /run rw - tmpfs tmpfs rw\n";
        assert_eq!(judged("/run/hardwire", false, &[run]), None, "on the node itself");
        assert_eq!(
            judged("/run/hardwire", false, &[]).unwrap(),
            "it is in the root of the container"
        );
        assert_eq!(judged("/tmp/hw-1/state", true, &[]), None);
        assert_eq!(private(Path::new("/run/hardwire"), false, ""), None, "nothing is known");
    }

    #[test]
    fn names_in_mountinfo_are_spelt_out_there() {
        let mount = Mount::parse("3 1 8:1 /a\\040b /c\\134d rw shared:1 - ext4 /dev/x rw").unwrap();
        assert_eq!(
            (mount.root.as_str(), mount.point.as_path()),
            ("/a b", Path::new("/c\\d"))
        );
        assert_eq!(mount.kind, "ext4");
    }

    #[test]
    fn a_directory_of_ours_is_locked_and_one_that_is_in_the_way_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let (claimed, lock) = StateDirectory::claim(&state, true).unwrap();
        assert_eq!(claimed, StateDirectory::Node(state.clone()));
        assert_eq!(claimed.unknown(), None);
        let second = StateDirectory::claim(&state, true);
        assert!(matches!(second, Err(StateDirectoryError::Second(_))), "{second:?}");
        drop(lock);
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let in_the_way = StateDirectory::claim(&file, true);
        assert!(
            matches!(in_the_way, Err(StateDirectoryError::Io { .. })),
            "{in_the_way:?}"
        );
    }
}
