//! What was told, on file in the state directory, so that a daemon that follows tells nothing twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hardwire_cni::state_file::replace;
use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};
use tracing::debug;

use super::fault::Fault;

const FILE: &str = "told.json";
const VERSION: u32 = 1;

/// What the cluster was told of, and is still so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// What is wrong.
    pub faults: BTreeSet<Fault>,
    /// Devices that are gone under their pods.
    pub vanished: BTreeSet<DeviceId>,
}

/// The file, and what it says.
#[derive(Debug)]
pub(super) struct Memory {
    path: Option<PathBuf>,
    kept: Remembered,
}

#[derive(Serialize, Deserialize)]
struct Layout {
    version: u32,
    #[serde(flatten)]
    kept: Remembered,
}

// === impl Memory ===

impl Memory {
    /// What an earlier daemon left in a state directory; nothing without one.
    pub(super) fn at(state: Option<&Path>) -> Self {
        let path = state.map(|state| state.join(FILE));
        let kept = path.as_deref().and_then(read).unwrap_or_default();
        Self { path, kept }
    }

    pub(super) fn kept(&self) -> &Remembered {
        &self.kept
    }

    /// From now on this is remembered.
    pub(super) fn keep(&mut self, now: Remembered) {
        if now == self.kept {
            return;
        }
        self.kept = now;
        let Some(path) = &self.path else { return };
        let layout = Layout {
            version: VERSION,
            kept: self.kept.clone(),
        };
        let written = serde_json::to_vec(&layout)
            .map_err(Into::into)
            .and_then(|json| replace(path, &json));
        if let Err(error) = written {
            // The next daemon tells it again.
            debug!("{}: {error}", path.display());
        }
    }
}

fn read(path: &Path) -> Option<Remembered> {
    let layout: Layout = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (layout.version == VERSION).then_some(layout.kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_known_to_the_next_daemon() {
        let state = tempfile::tempdir().unwrap();
        let mut memory = Memory::at(Some(state.path()));
        assert_eq!(*memory.kept(), Remembered::default());
        let now = Remembered {
            faults: [Fault::Refused("a/b: no".to_owned())].into(),
            vanished: ["0000:01:10.0".parse().unwrap()].into(),
        };
        memory.keep(now.clone());
        assert_eq!(*Memory::at(Some(state.path())).kept(), now);
        fs::write(state.path().join(FILE), "{\"version\": 2}").unwrap();
        assert_eq!(
            *Memory::at(Some(state.path())).kept(),
            Remembered::default(),
            "another layout is not understood"
        );
    }
}
