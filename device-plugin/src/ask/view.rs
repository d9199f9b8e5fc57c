//! What the daemon knows and nobody else can find out, for `hardwired devices`: a file in the state directory.
//!
//! Written whole and renamed into place whenever it changes. It counts as long as a daemon lives, which the socket of
//! [`crate::telemetry::reports`] tells: what a dead one thought of a device is not shown.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use hardwire_cni::report::daemon_listens;
use hardwire_cni::state_file::replace;
use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};

const FILE: &str = "devices.json";

/// The daemon's view of the devices of its pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Layout of the file.
    pub version: u32,
    /// By device.
    pub devices: BTreeMap<DeviceId, Seen>,
}

/// What the daemon thinks of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Whether it may be given out.
    pub healthy: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The same by a name that stays ([`crate::health::UnhealthyReason::kind`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Since when it has been unhealthy for that reason, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// The resource that lists it.
    #[serde(default)]
    pub pool: String,
    /// It has, or had, an interface of its own: our next start goes by that where it shows none.
    #[serde(default)]
    pub had_netdev: bool,
    /// The resource that it is held as, where that is another one than `pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_as: Option<String>,
}

// === impl View ===

impl Default for View {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            devices: BTreeMap::new(),
        }
    }
}

impl View {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;

    /// The view of the daemon that runs on `state`, the state directory; `None` where none runs, or none that is
    /// understood.
    pub fn read(state: &Path) -> Option<Self> {
        daemon_listens(state).then(|| Self::left(state))?
    }

    /// What the daemon before us thought, whether it lives or not.
    pub fn left(state: &Path) -> Option<Self> {
        let view: Self = serde_json::from_slice(&fs::read(state.join(FILE)).ok()?).ok()?;
        (view.version == Self::VERSION).then_some(view)
    }

    /// Writes the view, in one step. The daemon is the only writer.
    pub fn write(&self, state: &Path) -> io::Result<()> {
        replace(&state.join(FILE), &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use hardwire_cni::report::SOCKET;

    use super::*;

    #[test]
    fn a_view_counts_while_its_daemon_lives() {
        let state = tempfile::tempdir().unwrap();
        let seen = Seen {
            healthy: false,
            reason: Some("no carrier".to_owned()),
            kind: Some("no-carrier".to_owned()),
            since: Some(1),
            pool: "a.com/b".to_owned(),
            had_netdev: true,
            held_as: None,
        };
        let view = View {
            devices: [("0000:01:10.0".parse().unwrap(), seen)].into(),
            ..View::default()
        };
        view.write(state.path()).unwrap();
        assert_eq!(View::read(state.path()), None, "nobody listens");
        let daemon = UnixDatagram::bind(state.path().join(SOCKET)).unwrap();
        assert_eq!(View::read(state.path()), Some(view.clone()));
        let other = View { version: 9, ..view };
        other.write(state.path()).unwrap();
        assert_eq!(View::read(state.path()), None, "another layout");
        drop(daemon);
    }
}
