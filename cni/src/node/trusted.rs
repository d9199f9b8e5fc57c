//! Reading a file that is believed: only where nobody but root can have written it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Writable by its group or by everybody.
const OTHERS_WRITE: u32 = 0o022;

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// The system does not let us read it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Others than root may have written it, or it is no file, or larger than any of its kind.
    #[error("it is not believed: {0}")]
    Unsafe(String),
}

/// Reads a file of `largest` bytes at most; `None` where there is none.
pub fn read_trusted(path: &Path, largest: u64) -> Result<Option<Vec<u8>>, Untrusted> {
    // A FIFO would hold us, and a link may lead to what somebody else wrote.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => {
            return Err(Untrusted::Unsafe("it is a symbolic link: make it a file".to_owned()));
        }
        Err(errno) => return Err(io::Error::from(errno).into()),
    };
    let metadata = file.metadata()?;
    let (is_file, mode) = (metadata.is_file(), metadata.mode());
    if !is_file || metadata.uid() != 0 || mode & OTHERS_WRITE != 0 {
        return Err(Untrusted::Unsafe(format!(
            "{}, owner {}, mode {:o}: it must be a file of root's that nobody else may write (0, 644)",
            if is_file { "a file" } else { "no file" },
            metadata.uid(),
            mode & 0o7777
        )));
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.size().min(largest) + 1).unwrap_or_default());
    file.take(largest + 1).read_to_end(&mut content)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > largest {
        return Err(Untrusted::Unsafe(format!("it is larger than {largest} bytes")));
    }
    Ok(Some(content))
}
