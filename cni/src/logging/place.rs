//! Where a log file may be: directly in `/var/log`, anywhere below `/var/log/hardwire`, or below the operator's directory.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use hardwire_cni::beneath::{Directory, plain_components};
use rustix::fs::Mode;

const SYSTEM: &str = "/var/log";
const OURS: &str = "hardwire";

/// Directories below the place that are made for a file, at most.
const DEEPEST: usize = 8;

/// Room for `.log.N` of rotated files in a name (`NAME_MAX`).
const LONGEST_NAME: usize = 240;

/// Why a path is no place for a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadPlace {
    #[error("it is no absolute path in plain words")]
    Path,
    #[error("it does not end in NAME.log")]
    Name,
    #[error(
        "it is neither directly in /var/log nor below /var/log/hardwire or the operator's directory (logDirectory of plugin.json)"
    )]
    Elsewhere,
}

/// A log file's place: below which directory of the operator's, and the way from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<'a> {
    root: PathBuf,
    folders: Vec<&'a OsStr>,
    name: &'a OsStr,
}

impl<'a> Place<'a> {
    /// Finds the place of a path in one of the permitted directories.
    pub(super) fn of(path: &'a str, operators: Option<&Path>) -> Result<Self, BadPlace> {
        let mut folders = plain_components(path).ok_or(BadPlace::Path)?;
        let name = folders.pop().ok_or(BadPlace::Path)?;
        let stem = name.to_str().and_then(|name| name.strip_suffix(".log"));
        if stem.is_none_or(|stem| stem.is_empty() || stem.starts_with('.')) || name.len() > LONGEST_NAME {
            return Err(BadPlace::Name);
        }
        let parent = Path::new(path).parent().ok_or(BadPlace::Path)?;
        let below = |root: &Path| parent.strip_prefix(root).map(|way| way.iter().count()).ok();
        let system = below(Path::new(SYSTEM));
        let allowed = system == Some(0) || parent.strip_prefix(SYSTEM).is_ok_and(|way| way.starts_with(OURS));
        let (root, depth) = match operators.and_then(|root| Some((root, below(root)?))) {
            Some(found) => found,
            None => (
                Path::new(SYSTEM),
                system.filter(|_| allowed).ok_or(BadPlace::Elsewhere)?,
            ),
        };
        if depth > DEEPEST || !root.is_absolute() {
            return Err(BadPlace::Elsewhere);
        }
        Ok(Self {
            root: root.to_owned(),
            folders: folders.split_off(folders.len() - depth),
            name,
        })
    }

    /// The directory that the file is in, made where it is not there.
    pub(super) fn directory(&self) -> io::Result<Directory> {
        let mode = Mode::from_raw_mode(0o750);
        Directory::open(&self.root)?.descend(self.folders.iter().copied(), Some(mode))
    }

    pub(super) fn name(&self) -> &'a OsStr {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_9_a_log_file_is_made_only_in_the_log_directories() {
        let of = |path| Place::of(path, Some(Path::new("/data/logs/")));
        for (path, root, folders) in [
            ("/var/log/x.log", "/var/log", &[][..]),
            ("/var/log/hardwire.log", "/var/log", &[]),
            ("/var/log/hardwire/x.log", "/var/log", &["hardwire"]),
            ("/var/log/hardwire/a/b/x.log", "/var/log", &["hardwire", "a", "b"]),
            ("/data/logs/x.log", "/data/logs/", &[]),
            ("/data/logs/a/x.log", "/data/logs/", &["a"]),
        ] {
            let place = of(path).unwrap();
            assert_eq!(
                (place.root.to_str().unwrap(), place.folders),
                (root, folders.iter().map(OsStr::new).collect())
            );
        }
        for path in [
            "/etc/cron.d/x.log",
            "/var/log/pods/x.log",
            "/var/log/hardwire2/x.log",
            "/var/logs/x.log",
            "/data/x.log",
            "/data/logs2/x.log",
            "/x.log",
            "/var/log/hardwire/a/b/c/d/e/f/g/h/i/x.log",
        ] {
            assert_eq!(of(path), Err(BadPlace::Elsewhere), "{path}");
        }
        for path in [
            "/var/log/secure",
            "/var/log/x.log.1",
            "/var/log/.log",
            "/var/log/.x.log",
            "/var/log/x.LOG",
        ] {
            assert_eq!(of(path), Err(BadPlace::Name), "{path}");
        }
        for path in [
            "x.log",
            "",
            "/",
            "/var/log/../cron.d/x.log",
            "/var/log/hardwire/../../../etc/x.log",
            "/var/log/hardwire/./x.log",
            "/var/log//x.log",
            "/var/log/x.log/",
            "/var/log/x\n.log",
            "/var/log/\u{1b}[31m.log",
            "/var/log/x\0.log",
        ] {
            assert_eq!(of(path), Err(BadPlace::Path), "{path:?}");
        }
        assert!(Place::of("/x.log", None).is_err());
        assert!(Place::of("/a/x.log", Some(Path::new("a"))).is_err());
    }
}
