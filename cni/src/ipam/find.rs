//! Finding a plugin along `CNI_PATH`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::beneath::is_plain_name;
use crate::printable::excerpt;

/// As much of a name as an error quotes, bytes.
const QUOTED: usize = 256;

/// Why there is no plugin to run. Texts are libcni's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// Nothing was asked for.
    #[error("no plugin name provided")]
    NoName,
    /// A name that would leave the directories.
    #[error("invalid plugin name: {0}")]
    BadName(String),
    /// `CNI_PATH` is empty.
    #[error("no paths provided")]
    NoPath,
    /// In none of the directories.
    #[error("failed to find plugin \"{plugin}\" in path [{}]", directories.join(" "))]
    Missing {
        /// Its name.
        plugin: String,
        /// Where it was looked for.
        directories: Vec<String>,
    },
}

/// The first regular file of that name, links followed.
pub fn find(plugin: &str, path: &str) -> Result<PathBuf, FindError> {
    if plugin.is_empty() {
        return Err(FindError::NoName);
    }
    if !is_plain_name(plugin) {
        return Err(FindError::BadName(excerpt(plugin, QUOTED)));
    }
    let directories: Vec<&str> = path.split(':').filter(|directory| !directory.is_empty()).collect();
    if directories.is_empty() {
        return Err(FindError::NoPath);
    }
    let candidates = directories.iter().map(|directory| Path::new(directory).join(plugin));
    let found = candidates
        .into_iter()
        .find(|candidate| fs::metadata(candidate).is_ok_and(|m| m.is_file()));
    found.ok_or_else(|| FindError::Missing {
        plugin: plugin.to_owned(),
        directories: directories.into_iter().map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn directories_are_skipped_and_links_followed() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("a/host-local")).unwrap();
        fs::create_dir_all(at("b")).unwrap();
        fs::write(at("real"), "").unwrap();
        symlink(at("real"), at("b/host-local")).unwrap();
        let path = format!("/nonexistent:{}:{}", at("a").display(), at("b").display());
        assert_eq!(find("host-local", &path), Ok(at("b/host-local")));
    }

    #[test]
    fn names_never_leave_the_directories() {
        assert_eq!(find("../x", "/a").unwrap_err().to_string(), "invalid plugin name: ../x");
        let long = "x".repeat(256);
        for bad in [
            "/bin/sh",
            "a/b",
            ".",
            "..",
            "a\nb",
            "a\0b",
            "\u{1b}[2J",
            "\u{202e}",
            &long,
        ] {
            assert!(matches!(find(bad, "/a"), Err(FindError::BadName(_))), "{bad:?}");
        }
        assert_eq!(find("", "/a"), Err(FindError::NoName));
        assert_eq!(find("x", ""), Err(FindError::NoPath));
        let missing = find("nosuch", "/nonexistent-a:/nonexistent-b").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "failed to find plugin \"nosuch\" in path [/nonexistent-a /nonexistent-b]"
        );
    }
}
