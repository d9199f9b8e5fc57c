//! The witness CNI directory: our plugin and the others, as the runtime finds them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{PipeReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::places::Places;
use super::unseen::Unseen;
use crate::commands::install_cni::{CNI_PROGRAM, PROGRAM, is_ours};

/// For a program that prints one line and ends.
const BOUND: Duration = Duration::from_secs(5);
/// As much as is read of what it prints.
const LONGEST: usize = 4096;
/// What a build says that was not told its commit.
const NOT_TOLD: &str = "unknown";

/// What is in the directory of CNI plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginFacts {
    /// Where our plugin should be.
    pub path: PathBuf,
    /// What is there; none where that cannot be seen.
    pub ours: Option<Program>,
    /// The names of all plugins; none where the directory cannot be read.
    pub names: Option<BTreeSet<String>>,
    /// Whether the daemon's program for it is here, where `install-cni` takes it from without a word.
    pub has_program: bool,
    /// The plugin's program that lies beside this one.
    pub beside: Option<PathBuf>,
}

/// The program at the plugin's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// There is none.
    Missing,
    /// It cannot be executed.
    NotExecutable {
        /// Its permission bits.
        mode: u32,
        /// When that changed.
        since: Option<SystemTime>,
    },
    /// It is another program than ours.
    Foreign {
        /// When it came.
        since: Option<SystemTime>,
    },
    /// It is ours.
    Ours {
        /// What it says of itself; why not, where it does not.
        version: Result<Version, String>,
        /// Whether it is, byte for byte, the one beside this program in the image; none where there is no other.
        is_same: Option<bool>,
        /// When it came.
        since: Option<SystemTime>,
    },
}

/// A version, and the commit where that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `0.1.0`.
    pub number: String,
    /// What stands in parentheses behind it.
    pub commit: Option<String>,
}

// === impl PluginFacts ===

impl PluginFacts {
    /// Looks into the directory, and asks our plugin for its version.
    pub fn read(places: &Places, unseen: &mut Vec<Unseen>) -> Self {
        let path = places.cni_bin.join(PROGRAM);
        let names = fs::read_dir(&places.cni_bin).map(|entries| {
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            names.collect::<BTreeSet<String>>()
        });
        let names = match names {
            Err(error) if places.in_pod && error.kind() == std::io::ErrorKind::NotFound => Err(error),
            // On the node itself, no directory is no plugin.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            names => names,
        };
        if let Err(error) = &names {
            unseen.push(Unseen::new(
                "which CNI plugins the node has",
                format!("{}: {error}", places.cni_bin.display()),
                format!("on the node: ls -l {}", places.cni_bin.display()),
            ));
        }
        let names = names.ok();
        let ours = names.is_some().then(|| Program::at(&path));
        let is_plugin = |file: &Path| fs::read(file).is_ok_and(|content| is_ours(&content));
        let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
        Self {
            has_program: is_plugin(&places.cni_program),
            beside: beside.filter(|file| is_plugin(file) && *file != path),
            path,
            ours,
            names,
        }
    }

    /// Whether a plugin is there; `None` where that cannot be seen.
    pub fn has(&self, plugin: &str) -> Option<bool> {
        self.names.as_ref().map(|names| names.contains(plugin))
    }
}

// === impl Program ===

impl Program {
    fn at(path: &Path) -> Self {
        let Ok(metadata) = fs::metadata(path) else {
            return Self::Missing;
        };
        let mode = metadata.permissions().mode() & 0o7777;
        let since = metadata.modified().ok();
        if mode & 0o111 == 0 || !metadata.is_file() {
            use std::os::unix::fs::MetadataExt;

            let changed = u64::try_from(metadata.ctime()).unwrap_or_default();
            let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(changed));
            return Self::NotExecutable { mode, since };
        }
        let content = fs::read(path).unwrap_or_default();
        if !is_ours(&content) {
            return Self::Foreign { since };
        }
        let beside = fs::read(CNI_PROGRAM).ok().filter(|_| path != Path::new(CNI_PROGRAM));
        Self::Ours {
            version: asked(path),
            is_same: beside.map(|beside| beside == content),
            since,
        }
    }
}

// === impl Version ===

impl Version {
    /// What this build of the plugin says.
    pub fn of_this_build() -> Option<Self> {
        Self::in_text(&hardwire_cni::verbs::about())
    }

    /// `hardwire 0.1.0 (1a2b3c): ...`.
    fn in_text(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(PROGRAM))?;
        let number = line.split_whitespace().next()?.trim_end_matches([':', ',']);
        let commit = line.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        let commit = commit.map(|(commit, _)| commit.strip_prefix("commit ").unwrap_or(commit));
        let is_number = number.starts_with(|c: char| c.is_ascii_digit());
        is_number.then(|| Self {
            number: number.to_owned(),
            commit: commit.filter(|commit| *commit != NOT_TOLD).map(str::to_owned),
        })
    }

    /// Whether both are the same build, as far as both tell.
    pub fn is(&self, other: &Self) -> bool {
        let same_commit = self.commit.is_none() || other.commit.is_none() || self.commit == other.commit;
        self.number == other.number && same_commit
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.commit {
            Some(commit) => write!(f, "{} ({commit})", self.number),
            None => f.write_str(&self.number),
        }
    }
}

/// Asks a program as a person would: without any variable of CNI's it says what it is. What it prints is waited for, so long.
fn asked(path: &Path) -> Result<Version, String> {
    let (mut reader, writer) = std::io::pipe().map_err(|error| error.to_string())?;
    let errors = writer.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new(path);
    command
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    // Its ends of the pipe are the child's alone from here on.
    drop(command);
    let said = until_closed(&mut reader, Instant::now() + BOUND);
    // It has said what it has to say, or is of no use.
    drop(child.kill());
    drop(child.wait());
    Version::in_text(&said?).ok_or_else(|| "it does not tell its version".to_owned())
}

fn until_closed(reader: &mut PipeReader, deadline: Instant) -> Result<String, String> {
    let mut text = Vec::new();
    while text.len() < LONGEST {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|error| error.to_string())?;
        let mut wanted = [PollFd::new(reader, PollFlags::IN)];
        match poll(&mut wanted, Some(&left)) {
            Ok(0) => return Err(format!("no answer within {BOUND:?}")),
            Err(Errno::INTR) => continue,
            polled => polled.map_err(|errno| errno.to_string())?,
        };
        let mut part = [0; 512];
        match reader.read(&mut part).map_err(|error| error.to_string())? {
            0 => break,
            count => text.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_in_any_release_of_the_plugin() {
        let version = |text| Version::in_text(text).map(|version| version.to_string());
        assert_eq!(version("hardwire 0.1.0: CNI plugin\nCNI").as_deref(), Some("0.1.0"));
        let with_commit = version("\nhardwire 0.2.0 (1a2b3c): CNI plugin");
        assert_eq!(with_commit.as_deref(), Some("0.2.0 (1a2b3c)"));
        assert_eq!(version("CNI host-local plugin v1.1.1"), None);
        let (plain, committed) = (Version::in_text("hardwire 1.0"), Version::in_text("hardwire 1.0 (a)"));
        assert!(plain.clone().unwrap().is(&committed.unwrap()));
        assert!(!plain.unwrap().is(&Version::in_text("hardwire 1.1").unwrap()));
        assert!(Version::of_this_build().is_some());
        let told = Version::in_text("hardwire 1.0 (commit 0a1b2c)").unwrap();
        let not_told = Version::in_text("hardwire 1.0 (commit unknown)").unwrap();
        assert_eq!(
            (told.commit.as_deref(), not_told.commit.as_deref()),
            (Some("0a1b2c"), None)
        );
        assert!(told.is(&not_told) && not_told.is(&told));
    }
}
