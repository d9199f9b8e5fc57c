//! A file of the state directory that others read: whole, or as it was before.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::write_out;

/// What failed, and on which file.
#[derive(Debug, thiserror::Error)]
#[error("{step} {}: {source}", path.display())]
pub struct ReplaceError {
    /// `create`, `write` or `rename`.
    pub step: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

/// Writes a file in one step, and its directory if there is none. For files with one writer: the temporary name is the same
/// each time, so that what a killed one left is overwritten.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_or_tell(path, content).map_err(|error| error.source)
}

/// As [`replace`], for a file on disk that a power cut must not leave empty. Waits for no disk.
pub fn replace_on_disk(path: &Path, content: &[u8]) -> io::Result<()> {
    let begin = |file: &File| write_out::begin(file, content.len());
    replace_with(path, content, begin).map_err(|error| error.source)
}

/// As [`replace`], for who has to say what failed.
pub fn replace_or_tell(path: &Path, content: &[u8]) -> Result<(), ReplaceError> {
    replace_with(path, content, |_file| ())
}

/// `before_renaming` has the whole file, under its temporary name.
fn replace_with(path: &Path, content: &[u8], before_renaming: impl FnOnce(&File)) -> Result<(), ReplaceError> {
    let temporary = path.with_extension("tmp");
    let at = |step| {
        let path = temporary.clone();
        move |source| ReplaceError { step, path, source }
    };
    let mut file = open(&temporary)?;
    let written = file.write_all(content).map_err(at("write"));
    let renamed = written.and_then(|()| {
        before_renaming(&file);
        fs::rename(&temporary, path).map_err(at("rename"))
    });
    if renamed.is_err() {
        // Nothing depends on the leftover; the error that is reported is the first one.
        drop(fs::remove_file(&temporary));
    }
    renamed
}

fn open(temporary: &Path) -> Result<File, ReplaceError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReplaceError {
            step: "create",
            path,
            source,
        }
    };
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    match (options.open(temporary), temporary.parent()) {
        (Err(error), Some(directory)) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(failed(directory))?;
            options.open(temporary).map_err(failed(temporary))
        }
        (file, _) => file.map_err(failed(temporary)),
    }
}
