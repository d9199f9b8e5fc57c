//! What the loop leaves for claims: the pools whose devices are given to them.

use std::sync::Arc;

use super::core::Core;
use super::lists::{Entry, PoolList};
use crate::dra::Claimable;
use crate::dra::claimable::{ClaimableDevice, ClaimablePool};
use crate::health::UnhealthyReason;

/// As it is now.
pub(super) fn claimable(core: &Core) -> Claimable {
    let Some(driver) = core.driver.clone() else {
        return Claimable::default();
    };
    let pools = core.lists.pools.iter().filter(|list| list.pool.via.is_dra());
    Claimable {
        driver: Some(driver),
        hardware: Arc::clone(core.scanner.seen()),
        pools: pools.map(pool).collect(),
    }
}

fn pool(list: &PoolList) -> ClaimablePool {
    let device = |entry: &Entry| ClaimableDevice {
        unhealthy: entry.unhealthy.as_ref().map(ToString::to_string),
        kind: entry.unhealthy.as_ref().map(UnhealthyReason::kind),
        held_as: entry.held_as.as_ref().map(ToString::to_string),
        refused: entry.refused.as_ref().map(ToString::to_string),
        is_held: entry.is_held,
        needs: entry.needs,
        ghost: entry.ghost.clone(),
    };
    ClaimablePool {
        pool: list.pool.clone(),
        devices: list
            .entries
            .iter()
            .map(|(id, entry)| (id.clone(), device(entry)))
            .collect(),
    }
}
