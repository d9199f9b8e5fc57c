//! Advice over many shapes: always of the right size, and as good as any.

use std::collections::BTreeMap;

use super::*;

/// Devices as `PF:NODE:COUNT`, called `PF.N`.
fn offer(placement: Placement, shape: &str) -> Offer {
    let mut devices = BTreeMap::new();
    for part in shape.split_whitespace() {
        let mut fields = part.split(':');
        let mut field = || fields.next().unwrap();
        let (pf, node, count) = (field(), field(), field());
        for index in 0..count.parse().unwrap() {
            let device = Offered {
                healthy: true,
                numa_node: node.parse().ok(),
                pf: Some(pf.to_owned()),
                ..Offered::default()
            };
            devices.insert(format!("{pf}.{index}"), device);
        }
    }
    let mut offer = Offer::default();
    (offer.devices, offer.placement) = (devices, placement);
    offer
}

fn ask(offer: &Offer, available: &[&str], must: &[&str], size: i32) -> Vec<String> {
    let strings = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect();
    let request = api::PreferredAllocationRequest {
        container_requests: vec![api::ContainerPreferredAllocationRequest {
            available_device_i_ds: strings(available),
            must_include_device_i_ds: strings(must),
            allocation_size: size,
        }],
    };
    let answer = preferred(offer, &request);
    assert_eq!(answer, preferred(offer, &request));
    assert_eq!(answer.container_responses.len(), 1);
    let mut ids = answer.container_responses.into_iter().next().unwrap().device_i_ds;
    ids.sort();
    ids
}

fn advice(placement: Placement, shape: &str, must: &[&str], size: i32) -> String {
    let offer = offer(placement, shape);
    let all: Vec<&str> = offer.devices.keys().map(String::as_str).collect();
    ask(&offer, &all, must, size).join(" ")
}

#[test]
fn spread_takes_from_each_pf_in_turn() {
    let advice = |must: &[&str], size| advice(Placement::Spread, "a:0:4 b:0:4 c:0:2", must, size);
    assert_eq!(advice(&[], 1), "a.0");
    assert_eq!(advice(&[], 2), "a.0 b.0");
    assert_eq!(advice(&[], 4), "a.0 a.1 b.0 c.0");
    assert_eq!(advice(&["a.3"], 2), "a.3 b.0");
    assert_eq!(advice(&[], 9), "a.0 a.1 a.2 a.3 b.0 b.1 b.2 c.0 c.1");
}

#[test]
fn pack_takes_from_the_fewest_pfs() {
    let advice = |must: &[&str], size| advice(Placement::Pack, "a:0:4 b:0:3 c:0:2", must, size);
    // The smallest that will do, so that the large ones stay whole.
    assert_eq!(advice(&[], 2), "c.0 c.1");
    assert_eq!(advice(&[], 3), "b.0 b.1 b.2");
    assert_eq!(advice(&[], 5), "a.0 a.1 a.2 a.3 c.0");
    assert_eq!(advice(&["a.3"], 3), "a.0 a.1 a.3");
}

#[test]
fn pairs_have_two_pfs_each() {
    let advice = |must: &[&str], size| advice(Placement::Pairs, "a:0:4 b:0:4 c:0:1", must, size);
    assert_eq!(advice(&[], 2), "a.0 b.0");
    assert_eq!(advice(&[], 4), "a.0 a.1 b.0 b.1");
    assert_eq!(advice(&["a.0", "a.1"], 4), "a.0 a.1 b.0 b.1");
    assert_eq!(advice(&["b.2"], 2), "a.0 b.2");
}

#[test]
fn the_numa_node_comes_before_the_placement() {
    let shape = "a:0:2 b:1:4 c:1:1";
    assert_eq!(advice(Placement::Spread, shape, &["a.1"], 2), "a.0 a.1");
    // Only node 1 holds them all.
    assert_eq!(advice(Placement::Spread, shape, &[], 3), "b.0 b.1 c.0");
    assert_eq!(advice(Placement::Pack, shape, &[], 4), "b.0 b.1 b.2 b.3");
    // Both nodes do; node 1 suits the placement.
    assert_eq!(advice(Placement::Spread, shape, &[], 2), "b.0 c.0");
    // None does.
    assert_eq!(advice(Placement::Spread, shape, &[], 6), "a.0 b.0 b.1 b.2 b.3 c.0");
    // Of devices without a node nobody knows how near they are.
    assert_eq!(advice(Placement::Spread, "a::2 b:1:2", &[], 2), "b.0 b.1");
}

#[test]
fn pairs_may_cross_nodes_rather_than_share_a_pf() {
    assert_eq!(advice(Placement::Pairs, "a:0:4 b:1:4", &[], 2), "a.0 b.0");
    assert_eq!(advice(Placement::Pairs, "a:0:4 b:1:4 c:1:4", &[], 2), "b.0 c.0");
    assert_eq!(advice(Placement::Pairs, "a:0:4 b:1:4", &["b.3"], 2), "a.0 b.3");
}

#[test]
fn what_is_not_known_is_taken_last_and_what_is_impossible_gets_no_advice() {
    let mut offer = offer(Placement::Spread, "a:0:2 b:0:1");
    offer.devices.get_mut("a.0").unwrap().healthy = false;
    let ask = |available: &[&str], must: &[&str], size| ask(&offer, available, must, size).join(" ");
    assert_eq!(ask(&["?", "a.0", "a.1", "b.0"], &[], 2), "a.1 b.0");
    assert_eq!(ask(&["?", "a.0", "a.1", "b.0"], &[], 4), "? a.0 a.1 b.0");
    assert_eq!(ask(&["?", "a.1", "b.0"], &["?"], 2), "? a.1");
    assert_eq!(ask(&["a.1", "a.1", "b.0"], &[], 3), "");
    assert_eq!(ask(&["a.1"], &["b.0"], 1), "");
    assert_eq!(ask(&["a.1", "b.0"], &["a.1", "b.0"], 1), "");
    assert_eq!(ask(&["a.1"], &[], -1), "");
    assert_eq!(ask(&["a.1"], &[], 0), "");
    assert_eq!(ask(&[], &[], i32::MAX), "");
}

/// Every subset of so many devices that contains what must be included.
fn subsets<'a>(available: &[&'a str], must: &[&'a str], size: usize) -> Vec<Vec<&'a str>> {
    (0_u32..1 << available.len())
        .filter(|mask| mask.count_ones() as usize == size)
        .map(|mask| {
            let each = available.iter().enumerate();
            each.filter(|(index, _)| mask & (1 << index) != 0)
                .map(|(_, id)| *id)
                .collect::<Vec<_>>()
        })
        .filter(|subset| must.iter().all(|id| subset.contains(id)))
        .collect()
}

#[test]
fn on_one_numa_node_no_choice_is_better_whatever_the_shape() {
    let mut asked = 0;
    for counts in 0..4_u32.pow(3) {
        let shape = format!("a:0:{} b:0:{} c:0:{}", counts % 4, counts / 4 % 4, counts / 16);
        for placement in [Placement::Spread, Placement::Pack, Placement::Pairs] {
            let offer = offer(placement, &shape);
            let all: Vec<&str> = offer.devices.keys().map(String::as_str).collect();
            let musts = [
                vec![],
                all.iter().copied().take(2).collect(),
                all.iter().copied().rev().take(1).collect(),
            ];
            for must in musts {
                for size in must.len()..=all.len() {
                    let answer = ask(&offer, &all, &must, i32::try_from(size).unwrap());
                    let cost = |ids: &[&str]| {
                        let devices = ids.iter().map(|id| Candidate::of(&offer, id)).collect();
                        chosen::Chosen::new(devices).cost(placement)
                    };
                    let answer: Vec<&str> = answer.iter().map(String::as_str).collect();
                    let options = subsets(&all, &must, size);
                    let context = format!("{placement:?}, {shape}, {must:?}, {size}: {answer:?}");
                    assert!(options.contains(&answer), "{context}");
                    let best = options.iter().map(|ids| cost(ids)).min().unwrap();
                    assert_eq!(cost(&answer), best, "{context}");
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 1000, "{asked}");
}

#[test]
fn over_numa_nodes_the_answer_is_always_exact() {
    for counts in 0..3_u32.pow(5) {
        let count = |index: u32| counts / 3_u32.pow(index) % 3;
        let shape = format!(
            "a:0:{} b:1:{} c:1:{} d:0:{} e::{}",
            count(0),
            count(1),
            count(2),
            count(3),
            count(4)
        );
        for placement in [Placement::Spread, Placement::Pack, Placement::Pairs] {
            let offer = offer(placement, &shape);
            let all: Vec<&str> = offer.devices.keys().map(String::as_str).collect();
            let must: Vec<&str> = all.iter().copied().skip(1).step_by(3).collect();
            for size in must.len()..=all.len() {
                let answer = ask(&offer, &all, &must, i32::try_from(size).unwrap());
                let distinct: BTreeSet<&str> = answer.iter().map(String::as_str).collect();
                assert_eq!(distinct.len(), size, "{placement:?}, {shape}, {must:?}: {answer:?}");
                assert_eq!(answer.len(), size);
                assert!(must.iter().all(|id| distinct.contains(id)));
            }
        }
    }
}

#[test]
fn rule_7_what_somebody_still_has_comes_last() {
    for placement in [Placement::Spread, Placement::Pack, Placement::Pairs] {
        let mut offer = offer(placement, "a:0:3 b:0:3");
        for id in ["a.0", "a.1", "b.0"] {
            offer.devices.get_mut(id).unwrap().is_held = true;
        }
        let all: Vec<String> = offer.devices.keys().cloned().collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        for size in 1..=3 {
            let advice = ask(&offer, &all, &[], size);
            assert!(
                advice.iter().all(|id| !offer.devices[id].is_held),
                "{placement:?}: {advice:?}"
            );
        }
        let advice = ask(&offer, &all, &[], 4);
        assert_eq!(advice.iter().filter(|id| offer.devices[*id].is_held).count(), 1);
        // What it must include it includes.
        assert!(ask(&offer, &all, &["b.0"], 2).contains(&"b.0".to_owned()));
        // Of what is refused, an Allocate would fail the pod: even what is held comes first.
        for id in ["a.2", "b.1", "b.2"] {
            offer.devices.get_mut(id).unwrap().refused = Some("gone from the bus".to_owned());
        }
        let advice = ask(&offer, &all, &[], 3);
        assert_eq!(advice, ["a.0", "a.1", "b.0"]);
    }
}
