//! What the loop leaves for the cluster, whenever it is another.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardwire_pci::DeviceId;

use crate::ask::view::View;
use crate::ledger::Holding;
use crate::pools::Hardware;

/// What the daemon knows of its devices at one moment. Cheap to copy.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The devices of the pools, and what is thought of each.
    pub view: Arc<View>,
    /// What they are.
    pub hardware: Arc<Hardware>,
    /// Who has those of them that somebody has, by the ledger.
    pub held: Arc<BTreeMap<DeviceId, Holding>>,
    /// Whether the others are known to be free.
    pub is_rest_free: bool,
}

impl PartialEq for Snapshot {
    /// Hardware that was read again counts as another.
    fn eq(&self, other: &Self) -> bool {
        self.is_rest_free == other.is_rest_free
            && Arc::ptr_eq(&self.hardware, &other.hardware)
            && self.view == other.view
            && self.held == other.held
    }
}
