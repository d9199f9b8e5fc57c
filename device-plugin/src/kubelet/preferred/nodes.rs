//! NUMA nodes, before placements.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::chosen::{Candidate, Chosen};
use super::placement::fill;
use crate::config::Placement;

/// A node; devices of which none is known are as if on one of their own, after the others.
type Node = (bool, Option<u32>);

/// Takes so many of the candidates: from the nodes of what is fixed, from the node that suits the placement best among those
/// that can hold all of the rest, and otherwise from the largest nodes first.
pub(super) fn choose<'a>(
    placement: Placement,
    fixed: &[Candidate<'a>],
    candidates: &[Candidate<'a>],
    count: usize,
) -> Chosen<'a> {
    let node = |candidate: &Candidate<'a>| -> Node { (candidate.numa_node.is_none(), candidate.numa_node) };
    let preferred: BTreeSet<Node> = fixed.iter().map(node).filter(|(unknown, _)| !unknown).collect();
    let (near, far): (Vec<_>, Vec<_>) = candidates
        .iter()
        .copied()
        .partition(|candidate| preferred.contains(&node(candidate)));
    let mut chosen = Chosen::new(fixed.to_vec());
    let from_near = near.len().min(count);
    fill(placement, &mut chosen, near, from_near);

    let mut count = count - from_near;
    let mut nodes: BTreeMap<Node, Vec<Candidate<'a>>> = BTreeMap::new();
    for candidate in far {
        nodes.entry(node(&candidate)).or_default().push(candidate);
    }
    while count > 0 {
        let whole = nodes.values().filter(|devices| devices.len() >= count);
        let whole = whole.map(|devices| filled(placement, &chosen, devices, count));
        if let Some(best) = whole.min_by_key(|filled| filled.cost(placement)) {
            return best;
        }
        let largest = nodes.iter().min_by_key(|(_, devices)| Reverse(devices.len()));
        let Some(largest) = largest.map(|(node, _)| *node) else {
            break;
        };
        let devices = nodes.remove(&largest).unwrap_or_default();
        chosen = filled(placement, &chosen, &devices, count);
        count -= devices.len();
    }
    chosen
}

fn filled<'a>(placement: Placement, chosen: &Chosen<'a>, devices: &[Candidate<'a>], count: usize) -> Chosen<'a> {
    let mut filled = chosen.clone();
    fill(placement, &mut filled, devices.to_vec(), count);
    filled
}
