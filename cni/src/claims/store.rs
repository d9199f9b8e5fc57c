//! The records on disk: `claims/UID.json` in the state directory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::record::ClaimRecord;
use crate::state_file::replace;

const DIRECTORY: &str = "claims";
/// More than any claim has: 32 devices, each with 10 KiB of parameters at most.
const LARGEST: u64 = 1 << 20;
/// The longest uid.
const UID_MAX: usize = 64;

/// Where the records are.
#[derive(Debug, Clone)]
pub struct ClaimStore(PathBuf);

/// What is wrong with the records.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// The system does not let us.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A record is not what this program writes.
    #[error("{} is not understood: {reason}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No uid looks like that.
    #[error("{0:?} is no uid of a claim")]
    Uid(String),
}

// === impl ClaimStore ===

impl ClaimStore {
    /// Below this state directory.
    pub fn at(state: &Path) -> Self {
        Self(state.join(DIRECTORY))
    }

    /// All records, by their uids. One that cannot be read is an error: nobody knows whose devices it has.
    pub fn all(&self) -> Result<Vec<ClaimRecord>, ClaimsError> {
        let at = |source| ClaimsError::Io {
            path: self.0.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(at(error)),
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry.map_err(at)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                records.extend(read(&path)?);
            }
        }
        records.sort_by(|a: &ClaimRecord, b| a.claim.uid.cmp(&b.claim.uid));
        Ok(records)
    }

    /// Writes a record, in one step.
    pub fn put(&self, record: &ClaimRecord) -> Result<(), ClaimsError> {
        let path = self.path(&record.claim.uid)?;
        let text = serde_json::to_vec(record).map_err(io::Error::from);
        let written = text.and_then(|text| replace(&path, &text));
        written.map_err(|source| ClaimsError::Io { path, source })
    }

    /// Removes a record, if it is there.
    pub fn remove(&self, uid: &str) -> Result<(), ClaimsError> {
        let path = self.path(uid)?;
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ClaimsError::Io { path, source }),
            _ => Ok(()),
        }
    }

    fn path(&self, uid: &str) -> Result<PathBuf, ClaimsError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if uid.is_empty() || uid.len() > UID_MAX || !uid.bytes().all(is_plain) {
            return Err(ClaimsError::Uid(uid.to_owned()));
        }
        Ok(self.0.join(format!("{uid}.json")))
    }
}

/// None where it has gone meanwhile.
fn read(path: &Path) -> Result<Option<ClaimRecord>, ClaimsError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut text));
    match read {
        Ok(_length) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(ClaimsError::Io { path, source });
        }
    }
    let content = |reason: String| ClaimsError::Content {
        path: path.to_owned(),
        reason,
    };
    let record: ClaimRecord = serde_json::from_slice(&text).map_err(|error| content(error.to_string()))?;
    if record.version == ClaimRecord::VERSION {
        Ok(Some(record))
    } else {
        Err(content(format!("its version is {}", record.version)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::witness::fixture::record;

    #[test]
    fn a_record_is_there_from_put_to_remove_and_one_that_is_not_understood_is_an_error() {
        let state = tempfile::tempdir().unwrap();
        let store = ClaimStore::at(state.path());
        assert_eq!(store.all().unwrap(), []);
        let (first, second) = (record("c-1", &["u1"], 1), record("c-2", &["u2"], 2));
        store.put(&second).unwrap();
        store.put(&first).unwrap();
        assert_eq!(store.all().unwrap(), [first.clone(), second.clone()]);
        store.remove("c-1").unwrap();
        store.remove("c-1").unwrap();
        assert_eq!(store.all().unwrap(), [second]);
        for uid in ["", "..", "../x", "a/b", &"a".repeat(65)] {
            assert!(matches!(store.remove(uid), Err(ClaimsError::Uid(_))), "{uid:?}");
        }
        fs::write(state.path().join("claims/c-3.json"), "{").unwrap();
        assert!(matches!(store.all(), Err(ClaimsError::Content { .. })));
        let mut other = record("c-3", &[], 3);
        other.version = 2;
        store.put(&other).unwrap();
        assert!(store.all().unwrap_err().to_string().contains("its version is 2"));
    }
}
