//! Which devices of a pool the kubelet is advised to take together.
//!
//! Contract: the kubelet (devicemanager's `GetPreferredAllocation`) takes of the advice what is available, and the rest as it
//! likes; an error would fail the pod. So what cannot be answered is answered with no device. An answer has exactly the
//! size asked for, contains what must be included, and is the same for the same question.
//!
//! Last come devices that somebody still has: the kubelet calls them free as soon as their pod is deleted, and an attachment of
//! theirs waits until the old one is taken down. Before that, first comes the NUMA node: that of what must be included, else one that can hold the whole request; then the pool's
//! [`Placement`]. Only `pairs` may cross nodes when it cannot be had on one: a bond of one port is none.
//!
//! - `chosen`: devices on their PFs, and how good a choice is;
//! - `placement`: the next device, for each placement;
//! - `nodes`: which NUMA node.

mod chosen;
mod nodes;
mod placement;

use std::collections::BTreeSet;

use hardwire_proto::deviceplugin as api;

use crate::config::Placement;
use crate::pools::offer::{Offer, Offered};

use chosen::Candidate;

/// Answers all containers of a request, in order.
pub fn preferred(offer: &Offer, request: &api::PreferredAllocationRequest) -> api::PreferredAllocationResponse {
    let containers = request.container_requests.iter();
    let answer = |container: &api::ContainerPreferredAllocationRequest| api::ContainerPreferredAllocationResponse {
        device_i_ds: one(offer, container).unwrap_or_default(),
    };
    api::PreferredAllocationResponse {
        container_responses: containers.map(answer).collect(),
    }
}

fn one(offer: &Offer, container: &api::ContainerPreferredAllocationRequest) -> Option<Vec<String>> {
    let size = usize::try_from(container.allocation_size).ok()?;
    let must: BTreeSet<&str> = container.must_include_device_i_ds.iter().map(String::as_str).collect();
    let available: BTreeSet<&str> = container.available_device_i_ds.iter().map(String::as_str).collect();
    let count = size.checked_sub(must.len())?;
    if !must.is_subset(&available) || available.len() < size {
        return None;
    }
    let is = |id: &str, wanted: fn(&Offered) -> bool| offer.devices.get(id).is_some_and(wanted);
    let (good, other): (Vec<&str>, Vec<&str>) = available
        .difference(&must)
        .partition(|id| is(id, |device| device.healthy && device.refused.is_none()));
    let (free, held): (Vec<&str>, Vec<&str>) = good.into_iter().partition(|id| is(id, |device| !device.is_held));
    let from_free = count.min(free.len());
    let mut chosen = choose(
        offer.placement,
        candidates(offer, must),
        candidates(offer, free),
        from_free,
    );
    if from_free < count {
        chosen = choose(offer.placement, chosen, candidates(offer, held), count - from_free);
    }
    let mut ids: Vec<&str> = chosen.iter().map(|candidate| candidate.id).collect();
    // What the kubelet believes to be there and we do not: rather than too few.
    ids.extend(other.into_iter().take(size.saturating_sub(ids.len())));
    Some(ids.into_iter().map(str::to_owned).collect())
}

fn candidates<'a>(offer: &'a Offer, ids: impl IntoIterator<Item = &'a str>) -> Vec<Candidate<'a>> {
    ids.into_iter().map(|id| Candidate::of(offer, id)).collect()
}

fn choose<'a>(
    placement: Placement,
    fixed: Vec<Candidate<'a>>,
    candidates: Vec<Candidate<'a>>,
    count: usize,
) -> Vec<Candidate<'a>> {
    let one_node = nodes::choose(placement, &fixed, &candidates, count);
    if placement != Placement::Pairs {
        return one_node.devices;
    }
    let mut any_node = chosen::Chosen::new(fixed);
    placement::fill(placement, &mut any_node, candidates, count);
    if any_node.pairs() > one_node.pairs() {
        any_node.devices
    } else {
        one_node.devices
    }
}

#[cfg(test)]
#[path = "preferred_tests.rs"]
mod tests;
