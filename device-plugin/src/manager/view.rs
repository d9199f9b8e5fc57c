//! What the loop tells others: the view of the devices, for `hardwired devices` and our own next start, and the numbers.

use std::path::Path;

use tracing::warn;

use super::lists::PoolList;
use crate::ask::view::{Seen, View};

/// The view as it was written last.
#[derive(Debug, Default)]
pub(super) struct Written(Option<View>);

// === impl Written ===

impl Written {
    /// Writes the view of these pools, if it is another one.
    pub(super) fn write(&mut self, state: Option<&Path>, lists: &[PoolList]) {
        let Some(state) = state else { return };
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
        if self.0.as_ref() == Some(&view) {
            return;
        }
        if let Err(error) = view.write(state) {
            warn!("the view of the devices is not written: {error}");
            self.0 = None;
            return;
        }
        self.0 = Some(view);
    }
}
