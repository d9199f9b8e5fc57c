//! What the loop tells others: the view of the devices, for `hardwired devices`, our own next start, and the cluster.

use std::path::Path;
use std::sync::Arc;

use tracing::warn;

use super::core::Core;
use super::lists::PoolList;
use crate::ask::view::{Seen, View};
use crate::cluster::Snapshot;

/// The view as it is now.
#[derive(Debug, Default)]
pub(super) struct Written {
    view: Arc<View>,
    /// It is in the file.
    is_written: bool,
}

// === impl Written ===

impl Written {
    /// Writes the view of these pools, if it is another one. Returns it.
    pub(super) fn write(&mut self, state: Option<&Path>, lists: &[PoolList]) -> &Arc<View> {
        let view = view(lists);
        if *self.view != view {
            (self.view, self.is_written) = (Arc::new(view), false);
        }
        if let Some(state) = state.filter(|_| !self.is_written) {
            let written = self.view.write(state);
            self.is_written = written.is_ok();
            if let Err(error) = written {
                warn!("the view of the devices is not written: {error}");
            }
        }
        &self.view
    }
}

fn view(lists: &[PoolList]) -> View {
    let mut view = View::default();
    for list in lists {
        for (id, entry) in &list.entries {
            // On its way from one pool to another, what counts is where it stays.
            if entry.leaving.is_some() && view.devices.contains_key(id) {
                continue;
            }
            let seen = Seen {
                healthy: entry.unhealthy.is_none(),
                reason: entry.unhealthy.as_ref().map(ToString::to_string),
                pool: list.pool.resource.to_string(),
                had_netdev: entry.had_netdev,
                held_as: entry.held_as.as_ref().map(|other| other.resource.clone()),
            };
            view.devices.insert(id.clone(), seen);
        }
    }
    view
}

/// The view, with what it is a view of.
pub(super) fn snapshot(view: &Arc<View>, core: &Core) -> Snapshot {
    let holding = |id| core.owner(id).holding().cloned();
    let ids = view.devices.keys();
    Snapshot {
        view: Arc::clone(view),
        hardware: Arc::clone(core.scanner.seen()),
        held: Arc::new(ids.filter_map(|id| Some((id.clone(), holding(id)?))).collect()),
        is_rest_free: core.ledger.unheard().is_none(),
    }
}
