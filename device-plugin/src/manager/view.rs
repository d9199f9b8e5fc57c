//! `devices.json` in the state directory: which device is in which list, and whether it is given out. `hardwired devices`
//! shows it, and our own next start goes by it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::running::Running;

/// Name of the file in the state directory.
const FILE: &str = "devices.json";

/// A device in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    /// The resource.
    pub(super) pool: String,
    /// `Healthy` or `Unhealthy`, as the kubelet is told.
    pub(super) health: String,
    /// Why it is not given out.
    pub(super) reason: Option<String>,
    /// It has, or had, an interface of its own.
    pub(super) had_netdev: bool,
}

/// By device.
pub(super) type Rows = BTreeMap<DeviceId, Row>;

/// The file.
#[derive(Debug)]
pub(super) struct View {
    path: PathBuf,
    written: Vec<u8>,
}

// === impl View ===

impl View {
    /// The file in this state directory.
    pub(super) fn at(state: &Path) -> Self {
        Self {
            path: state.join(FILE),
            written: Vec::new(),
        }
    }

    /// What is in it; nothing where it is not there or not understood.
    pub(super) fn read(&self) -> Rows {
        let bytes = fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Writes it in one step, if anything changed.
    pub(super) fn write(&mut self, pools: &[Running]) {
        let mut rows = Rows::new();
        for pool in pools {
            for (id, entry) in &pool.entries {
                // On its way from one pool to another, what counts is where it stays.
                if entry.leaving.is_some() && rows.contains_key(id) {
                    continue;
                }
                let row = Row {
                    pool: pool.pool.resource.to_string(),
                    health: if entry.ailment.is_none() {
                        "Healthy"
                    } else {
                        "Unhealthy"
                    }
                    .to_owned(),
                    reason: entry.ailment.as_ref().map(ToString::to_string),
                    had_netdev: entry.had_netdev,
                };
                rows.insert(id.clone(), row);
            }
        }
        let written = serde_json::to_vec(&rows).unwrap_or_default();
        if written == self.written {
            return;
        }
        if let Err(error) = self.replace(&written) {
            warn!("{}: {error}", self.path.display());
        }
        self.written = written;
    }

    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let temporary = self.path.with_extension("tmp");
        fs::write(&temporary, content)?;
        fs::rename(&temporary, &self.path)
    }
}
