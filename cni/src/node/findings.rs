//! What `hardwired` leaves for ADD, which could not find it out in the time it has: one file, renamed into place.
//!
//! Indices of interfaces mean something in the boot in which they were seen only. The file outlives its daemon, and is then
//! no more than a suspicion: whoever goes by it looks again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};

use super::uppers::Upper;
use crate::state_file::replace;

const FILE: &str = "node.json";

/// What the daemon found out about the node, and what its configuration allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// Layout of the file.
    pub version: u32,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Devices of the node itself that their pools give away (`allowNodeDevices`).
    pub allowed: BTreeSet<DeviceId>,
    /// What stands on the host's interfaces and cannot be seen from them.
    pub uppers: Vec<Upper>,
}

/// Why the file tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    /// The system does not let us read it.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not what this program writes.
    #[error("{} is not understood: {reason}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

// === impl Findings ===

impl Findings {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;

    /// What the daemon on `state`, the state directory, left; `None` where none ever ran.
    pub fn read(state: &Path) -> Result<Option<Self>, FindingsError> {
        let path = state.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FindingsError::Io { path, source }),
        };
        let misunderstood = |reason: String| FindingsError::Content {
            path: path.clone(),
            reason,
        };
        let findings: Self = serde_json::from_slice(&bytes).map_err(|error| misunderstood(error.to_string()))?;
        if findings.version == Self::VERSION {
            Ok(Some(findings))
        } else {
            Err(misunderstood(format!("its version is {}", findings.version)))
        }
    }

    /// Writes the file, in one step. The daemon is the only writer.
    pub fn write(&self, state: &Path) -> io::Result<()> {
        replace(&state.join(FILE), &serde_json::to_vec(self)?)
    }

    /// What stands on the interface of the host with this index.
    pub fn upper(&self, index: u32) -> Option<&Upper> {
        self.uppers.iter().find(|upper| upper.lower == index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        assert!(matches!(Findings::read(state.path()), Ok(None)));
        let findings = Findings {
            version: Findings::VERSION,
            boot: "b".to_owned(),
            allowed: ["0000:01:00.0".parse().unwrap()].into(),
            uppers: vec![Upper {
                lower: 7,
                name: "mv0".to_owned(),
                kind: Some("macvlan".to_owned()),
                netns: Some(4_026_532_000),
            }],
        };
        findings.write(state.path()).unwrap();
        assert_eq!(Findings::read(state.path()).unwrap(), Some(findings.clone()));
        assert_eq!(findings.upper(7), findings.uppers.first());
        assert_eq!(findings.upper(8), None);
        let other = Findings { version: 9, ..findings };
        other.write(state.path()).unwrap();
        assert!(matches!(
            Findings::read(state.path()),
            Err(FindingsError::Content { .. })
        ));
    }
}
