//! Where the task hears of what it tells.

use tokio::sync::watch;

use super::facts::Facts;
use super::snapshot::Snapshot;
use crate::ledger::told::Told;
use crate::telemetry::metrics::Metrics;

/// The parts of the daemon that know something.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What the loop knows.
    pub snapshots: watch::Receiver<Option<Snapshot>>,
    /// What repair sees.
    pub told: watch::Receiver<Told>,
    /// How the daemon is.
    pub metrics: Metrics,
}

// === impl Sources ===

impl Sources {
    /// All that is known now, which is no change any more; none before the first list.
    pub(super) fn changed_facts(&mut self) -> Option<Facts> {
        self.snapshots.mark_unchanged();
        self.told.mark_unchanged();
        self.facts()
    }

    /// All that is known now. What changed and was not looked at stays a change.
    pub(super) fn facts(&self) -> Option<Facts> {
        // In this order: repair tells of an attachment before the loop hears of it.
        let snapshot = self.snapshots.borrow().clone()?;
        let told = self.told.borrow().clone();
        Some(Facts {
            snapshot,
            told,
            standing: self.metrics.standing(),
        })
    }
}
