//! What changed in the assignment, for the log.

use hardwire_pci::DeviceId;
use tracing::{info, warn};

use crate::config::Pool;
use crate::pools::{Assignment, PoolMatch};

/// Says what is another now than before.
pub(super) fn log(pools: &[Pool], before: &Assignment, now: &Assignment) {
    for (index, pool) in pools.iter().enumerate() {
        let devices: Vec<&DeviceId> = now.devices(index).collect();
        if before.matches.is_empty() || before.devices(index).ne(devices.iter().copied()) {
            let ids: Vec<String> = devices.iter().map(ToString::to_string).collect();
            info!(resource = %pool.resource, "{} devices: {}", ids.len(), ids.join(" "));
        }
    }
    for (device, found) in &now.matches {
        if let PoolMatch::Unmatched(reason) = found
            && before.matches.get(device) != Some(found)
        {
            info!(%device, "in no pool: {reason}");
        }
    }
    for contest in now.contests.iter().filter(|contest| !before.contests.contains(contest)) {
        warn!(device = %contest.device, "{} selects it too, but {} has it", contest.loser, contest.winner);
    }
    for taken in now.overrides.iter().filter(|taken| !before.overrides.contains(taken)) {
        warn!(device = %taken.device, "in {} by allowNodeDevices, although {}", taken.pool, taken.host_use);
    }
}
