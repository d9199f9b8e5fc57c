//! A file beneath a directory of the operator's, whose name a configuration gives.
//!
//! Each step opens one component relative to the one before with `O_NOFOLLOW` (`openat(2)`), so that no link and no `..`
//! leads out, whoever changes what meanwhile. Only the directory to begin with is opened by its path: it is the operator's,
//! and may be a link (`/var/run`).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

/// A directory that is held open.
#[derive(Debug)]
pub struct Directory(OwnedFd);

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Directory {
    /// The operator's directory, links followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())?))
    }

    /// The directory of this name in it; made with `mode` where there is none and a mode is given. A link is an error.
    pub fn child(&self, name: &OsStr, mode: Option<Mode>) -> io::Result<Self> {
        let open = || rustix::fs::openat(&self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let opened = match (open(), mode) {
            (Err(Errno::NOENT), Some(mode)) => {
                match rustix::fs::mkdirat(&self.0, name, mode) {
                    // Another call was faster.
                    Ok(()) | Err(Errno::EXIST) => open(),
                    Err(errno) => Err(errno),
                }
            }
            (opened, _) => opened,
        };
        Ok(Self(opened?))
    }

    /// The directory that `names` lead to, one after the other.
    pub fn descend<'a>(self, names: impl IntoIterator<Item = &'a OsStr>, mode: Option<Mode>) -> io::Result<Self> {
        names.into_iter().try_fold(self, |at, name| at.child(name, mode))
    }

    /// Makes a file that was not there.
    pub fn create_new(&self, name: &OsStr, mode: Mode) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, mode)?))
    }

    /// What is there under a name, links not followed; `None` if nothing is.
    pub fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes a file.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The components of a path that names a file in plain words: absolute, nothing to be resolved, nothing that is not to be
/// seen. `None` for any other.
pub fn plain_components(path: &str) -> Option<Vec<&OsStr>> {
    let rest = path.strip_prefix('/')?;
    let plain = |name: &str| !matches!(name, "" | "." | "..") && is_plain_name(name);
    if !rest.split('/').all(plain) {
        return None;
    }
    let names = Path::new(rest).components().map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    names.collect()
}

/// Whether a text is a file's name and nothing else (`NAME_MAX` bytes at most).
pub fn is_plain_name(name: &str) -> bool {
    const NAME_MAX: usize = 255;
    let shown = crate::printable::printable(name) == name;
    !matches!(name, "" | "." | "..") && name.len() <= NAME_MAX && !name.contains('/') && shown
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn rule_9_no_link_leads_out_of_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("link")).unwrap();
        symlink(outside.path().join("target"), root.path().join("file")).unwrap();
        let directory = Directory::open(root.path()).unwrap();
        let mode = Mode::from_raw_mode(0o750);
        assert!(directory.child(OsStr::new("link"), Some(mode)).is_err());
        assert!(directory.create_new(OsStr::new("file"), mode).is_err());
        let made = directory.descend(["a", "b"].map(OsStr::new), Some(mode)).unwrap();
        made.create_new(OsStr::new("x"), mode).unwrap();
        assert!(root.path().join("a/b/x").is_file());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn rule_9_only_plain_paths_are_taken() {
        let long = format!("/{}", "a".repeat(256));
        for bad in [
            "",
            "a",
            "/",
            "/a/",
            "//a",
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/..",
            "/a\n",
            "/a\0",
            "/\u{202e}",
            &long,
        ] {
            assert_eq!(plain_components(bad), None, "{bad:?}");
        }
        assert_eq!(plain_components("/a/b.log").unwrap(), ["a", "b.log"].map(OsStr::new));
    }
}
