//! Which device is in which pool's list, and for how long.
//!
//! The list is steadier than the assignment: a device that somebody has stays where it is, and one that a pool no longer
//! selects, or that is gone, stays for a grace: a kubelet whose device leaves the list between Allocate and its own bookkeeping
//! panics (`devicesToAllocate`, pkg/kubelet/cm/devicemanager/manager.go).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hardwire_pci::{Device, DeviceId};
use tokio::time::Instant;
use tracing::info;

use crate::config::{Needs, Pool, ResourceName};
use crate::health::UnhealthyReason;
use crate::health::flap_history::FlapHistory;
use crate::ledger::HeldAsOther;
use crate::pools::{Assignment, Hardware};

/// A device in a pool's list.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// Since when nothing keeps it in the list.
    pub(super) leaving: Option<Instant>,
    /// Why it is not given out.
    pub(super) unhealthy: Option<UnhealthyReason>,
    /// Why an Allocate of it is refused.
    pub(super) refused: Option<UnhealthyReason>,
    /// Somebody has it.
    pub(super) is_held: bool,
    /// Who has it as another resource than this pool's.
    pub(super) held_as: Option<HeldAsOther>,
    /// How often that changed.
    pub(super) flaps: FlapHistory,
    /// It has, or had, an interface of its own.
    pub(super) had_netdev: bool,
    /// What the selector that took it wants it to be given out with.
    pub(super) needs: Needs,
    /// The device as it was last seen, for one that is gone.
    pub(super) ghost: Option<Box<Device>>,
}

/// The devices of a list.
pub(super) type Entries = BTreeMap<DeviceId, Entry>;

/// A pool, and its list.
#[derive(Debug, Clone)]
pub(super) struct PoolList {
    /// What the configuration says.
    pub(super) pool: Pool,
    /// Its devices.
    pub(super) entries: Entries,
}

// === impl PoolList ===

impl PoolList {
    /// Without devices.
    pub(super) fn new(pool: Pool) -> Self {
        Self {
            pool,
            entries: Entries::new(),
        }
    }

    /// Whether the kubelet's device manager is offered its devices.
    pub(super) fn is_served(&self) -> bool {
        !self.pool.via.is_dra()
    }

    /// A device of the list, as it is or as it was last seen.
    pub(super) fn device<'a>(&'a self, hardware: &'a Hardware, id: &DeviceId) -> Option<&'a Device> {
        let ghost = || self.entries.get(id).and_then(|entry| entry.ghost.as_deref());
        hardware.inventory.get(id).or_else(ghost)
    }
}

/// What keeps a device in the list that its pool no longer selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Somebody has it: it is in no other list either.
    InUse,
    /// It may yet be right again.
    Stays,
    /// Nothing.
    None,
}

/// The lists of the pools, in the order of the pools.
#[derive(Debug)]
pub(super) struct Lists {
    /// Each pool and its devices.
    pub(super) pools: Vec<PoolList>,
    /// How long what nothing keeps stays.
    grace: Duration,
    /// When they change by themselves: a grace ends, or a calm.
    next: Option<Instant>,
}

// === impl Lists ===

impl Lists {
    /// Without devices.
    pub(super) fn new(pools: Vec<Pool>, grace: Duration) -> Self {
        Self {
            pools: pools.into_iter().map(PoolList::new).collect(),
            grace,
            next: None,
        }
    }

    /// Other pools are configured. Those that were before keep their devices.
    pub(super) fn configure(&mut self, pools: Vec<Pool>) {
        let mut before: BTreeMap<ResourceName, PoolList> = std::mem::take(&mut self.pools)
            .into_iter()
            .map(|list| (list.pool.resource.clone(), list))
            .collect();
        for pool in pools {
            let list = before.remove(&pool.resource);
            let entries = list.map(|list| list.entries).unwrap_or_default();
            self.pools.push(PoolList { pool, entries });
        }
        for resource in before.into_keys() {
            info!(%resource, "no longer configured");
        }
    }

    /// The devices that are in any list.
    pub(super) fn ids(&self) -> impl Iterator<Item = &DeviceId> {
        self.pools.iter().flat_map(|list| list.entries.keys())
    }

    /// Whether a device is in any list.
    pub(super) fn has(&self, id: &DeviceId) -> bool {
        self.pools.iter().any(|list| list.entries.contains_key(id))
    }

    /// Whether a device has, or had, an interface of its own.
    pub(super) fn had_netdev(&self, id: &DeviceId) -> bool {
        let had_netdev = |list: &PoolList| list.entries.get(id).is_some_and(|entry| entry.had_netdev);
        self.pools.iter().any(had_netdev)
    }

    /// When they change by themselves.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Other hardware was read: what is gone is remembered as it was.
    pub(super) fn on_scanned(&mut self, before: &Hardware, now: &Hardware) {
        for list in &mut self.pools {
            for (id, entry) in &mut list.entries {
                entry.ghost = match (now.inventory.get(id), entry.ghost.take()) {
                    (Some(_), _) => None,
                    (None, Some(ghost)) => Some(ghost),
                    (None, None) => before.inventory.get(id).cloned().map(Box::new),
                };
            }
        }
    }

    /// Brings the lists up to date with the assignment; `hold` tells what keeps a device in the list of a pool.
    pub(super) fn update(&mut self, assignment: &Assignment, hold: impl Fn(usize, &DeviceId) -> Hold, now: Instant) {
        let (left, next) = update_lists(&mut self.pools, assignment, hold, now, self.grace);
        for (pool, device) in left {
            if let Some(list) = self.pools.get(pool) {
                info!(%device, resource = %list.pool.resource, "no longer listed");
            }
        }
        self.next = next;
    }

    /// They change by themselves then, if not before.
    pub(super) fn change_at(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

/// Brings the lists up to date, and returns those that left and when the next one may.
fn update_lists(
    lists: &mut [PoolList],
    assignment: &Assignment,
    hold: impl Fn(usize, &DeviceId) -> Hold,
    now: Instant,
    grace: Duration,
) -> (Vec<(usize, DeviceId)>, Option<Instant>) {
    let selected: Vec<Vec<&DeviceId>> = (0..lists.len())
        .map(|pool| assignment.devices(pool).collect())
        .collect();
    let mut held = HashMap::new();
    for (pool, list) in lists.iter().enumerate() {
        let unselected = list
            .entries
            .keys()
            .filter(|id| selected[pool].binary_search(id).is_err());
        let in_use = unselected.filter(|id| hold(pool, id) == Hold::InUse);
        held.extend(in_use.map(|id| (id.clone(), pool)));
    }
    let (mut left, mut next) = (Vec::new(), None::<Instant>);
    for (pool, list) in lists.iter_mut().enumerate() {
        for id in &selected[pool] {
            if !held.contains_key(*id) {
                let entry = list.entries.entry((*id).clone()).or_default();
                entry.leaving = None;
                entry.needs = assignment.needs(id);
            }
        }
        list.entries.retain(|id, entry| {
            let keeps = selected[pool].binary_search(&id).is_ok() || hold(pool, id) != Hold::None;
            if keeps {
                entry.leaving = None;
                return true;
            }
            let leaves = *entry.leaving.get_or_insert(now) + grace;
            if leaves <= now {
                left.push((pool, id.clone()));
                return false;
            }
            next = Some(next.map_or(leaves, |next| next.min(leaves)));
            true
        });
    }
    (left, next)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Config, Defaults};
    use crate::pools::{PoolMatch, Reason};

    const GRACE: Duration = Duration::from_secs(30);

    fn id(n: u32) -> DeviceId {
        format!("0000:01:10.{n}").parse().unwrap()
    }

    fn assignment(places: &[(u32, Option<usize>)]) -> Assignment {
        let place = |pool: Option<usize>| pool.map_or(PoolMatch::Unmatched(Reason::NoSelector), PoolMatch::Pool);
        Assignment {
            matches: places.iter().map(|(n, pool)| (id(*n), place(*pool))).collect(),
            ..Assignment::default()
        }
    }

    fn pool(name: &str) -> PoolList {
        let config = json!({"resourceList": [{"resourceName": name, "selectors": {}}]});
        let defaults = Defaults {
            resource_prefix: "a.com".to_owned(),
            plugin_directory: "/p".into(),
        };
        let config = Config::from_json(config, &defaults).unwrap();
        PoolList::new(config.pools.into_iter().next().unwrap())
    }

    fn lists(lists: &[PoolList]) -> Vec<Vec<String>> {
        lists
            .iter()
            .map(|list| list.entries.keys().map(ToString::to_string).collect())
            .collect()
    }

    fn step(lists: &mut [PoolList], assignment: &Assignment, hold: Hold, now: Instant) -> (usize, Option<Instant>) {
        let (left, next) = update_lists(lists, assignment, |_, _| hold, now, GRACE);
        (left.len(), next)
    }

    #[test]
    fn what_nothing_keeps_leaves_after_the_grace() {
        let begin = Instant::now();
        let mut entries = [pool("a")];
        step(
            &mut entries,
            &assignment(&[(0, Some(0)), (1, Some(0))]),
            Hold::None,
            begin,
        );
        let gone = assignment(&[(0, Some(0))]);
        assert_eq!(step(&mut entries, &gone, Hold::None, begin), (0, Some(begin + GRACE)));
        assert_eq!(entries[0].entries.len(), 2);
        // It came back in time, and goes again.
        step(
            &mut entries,
            &assignment(&[(0, Some(0)), (1, Some(0))]),
            Hold::None,
            begin + GRACE / 2,
        );
        assert_eq!(step(&mut entries, &gone, Hold::None, begin + GRACE).0, 0);
        assert_eq!(step(&mut entries, &gone, Hold::None, begin + 2 * GRACE).0, 1);
        assert_eq!(lists(&entries), [["0000:01:10.0"]]);
    }

    #[test]
    fn what_somebody_has_is_in_its_old_list_only() {
        let begin = Instant::now();
        let mut entries = [pool("a"), pool("b")];
        step(&mut entries, &assignment(&[(0, Some(0))]), Hold::None, begin);
        let elsewhere = assignment(&[(0, Some(1))]);
        step(&mut entries, &elsewhere, Hold::InUse, begin + 10 * GRACE);
        assert_eq!(lists(&entries), [vec!["0000:01:10.0"], vec![]]);
        // Given back: it is offered by its new pool at once, and leaves the old one later.
        step(&mut entries, &elsewhere, Hold::None, begin + 11 * GRACE);
        assert_eq!(lists(&entries), [["0000:01:10.0"], ["0000:01:10.0"]]);
        step(&mut entries, &elsewhere, Hold::None, begin + 12 * GRACE);
        assert_eq!(lists(&entries), [vec![], vec!["0000:01:10.0"]]);
    }
}
