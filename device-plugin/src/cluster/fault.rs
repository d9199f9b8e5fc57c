//! What is wrong with a node, and since when: what does not last is told to nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::facts::Facts;

/// What is wrong for so long is told.
pub const LASTS: Duration = Duration::from_secs(2);
/// And with it what came soon after.
pub const TOGETHER: Duration = Duration::from_secs(1);

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// A pool of the configuration is not run, for this reason.
    Refused(String),
    /// A device is not given out, for this reason.
    Unhealthy(DeviceId, String),
}

/// What is wrong, and of what it was told.
#[derive(Debug, Default)]
pub struct Faults {
    told: BTreeSet<Fault>,
    /// Since when what is not told has been wrong.
    untold: BTreeMap<Fault, Instant>,
}

// === impl Faults ===

impl Faults {
    /// Of these it was told before.
    pub fn told_before(told: BTreeSet<Fault>) -> Self {
        Self {
            told,
            untold: BTreeMap::new(),
        }
    }

    /// What it is told of, as far as that is still wrong.
    pub fn told(&self) -> &BTreeSet<Fault> {
        &self.told
    }

    /// This is wrong now. In the beginning, when not all was looked at, nothing that was told is taken for well.
    pub fn look(&mut self, facts: &Facts, now: Instant, is_beginning: bool) {
        let wrong = wrong(facts);
        self.told.retain(|fault| is_beginning || wrong.contains(fault));
        self.untold.retain(|fault, _| wrong.contains(fault));
        for fault in wrong {
            if !self.told.contains(&fault) {
                self.untold.entry(fault).or_insert(now);
            }
        }
    }

    /// When something will have lasted.
    pub fn due(&self) -> Option<Instant> {
        let first = self.untold.values().min()?;
        Some(*first + LASTS + TOGETHER)
    }

    /// What has lasted and was not told yet: from now on it is.
    pub fn take(&mut self, now: Instant) -> Vec<Fault> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let lasted = |since: &Instant| *since + LASTS <= now;
        let taken: Vec<Fault> = self
            .untold
            .iter()
            .filter(|(_, since)| lasted(since))
            .map(|(fault, _)| fault.clone())
            .collect();
        self.untold.retain(|_, since| !lasted(since));
        self.told.extend(taken.iter().cloned());
        taken
    }
}

fn wrong(facts: &Facts) -> BTreeSet<Fault> {
    let refused = facts.standing.refused.iter().cloned().map(Fault::Refused);
    let devices = facts.snapshot.view.devices.iter().filter(|(_, seen)| !seen.healthy);
    let unhealthy = devices.filter_map(|(id, seen)| Some(Fault::Unhealthy(id.clone(), seen.reason.clone()?)));
    refused.chain(unhealthy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixture::node;

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn each_fault_lasts_for_itself() {
        let (mut faults, mut facts, begin) = (Faults::default(), node(3), Instant::now());
        facts.ill(0, "no driver is bound to it");
        faults.look(&facts, begin, false);
        let due = faults.due().unwrap();
        assert_eq!(due, begin + LASTS + TOGETHER);
        // A moment before, another one, which soon is well again.
        let late = due - Duration::from_millis(100);
        facts.ill(1, "no driver is bound to it");
        faults.look(&facts, late, false);
        assert_eq!(faults.take(late), []);
        assert_eq!(faults.take(due).len(), 1, "the second has not lasted");
        facts.well(1);
        faults.look(&facts, due, false);
        assert_eq!(faults.due(), None);
        facts.ill(1, "no driver is bound to it");
        faults.look(&facts, due + second(9), false);
        assert_eq!(faults.due(), Some(due + second(9) + LASTS + TOGETHER), "it begins anew");
    }

    #[test]
    fn what_comes_soon_after_is_told_together_with_the_first() {
        let (mut faults, mut facts, begin) = (Faults::default(), node(3), Instant::now());
        for n in 0..3 {
            facts.ill(n, "no driver is bound to it");
            faults.look(&facts, begin + second(n as u64) / 3, false);
        }
        assert_eq!(faults.take(faults.due().unwrap()).len(), 3);
        assert_eq!(faults.due(), None);
    }

    #[test]
    fn what_an_earlier_daemon_told_is_told_again_only_if_it_was_well_in_between() {
        let (mut facts, begin) = (node(1), Instant::now());
        facts.ill(0, "no driver is bound to it");
        let mut before = Faults::default();
        before.look(&facts, begin, false);
        assert_eq!(before.take(before.due().unwrap()).len(), 1);
        let mut faults = Faults::told_before(before.told().clone());
        faults.look(&node(1), begin, true);
        faults.look(&facts, begin, false);
        assert_eq!(faults.due(), None, "it was not looked at before");
        facts.well(0);
        faults.look(&facts, begin, false);
        facts.ill(0, "no driver is bound to it");
        faults.look(&facts, begin, false);
        assert!(faults.due().is_some());
    }
}
