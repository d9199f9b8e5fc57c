//! What the loop tells others: the view of the devices, for `hardwired devices`, our own next start, and the cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::core::Core;
use super::lists::PoolList;
use crate::ask::view::{Seen, View};
use crate::cluster::Snapshot;

/// The view as it is now.
#[derive(Debug, Default)]
pub(super) struct Written {
    view: Option<Arc<View>>,
    /// This process has written it to the file.
    is_written: bool,
}

// === impl Written ===

impl Written {
    /// Writes the view of these pools, if it is another one. Returns it.
    pub(super) fn write(&mut self, state: Option<&Path>, lists: &[PoolList]) -> Arc<View> {
        // What an earlier daemon knew is as old as it said.
        let left = || state.and_then(View::left).map(Arc::new);
        let before = self.view.take().or_else(left);
        let now = view(lists, before.as_deref());
        let (now, is_same) = match before {
            Some(before) if *before == now => (before, true),
            _ => (Arc::new(now), false),
        };
        self.is_written &= is_same;
        if let Some(state) = state.filter(|_| !self.is_written) {
            let written = now.write(state);
            self.is_written = written.is_ok();
            if let Err(error) = written {
                warn!("the view of the devices is not written: {error}");
            }
        }
        self.view = Some(Arc::clone(&now));
        now
    }
}

fn view(lists: &[PoolList], before: Option<&View>) -> View {
    let mut view = View::default();
    for list in lists {
        for (id, entry) in &list.entries {
            // On its way from one pool to another, what counts is where it stays.
            if entry.leaving.is_some() && view.devices.contains_key(id) {
                continue;
            }
            let kind = entry.unhealthy.as_ref().map(|reason| reason.kind().to_owned());
            let was = before.and_then(|before| before.devices.get(id));
            let seen = Seen {
                since: kind.is_some().then(|| since(was, kind.as_deref())).flatten(),
                kind,
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

/// Since when a device has been unhealthy for this reason: since now, if it was not before.
fn since(was: Option<&Seen>, kind: Option<&str>) -> Option<u64> {
    let now = || Some(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs());
    was.filter(|was| was.kind.as_deref() == kind)
        .and_then(|was| was.since)
        .or_else(now)
}
