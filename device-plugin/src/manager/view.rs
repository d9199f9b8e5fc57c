//! What the loop tells others: the view of the devices, for `hardwired devices` and our own next start, and the numbers.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::lists::PoolList;
use crate::ask::view::{Seen, View};

/// The view as it was written last.
#[derive(Debug, Default)]
pub(super) struct Written {
    view: Option<View>,
    /// Whether this process has written it.
    is_written: bool,
}

// === impl Written ===

impl Written {
    /// Writes the view of these pools, if it is another one.
    pub(super) fn write(&mut self, state: Option<&Path>, lists: &[PoolList]) {
        let Some(state) = state else { return };
        // What an earlier daemon knew is as old as it said.
        let before = self.view.take().or_else(|| View::left(state));
        let mut view = View::default();
        for list in lists {
            for (id, entry) in &list.entries {
                // On its way from one pool to another, what counts is where it stays.
                if entry.leaving.is_some() && view.devices.contains_key(id) {
                    continue;
                }
                let kind = entry.unhealthy.as_ref().map(|reason| reason.kind().to_owned());
                let was = before.as_ref().and_then(|before| before.devices.get(id));
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
        if before.as_ref() == Some(&view) && self.is_written {
            self.view = before;
            return;
        }
        self.is_written = false;
        if let Err(error) = view.write(state) {
            warn!("the view of the devices is not written: {error}");
            return;
        }
        (self.view, self.is_written) = (Some(view), true);
    }
}

/// Since when a device has been unhealthy for this reason: since now, if it was not before.
fn since(was: Option<&Seen>, kind: Option<&str>) -> Option<u64> {
    let now = || Some(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs());
    was.filter(|was| was.kind.as_deref() == kind)
        .and_then(|was| was.since)
        .or_else(now)
}
