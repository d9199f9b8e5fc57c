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
    /// All that is known now; none before the first list.
    pub(super) fn facts(&mut self) -> Option<Facts> {
        // In this order: repair tells of an attachment before the loop hears of it.
        let snapshot = self.snapshots.borrow_and_update().clone()?;
        let told = self.told.borrow_and_update().clone();
        Some(Facts {
            snapshot,
            told,
            standing: self.metrics.standing(),
        })
    }
}
