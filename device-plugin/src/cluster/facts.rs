//! All that is told of, at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardwire_pci::DeviceId;

use super::snapshot::Snapshot;
use crate::ledger::told::{Attached, Told};
use crate::telemetry::metrics::readiness::Standing;

/// What the parts of the daemon know. Cheap to copy, but for the standing, which is a few lines.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The loop: devices, and who has them.
    pub snapshot: Snapshot,
    /// Repair: the journal, and what was released.
    pub told: Told,
    /// How the daemon is.
    pub standing: Standing,
}

// === impl Facts ===

impl Facts {
    /// What is attached.
    pub fn attached(&self) -> &Arc<BTreeMap<DeviceId, Attached>> {
        &self.told.attached
    }

    /// Whether a device that somebody has is not in this machine any more.
    pub fn is_vanished(&self, id: &DeviceId) -> bool {
        self.snapshot.held.contains_key(id) && self.snapshot.hardware.inventory.get(id).is_none()
    }
}
