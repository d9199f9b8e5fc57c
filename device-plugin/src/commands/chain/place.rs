//! Which file the default network's list is, and how it is written.
//!
//! Contract: containerd and CRI-O take the first file of the directory by name, of those that end in .conf, .conflist or .json;
//! Multus writes one of its own before it, which names the network itself.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use hardwire_cni::node::{configurations, read_configuration};

use super::list::{BadList, List, is_copy_without_ours, is_multus};

/// So often a file may become another one while it is changed.
const ATTEMPTS: u32 = 5;
/// Ends in nothing of that, and begins with a dot.
const TEMPORARY: &str = ".hardwire-chain.new";

/// Why a list is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The system refuses.
    #[error("{step} {}: {source}", path.display())]
    Io {
        /// What was being done.
        step: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no network.
    #[error("{}: no network configuration here but Multus' own: is the default network's plugin installed?", .0.display())]
    NoNetwork(PathBuf),
    /// It is left as it is.
    #[error("{}: {why}", path.display())]
    Bad {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: BadList,
    },
    /// Somebody else writes it at this moment.
    #[error("{}: it is written again and again at this moment: try again", .0.display())]
    Changed(PathBuf),
    /// It cannot be told what is attached.
    #[error("what is attached is not known: {0}")]
    Journal(String),
    /// A runtime sends DEL by the list that it has then.
    #[error(
        "these devices are attached by our entry, and their DEL needs it: {0}; end their pods first (kubectl drain), then \
         unchain"
    )]
    Attached(String),
}

/// What there was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chained {
    /// Our entry was in this file.
    Already(PathBuf),
    /// It is now, behind this plugin.
    Now {
        /// Which file.
        path: PathBuf,
        /// `type` of its first plugin.
        behind: String,
    },
    /// There is no network yet: the daemon puts our entry into the first that comes.
    Later,
}

/// Puts our entry into the default network's list.
pub(super) fn chain_first(directory: &Path, program: &str) -> Result<Chained, ChainError> {
    anew(|| {
        let (path, read) = first(directory)?;
        let bad = |why| ChainError::Bad {
            path: path.clone(),
            why,
        };
        let list = List::parse(&read.text).map_err(bad)?;
        match list.with_ours(program).map_err(bad)? {
            None => Ok(Chained::Already(path)),
            Some(text) => {
                replace(&path, &text, read.stamp)?;
                Ok(Chained::Now {
                    behind: list.main_plugin().to_owned(),
                    path,
                })
            }
        }
    })
}

/// Begins again where the file became another one: what its owner wrote meanwhile is newer than what was read.
fn anew<T>(mut change: impl FnMut() -> Result<T, ChainError>) -> Result<T, ChainError> {
    for _attempt in 1..ATTEMPTS {
        match change() {
            Err(ChainError::Changed(path)) => {
                tracing::info!("{}: it was written meanwhile: read again", path.display());
            }
            done => return done,
        }
    }
    change()
}

/// The default network's list, and its first plugin, where our entry is not in it.
pub(super) fn missing_in(directory: &Path) -> Result<Option<(PathBuf, String)>, ChainError> {
    let (path, read) = first(directory)?;
    match List::parse(&read.text) {
        Ok(list) if list.has_ours() => Ok(None),
        Ok(list) => Ok(Some((path, list.main_plugin().to_owned()))),
        Err(why) => Err(ChainError::Bad { path, why }),
    }
}

/// Multus' own file, where the runtime goes by it and it has a copy of the list without our entry: what is in the list counts for
/// nobody then.
pub(super) fn copy_without_ours(directory: &Path) -> Option<PathBuf> {
    let path = files(directory).ok()?.into_iter().next()?;
    let text = read_configuration(&path).ok()?;
    (is_multus(&text) && is_copy_without_ours(&text)).then_some(path)
}

/// Takes it out of every list, and tells out of which.
pub(super) fn unchain_all(directory: &Path) -> Result<Vec<PathBuf>, ChainError> {
    let mut changed = Vec::new();
    for path in files(directory)? {
        if anew(|| unchain_one(&path))? {
            changed.push(path);
        }
    }
    Ok(changed)
}

fn unchain_one(path: &Path) -> Result<bool, ChainError> {
    let read = read(path)?;
    // What is no list has no entry of ours.
    let Ok(list) = List::parse(&read.text) else {
        return Ok(false);
    };
    let without = list.without_ours().map_err(|why| ChainError::Bad {
        path: path.to_owned(),
        why,
    })?;
    match without {
        None => Ok(false),
        Some(text) => replace(path, &text, read.stamp).map(|()| true),
    }
}

/// A file that was read.
struct ReadFile {
    text: String,
    stamp: Stamp,
}

/// Device, inode, size and time of a file.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(path: &Path) -> Result<Stamp, ChainError> {
    let file = fs::metadata(path).map_err(failed("look at", path))?;
    Ok((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

fn first(directory: &Path) -> Result<(PathBuf, ReadFile), ChainError> {
    for path in files(directory)? {
        let read = read(&path)?;
        if !is_multus(&read.text) {
            return Ok((path, read));
        }
    }
    Err(ChainError::NoNetwork(directory.to_owned()))
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, ChainError> {
    configurations(directory).map_err(|error| match error.kind() {
        ErrorKind::NotFound => ChainError::NoNetwork(directory.to_owned()),
        _ => failed("list", directory)(error),
    })
}

fn read(path: &Path) -> Result<ReadFile, ChainError> {
    // Before it is read: what is written meanwhile is another file's.
    let stamp = stamp(path)?;
    let text = read_configuration(path).map_err(failed("read", path))?;
    Ok(ReadFile { text, stamp })
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ChainError {
    let path = path.to_owned();
    move |source| ChainError::Io { step, path, source }
}

/// Writes the file in one step, with the owner and mode that it has, if it is still the one that was read. A link stays one: what
/// it leads to is replaced.
fn replace(path: &Path, text: &str, read: Stamp) -> Result<(), ChainError> {
    let path = fs::canonicalize(path).map_err(failed("find", path))?;
    let directory = path.parent().unwrap_or(&path);
    let temporary = directory.join(TEMPORARY);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", &temporary)(error)),
        _ => {}
    }
    let written = write(&path, &temporary, text).map_err(failed("write", &temporary));
    let is_same = written.and_then(|()| {
        if stamp(&path)? == read {
            Ok(())
        } else {
            Err(ChainError::Changed(path.clone()))
        }
    });
    let written = is_same.and_then(|()| fs::rename(&temporary, &path).map_err(failed("replace", &path)));
    written.inspect_err(|_error| {
        // What is left of it does no harm; the error is what matters.
        drop(fs::remove_file(&temporary));
    })?;
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(failed("sync", directory))
}

fn write(path: &Path, temporary: &Path, text: &str) -> io::Result<()> {
    let before = fs::metadata(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(Permissions::from_mode(before.mode() & 0o7777))?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
        chown(temporary, Some(before.uid()), Some(before.gid()))?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"name": "k8s", "cniVersion": "1.0.0", "plugins": [{"type": "calico"}]}"#;

    #[test]
    fn the_first_file_that_is_not_multus_own_is_the_default_networks() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert!(matches!(
            chain_first(directory.path(), "hardwire"),
            Err(ChainError::NoNetwork(_))
        ));
        fs::write(at("00-multus.conf"), r#"{"type": "multus-shim"}"#).unwrap();
        fs::write(at("05-old.conflist.bak"), LIST).unwrap();
        fs::write(at("10-calico.conflist"), LIST).unwrap();
        fs::write(at("20-other.conflist"), LIST).unwrap();
        fs::set_permissions(at("10-calico.conflist"), Permissions::from_mode(0o640)).unwrap();
        let now = Chained::Now {
            path: at("10-calico.conflist"),
            behind: "calico".to_owned(),
        };
        assert_eq!(chain_first(directory.path(), "hardwire").unwrap(), now);
        let already = Chained::Already(at("10-calico.conflist"));
        assert_eq!(chain_first(directory.path(), "hardwire").unwrap(), already);
        let mode = fs::metadata(at("10-calico.conflist")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            4,
            "nothing is left beside them"
        );
        assert_eq!(unchain_all(directory.path()).unwrap(), [at("10-calico.conflist")]);
        assert!(unchain_all(directory.path()).unwrap().is_empty());
    }

    #[test]
    fn a_copy_of_multus_without_our_entry_is_told_and_one_that_names_the_list_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("10-calico.conflist"), LIST).unwrap();
        chain_first(directory.path(), "hardwire").unwrap();
        let list = fs::read_to_string(at("10-calico.conflist")).unwrap();
        for (multus, expected) in [
            (format!(r#"{{"type": "multus", "delegates": [{LIST}]}}"#), true),
            (
                format!(r#"{{"plugins": [{{"type": "multus", "delegates": [{LIST}]}}]}}"#),
                true,
            ),
            (
                r#"{"type": "multus", "delegates": [{"type": "calico"}]}"#.to_owned(),
                true,
            ),
            (format!(r#"{{"type": "multus", "delegates": [{list}]}}"#), false),
            (r#"{"type": "multus", "clusterNetwork": "k8s"}"#.to_owned(), false),
            (r#"{"type": "multus-shim"}"#.to_owned(), false),
            ("{".to_owned(), false),
        ] {
            fs::write(at("00-multus.conf"), &multus).unwrap();
            let found = copy_without_ours(directory.path());
            assert_eq!(found, expected.then(|| at("00-multus.conf")), "{multus}");
        }
        // The runtime goes by the first file.
        fs::rename(at("00-multus.conf"), at("99-multus.conf")).unwrap();
        fs::write(
            at("99-multus.conf"),
            format!(r#"{{"type": "multus", "delegates": [{LIST}]}}"#),
        )
        .unwrap();
        assert_eq!(copy_without_ours(directory.path()), None);
    }

    #[test]
    fn a_first_file_that_is_no_list_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("10-bridge.conf");
        fs::write(&path, r#"{"type": "bridge"}"#).unwrap();
        let refused = chain_first(directory.path(), "hardwire").unwrap_err().to_string();
        assert!(refused.contains("10-bridge.conf: it is no list"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"type": "bridge"}"#);
    }

    #[test]
    fn a_file_that_its_owner_writes_meanwhile_is_read_again_and_never_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("10-calico.conflist");
        fs::write(&path, LIST).unwrap();
        let before = read(&path).unwrap();
        let newer = LIST.replace("calico", "cilium-cni");
        fs::write(directory.path().join("new"), &newer).unwrap();
        fs::rename(directory.path().join("new"), &path).unwrap();
        assert!(matches!(
            replace(&path, "older", before.stamp),
            Err(ChainError::Changed(_))
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        let mut stamps = [before.stamp].into_iter();
        let changed = anew(|| {
            let now = read(&path)?;
            replace(&path, "changed", stamps.next().unwrap_or(now.stamp))
        });
        assert!(changed.is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "changed");
    }
}
