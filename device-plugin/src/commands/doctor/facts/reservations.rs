//! What host-local has reserved: by address, for which container and since when.
//!
//! The configuration that names the directory is a tenant's text: only what is below CNI's own state directory is looked into, no link
//! is followed, nothing but regular files is read, and of each and of all only so much.
//!
//! Contract: host-local's store (plugins/ipam/host-local/backend/disk): a file for each address, whose first line is the container.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use hardwire_cni::beneath::Directory;
use rustix::fs::{Dir, Mode, OFlags, openat};

/// As many entries as a store has for an IPv4 network of 16 bits, and some.
const MOST: usize = 70_000;
/// A container's id and an interface's name are far below.
const LONGEST: u64 = 512;

/// An address that is reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// For which container.
    pub container: String,
    /// The file that says so.
    pub file: PathBuf,
    /// When it was written.
    pub since: Option<SystemTime>,
}

/// All of a store below `cni_state`; nothing where there is no such directory.
pub fn read(cni_state: &Path, store: &Path) -> Result<BTreeMap<IpAddr, Reservation>, String> {
    let failed = |error: io::Error| format!("{}: {error}", store.display());
    let below = store.strip_prefix(cni_state);
    let stays = |below: &&Path| below.components().all(|part| matches!(part, Component::Normal(_)));
    let below = below.ok().filter(stays);
    let below = below.ok_or_else(|| format!("{} is not below {}", store.display(), cni_state.display()))?;
    let opened = Directory::open(cni_state).and_then(|directory| directory.descend(below.iter(), None));
    let directory = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => opened.map_err(failed)?,
    };
    let mut reserved = BTreeMap::new();
    // What is held only as a place in the tree cannot be listed.
    let listed = openat(
        &directory,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let entries = listed.and_then(Dir::new).map_err(|errno| failed(errno.into()))?;
    for (count, entry) in entries.enumerate() {
        if count >= MOST {
            return Err(format!("{}: it has more than {MOST} entries", store.display()));
        }
        let entry = entry.map_err(|errno| failed(errno.into()))?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        // `:` of IPv6 stands for itself on Linux.
        let (Ok(address), Some((container, since))) = (name.parse(), reservation(&directory, name)) else {
            continue;
        };
        let file = store.join(name);
        reserved.insert(address, Reservation { container, file, since });
    }
    Ok(reserved)
}

/// Of what is both times the same: what was given back or out meanwhile is left out.
pub fn in_both(
    before: BTreeMap<IpAddr, Reservation>,
    after: &BTreeMap<IpAddr, Reservation>,
) -> BTreeMap<IpAddr, Reservation> {
    let is_same = |(address, reservation): &(IpAddr, Reservation)| after.get(address) == Some(reservation);
    before.into_iter().filter(is_same).collect()
}

fn reservation(directory: &Directory, name: &str) -> Option<(String, Option<SystemTime>)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(directory, OsStr::new(name), flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let container = text.lines().next().unwrap_or_default().trim().to_owned();
    Some((container, metadata.modified().ok()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn rule_9_nothing_is_read_but_regular_files_below_the_directory() {
        let state = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let store = state.path().join("networks/blue");
        fs::create_dir_all(&store).unwrap();
        fs::write(store.join("10.0.0.2"), "c1\r\nnet1").unwrap();
        fs::write(store.join("10.0.0.3"), "x".repeat(100_000)).unwrap();
        fs::write(store.join("last_reserved_ip.0"), "10.0.0.3").unwrap();
        fs::write(outside.path().join("10.0.0.9"), "secret").unwrap();
        symlink(outside.path().join("10.0.0.9"), store.join("10.0.0.4")).unwrap();
        symlink("/dev/zero", store.join("10.0.0.5")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, store.join("10.0.0.6"), Mode::RWXU).unwrap();
        let reserved = read(state.path(), &store).unwrap();
        let containers: Vec<&str> = reserved
            .values()
            .map(|reservation| reservation.container.as_str())
            .collect();
        assert_eq!((containers[0], containers[1].len(), containers.len()), ("c1", 512, 2));

        symlink(outside.path(), state.path().join("networks/red")).unwrap();
        assert!(
            read(state.path(), &state.path().join("networks/red")).is_err(),
            "a link leads out"
        );
        assert!(read(state.path(), outside.path()).unwrap_err().contains("is not below"));
        assert!(read(state.path(), &state.path().join("networks/../../x")).is_err());
        assert_eq!(
            read(state.path(), &state.path().join("networks/none")),
            Ok(BTreeMap::new())
        );
    }

    #[test]
    fn what_changed_meanwhile_is_left_out() {
        let reservation = |container: &str| Reservation {
            container: container.to_owned(),
            file: "/x".into(),
            since: None,
        };
        let at = |last| IpAddr::from([10, 0, 0, last]);
        let before = [
            (at(1), reservation("a")),
            (at(2), reservation("b")),
            (at(3), reservation("c")),
        ];
        let after = [(at(1), reservation("a")), (at(2), reservation("new"))].into();
        assert_eq!(in_both(before.into(), &after).into_keys().collect::<Vec<_>>(), [at(1)]);
    }
}
