//! Which device is in which pool's list, and for how long.
//!
//! The list is steadier than the assignment: a device that somebody has stays where it is, and one that a pool no longer
//! selects, or that is gone, stays for a grace (contract.md, 5.3).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hardwire_pci::{Device, DeviceId};
use tokio::time::Instant;

use crate::config::Needs;
use crate::health::UnhealthyReason;
use crate::health::flap_history::FlapHistory;
use crate::pools::Assignment;

/// A device in a pool's list.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// Since when nothing keeps it in the list.
    pub(super) leaving: Option<Instant>,
    /// Why it is not given out.
    pub(super) unhealthy: Option<UnhealthyReason>,
    /// How often that changed.
    pub(super) flaps: FlapHistory,
    /// It has, or had, an interface of its own.
    pub(super) had_netdev: bool,
    /// What the selector that took it wants it to be given out with.
    pub(super) needs: Needs,
    /// The device as it was last seen, for one that is gone.
    pub(super) ghost: Option<Box<Device>>,
}

/// The lists of the pools, in the order of the pools.
pub(super) type Entries = BTreeMap<DeviceId, Entry>;

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

/// Brings the lists up to date, and returns those that left and when the next one may.
pub(super) fn update_lists(
    lists: &mut [&mut Entries],
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
        let unselected = list.keys().filter(|id| selected[pool].binary_search(id).is_err());
        let in_use = unselected.filter(|id| hold(pool, id) == Hold::InUse);
        held.extend(in_use.map(|id| (id.clone(), pool)));
    }
    let (mut left, mut next) = (Vec::new(), None::<Instant>);
    for (pool, list) in lists.iter_mut().enumerate() {
        for id in &selected[pool] {
            if !held.contains_key(*id) {
                let entry = list.entry((*id).clone()).or_default();
                entry.leaving = None;
                entry.needs = assignment.needs(id);
            }
        }
        list.retain(|id, entry| {
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
    use super::*;
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

    fn lists(lists: &[Entries]) -> Vec<Vec<String>> {
        lists
            .iter()
            .map(|list| list.keys().map(ToString::to_string).collect())
            .collect()
    }

    fn step(entries: &mut [Entries], assignment: &Assignment, hold: Hold, now: Instant) -> (usize, Option<Instant>) {
        let mut lists: Vec<&mut Entries> = entries.iter_mut().collect();
        let (left, next) = update_lists(&mut lists, assignment, |_, _| hold, now, GRACE);
        (left.len(), next)
    }

    #[test]
    fn what_nothing_keeps_leaves_after_the_grace() {
        let begin = Instant::now();
        let mut entries = [Entries::new()];
        step(
            &mut entries,
            &assignment(&[(0, Some(0)), (1, Some(0))]),
            Hold::None,
            begin,
        );
        let gone = assignment(&[(0, Some(0))]);
        assert_eq!(step(&mut entries, &gone, Hold::None, begin), (0, Some(begin + GRACE)));
        assert_eq!(entries[0].len(), 2);
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
        let mut entries = [Entries::new(), Entries::new()];
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
