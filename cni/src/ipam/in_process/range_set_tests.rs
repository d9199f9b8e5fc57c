//! Which addresses come in which order, and what is refused, in host-local's words.

use serde_json::json;

use super::*;

fn sets_of(section: &Value) -> Result<Vec<RangeSet>, String> {
    let config = json!({"cniVersion": "1.0.0", "name": "n", "ipam": section});
    let ipam = Ipam::of(&config).unwrap();
    range_sets(&ipam).map_err(|problem| problem.to_string())
}

fn order(section: &Value, last: Option<&str>) -> Vec<String> {
    let sets = sets_of(section).unwrap();
    let addresses = sets[0].after(last.map(|last| last.parse().unwrap()));
    addresses.map(|(address, _)| address.to_string()).collect()
}

#[test]
fn addresses_come_round_without_the_gateway() {
    let small = json!({"subnet": "10.0.0.0/29"});
    assert_eq!(
        order(&small, None),
        ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
    );
    assert_eq!(
        order(&small, Some("10.0.0.4")),
        ["10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
    );
    // One of another range says nothing.
    assert_eq!(order(&small, Some("10.1.0.4"))[0], "10.0.0.2");
    let two = json!({"ranges": [[{"subnet": "10.0.0.0/30"}, {"subnet": "10.1.0.0/30", "gateway": "10.1.0.2"}]]});
    assert_eq!(order(&two, None), ["10.0.0.2", "10.1.0.1"]);
    assert_eq!(order(&two, Some("10.0.0.2")), ["10.1.0.1", "10.0.0.2"]);
    let v6 = json!({"subnet": "fd00::/126", "rangeStart": "fd00::2"});
    assert_eq!(order(&v6, None), ["fd00::2", "fd00::3"]);
}

#[test]
fn what_is_wrong_is_said_in_host_locals_words() {
    for (section, words) in [
        (json!({}), "no IP ranges specified"),
        (json!({"subnet": "10.0.0.0"}), "invalid CIDR address: 10.0.0.0"),
        (
            json!({"subnet": "10.0.0.0/24", "gateway": "x"}),
            "invalid IP address: x",
        ),
        (
            json!({"subnet": "10.0.0.0/31"}),
            "invalid range set 0: Network 10.0.0.0/31 too small to allocate from",
        ),
        (
            json!({"subnet": "10.0.0.9/24"}),
            "invalid range set 0: Network has host bits set. For a subnet mask of length 24 the network address is 10.0.0.0",
        ),
        (
            json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.1"}),
            "invalid range set 0: RangeStart 10.0.1.1 not in network 10.0.0.0/24",
        ),
        (
            json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.8"}),
            "invalid range set 0: RangeStart 10.0.0.9 not in network 10.0.0.0/24",
        ),
        (
            json!({"subnet": "10.0.0.0/24", "rangeEnd": "10.0.1.8"}),
            "invalid range set 0: RangeEnd 10.0.1.8 not in network 10.0.0.0/24",
        ),
        (json!({"ranges": [[]]}), "invalid range set 0: empty range set"),
        (json!({"ranges": [[{}]]}), "invalid range set 0: IP <nil> not v4 nor v6"),
        (
            json!({"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "fd00::/64"}]]}),
            "invalid range set 0: mixed address families",
        ),
        (
            json!({"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "10.0.0.128/25"}]]}),
            "invalid range set 0: subnets 10.0.0.1-10.0.0.254 and 10.0.0.129-10.0.0.254 overlap",
        ),
        (
            json!({"subnet": "10.0.0.0/24", "ranges": [[{"subnet": "10.0.0.0/16"}]]}),
            "range set 0 overlaps with 1",
        ),
        (
            json!({"ranges": [{"subnet": "10.0.0.0/24"}]}),
            "ipam.ranges[0]: {\"subnet\":\"10.0.0.0/24\"}: expected a list of ranges",
        ),
        (json!({"subnet": 7}), "ipam.subnet: 7: expected a string"),
    ] {
        assert_eq!(sets_of(&section), Err(words.to_owned()), "{section}");
    }
}
