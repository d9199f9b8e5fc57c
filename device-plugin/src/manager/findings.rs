//! What is left for the plugin: what stands on the host's interfaces from other namespaces, and which devices of the node the
//! pools give away.
//!
//! The search follows the events of our devices' links, since the kernel tells of each upper device that comes or goes at its
//! lower one (`NETDEV_CHANGEUPPER`), and the slow timer; at most a tenth of the time is spent in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hardwire_cni::node::{Findings, Upper};
use hardwire_pci::DeviceId;
use tokio::time::Instant;
use tracing::warn;

use super::served_pool::ServedPool;
use crate::pools::{Assignment, Hardware, PoolMatch};

/// After the first event: what moves something to another namespace is several events.
const SETTLE: Duration = Duration::from_millis(100);
/// So much longer than a search is the pause after it.
const PAUSE: u32 = 10;

/// The search, and the file.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// What was found last; none before the first search that succeeded.
    pub(super) uppers: Option<Vec<Upper>>,
    pub(super) is_running: bool,
    due: Option<Instant>,
    not_before: Option<Instant>,
    written: Option<Findings>,
}

// === impl Search ===

impl Search {
    /// Something may stand on a device now that did not before.
    pub(super) fn want(&mut self, now: Instant) {
        let begin = (now + SETTLE).max(self.not_before.unwrap_or(now));
        self.due.get_or_insert(begin);
    }

    /// When the next search begins.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.is_running)
    }

    /// Whether it begins now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let begins = self.due().is_some_and(|due| due <= now);
        if begins {
            self.due = None;
            self.is_running = true;
        }
        begins
    }

    /// Takes over what was found. What is not known stays as it was, and is looked for again.
    pub(super) fn found(&mut self, found: Result<Vec<Upper>, String>, took: Duration, now: Instant) {
        self.is_running = false;
        self.not_before = Some(now + took * PAUSE);
        match found {
            Ok(uppers) => self.uppers = Some(uppers),
            Err(error) => {
                warn!("{error}");
                self.want(now + Duration::from_secs(1));
            }
        }
    }

    /// Writes the file, if it says something else than before.
    pub(super) fn write(
        &mut self,
        state: &Path,
        boot: &str,
        pools: &[ServedPool],
        assignment: &Assignment,
        hardware: &Hardware,
    ) {
        let Some(uppers) = self.uppers.clone() else { return };
        let before = self.written.as_ref().map(|findings| &findings.allowed);
        let findings = Findings {
            version: Findings::VERSION,
            boot: boot.to_owned(),
            allowed: allowed(before, pools, assignment, hardware),
            uppers,
        };
        if self.written.as_ref() == Some(&findings) {
            return;
        }
        if let Err(error) = findings.write(state) {
            warn!("what the plugin should know of the node is not written: {error}");
        }
        self.written = Some(findings);
    }
}

/// The devices that their pools may give away although they are the node's. One whose interface is in a pod has lost the name
/// by which its pool may know it.
fn allowed(
    before: Option<&BTreeSet<DeviceId>>,
    pools: &[ServedPool],
    assignment: &Assignment,
    hardware: &Hardware,
) -> BTreeSet<DeviceId> {
    let is_allowed = |(id, place): &(&DeviceId, &PoolMatch)| {
        let PoolMatch::Pool(index) = place else { return false };
        let (Some(pool), Some(device)) = (pools.get(*index), hardware.inventory.get(id)) else {
            return false;
        };
        let was_allowed = || device.netdevs.is_empty() && before.is_some_and(|before| before.contains(*id));
        pool.pool.allows(device) || !pool.pool.allow_node_devices.is_empty() && was_allowed()
    };
    let places = assignment.matches.iter().filter(is_allowed);
    places.map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_follows_an_event_and_leaves_a_pause() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut search = Search::default();
        assert_eq!(search.due(), None);
        search.want(at(0));
        search.want(at(60));
        assert_eq!(search.due(), Some(at(100)));
        assert!(!search.take(at(99)));
        assert!(search.take(at(100)));
        search.want(at(110));
        assert_eq!(search.due(), None, "one at a time");
        search.found(Ok(Vec::new()), Duration::from_millis(50), at(150));
        assert_eq!(search.due(), Some(at(210)), "what was wanted before is not put off");
        assert!(search.take(at(210)));
        search.found(Ok(Vec::new()), Duration::from_millis(50), at(260));
        search.want(at(270));
        assert_eq!(search.due(), Some(at(760)));
    }

    #[test]
    fn what_is_not_known_stays_as_it_was() {
        let now = Instant::now();
        let upper = Upper {
            lower: 3,
            name: "mv0".to_owned(),
            kind: None,
            netns: None,
        };
        let mut search = Search::default();
        search.found(Ok(vec![upper.clone()]), Duration::ZERO, now);
        search.found(Err("ENOBUFS".to_owned()), Duration::ZERO, now);
        assert_eq!(search.uppers, Some(vec![upper]));
        assert!(search.due().is_some());
    }
}
