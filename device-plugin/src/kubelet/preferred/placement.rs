//! The placements, one device after the other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::chosen::{Candidate, Chosen};
use crate::config::Placement;

/// Takes so many of the candidates, or all if there are fewer.
pub(super) fn fill<'a>(
    placement: Placement,
    chosen: &mut Chosen<'a>,
    mut candidates: Vec<Candidate<'a>>,
    count: usize,
) {
    candidates.sort_unstable();
    let mut pfs: BTreeMap<&'a str, VecDeque<Candidate<'a>>> = BTreeMap::new();
    for candidate in candidates {
        pfs.entry(candidate.pf).or_default().push_back(candidate);
    }
    for left in (1..=count).rev() {
        let free = pfs.iter().map(|(pf, devices)| (*pf, devices.len()));
        let Some(pf) = next(placement, chosen, free, left) else {
            return;
        };
        let Some(devices) = pfs.get_mut(pf) else { return };
        if let Some(device) = devices.pop_front() {
            chosen.take(device);
        }
        if devices.is_empty() {
            pfs.remove(pf);
        }
    }
}

/// The PF to take the next device from, of which `left` are still wanted. PFs with equal merits come in the order of their
/// addresses.
fn next<'a>(
    placement: Placement,
    chosen: &Chosen<'_>,
    free: impl Iterator<Item = (&'a str, usize)>,
    left: usize,
) -> Option<&'a str> {
    let merit = |(pf, free): &(&'a str, usize)| match placement {
        // The least used one, and of those the one with the most left.
        Placement::Spread => (chosen.on(pf), Reverse(*free)),
        Placement::Pack => {
            // One that is used anyway; else the smallest that can hold all; else the largest.
            let rest = if *free >= left {
                *free - left
            } else {
                usize::MAX - *free
            };
            (
                if chosen.on(pf) > 0 { 0 } else { rest.saturating_add(1) },
                Reverse(*free),
            )
        }
        // The one that leaves the fewest devices without a partner.
        Placement::Pairs => {
            let alone = chosen.devices.len() + 1 - 2 * chosen.pairs_with(pf);
            (alone, Reverse(*free))
        }
    };
    free.min_by_key(merit).map(|(pf, _)| pf)
}
