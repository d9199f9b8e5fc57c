//! A file that others read: it is there with all of its content, or with all of what it held before.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Of files that are not finished. Readers of CDI specs take every `.json` and `.yaml`.
pub(super) const UNFINISHED: &str = ".hardwired-";

/// A path and what shall be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub content: String,
}

// === impl Document ===

impl Document {
    /// Whether it is there as it should be.
    pub fn is_there(&self) -> bool {
        fs::read(&self.path).is_ok_and(|content| content == self.content.as_bytes())
    }

    /// Sees to it that it is there, and touches nothing if it is.
    pub fn ensure(&self) -> io::Result<()> {
        if self.is_there() { Ok(()) } else { self.write() }
    }

    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        file.write_all(self.content.as_bytes())?;
        file.as_file().set_permissions(Permissions::from_mode(0o444))?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// Removes a document, if it is there.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("removing {}: {error}", path.display());
    }
}

/// The names in a folder; none if there is no folder.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!("{}: {error}", folder.display());
            }
            return Vec::new();
        }
    };
    let entries = entries.filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_whole_and_only_when_it_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let document = |content: &str| Document {
            path: directory.path().join("a/b/x.json"),
            content: content.to_owned(),
        };
        document("1").ensure().unwrap();
        let metadata = || fs::metadata(document("").path).unwrap();
        let inode = || std::os::unix::fs::MetadataExt::ino(&metadata());
        assert_eq!(metadata().permissions().mode() & 0o777, 0o444);
        let before = inode();
        document("1").ensure().unwrap();
        assert_eq!(inode(), before);
        // A reader that has it open keeps what it had: the file is another.
        document("2").ensure().unwrap();
        assert_ne!(inode(), before);
        assert!(document("2").is_there());
        let names = fs::read_dir(directory.path().join("a/b")).unwrap();
        assert_eq!(names.count(), 1);
    }

    #[test]
    fn where_nothing_can_be_written_it_says_so() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        let path = directory.path().join("file/x.json");
        let document = Document {
            path,
            content: String::new(),
        };
        document.ensure().unwrap_err();
    }
}
