//! When other namespaces are searched for what is on the host's interfaces, and what was found.
//!
//! The search follows the events of our devices' links, since the kernel tells of each upper device that comes or goes at its
//! lower one (`NETDEV_CHANGEUPPER`), and the slow timer; at most a tenth of the time is spent in it.

use std::time::Duration;

use hardwire_cni::node::Upper;
use tokio::time::Instant;
use tracing::warn;

/// After the first event: what moves something to another namespace is several events.
const SETTLE: Duration = Duration::from_millis(100);
/// So much longer than a search is the pause after it.
const PAUSE: u32 = 10;

/// The search.
#[derive(Debug, Default)]
pub(super) struct UpperSearch {
    /// What was found last; none before the first search that succeeded.
    pub(super) uppers: Option<Vec<Upper>>,
    is_running: bool,
    due: Option<Instant>,
    not_before: Option<Instant>,
}

// === impl UpperSearch ===

impl UpperSearch {
    /// Something may be on a device now that did not before.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_follows_an_event_and_leaves_a_pause() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut search = UpperSearch::default();
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
        let mut search = UpperSearch::default();
        search.found(Ok(vec![upper.clone()]), Duration::ZERO, now);
        search.found(Err("ENOBUFS".to_owned()), Duration::ZERO, now);
        assert_eq!(search.uppers, Some(vec![upper]));
        assert!(search.due().is_some());
    }
}
