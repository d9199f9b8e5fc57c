//! A NIC of the node that is lent to a pod comes back with everything that the node had on it.

use std::collections::BTreeMap;
use std::fs;

use hardwire_tests::node::run;
use serde_json::{Value, json};

use super::{Node, ip, on_a_node};

const LINES: &[&str] = &[
    "address add 192.0.2.9/24 brd + dev nic0 label nic0:one",
    "address add 192.0.2.10/24 dev nic0",
    "address add 198.51.100.1 peer 198.51.100.2/32 dev nic0 metric 77",
    "address add 203.0.113.1/25 dev nic0 noprefixroute",
    "address add 203.0.113.129/25 dev nic0 valid_lft 4000 preferred_lft 3000",
    "address add 2001:db8::1/64 dev nic0 nodad",
    "address add 2001:db8:1::1/64 dev nic0 noprefixroute nodad",
    "route add default via 192.0.2.1 dev nic0 src 192.0.2.10 metric 5 proto static",
    "route append default via 192.0.2.2 dev nic0 metric 5",
    "route add 198.18.0.0/24 via 192.0.2.3 dev nic0 table 1234 mtu 1400 advmss 1300",
    "route add 198.18.1.0/24 via 198.18.7.1 dev nic0 onlink",
    "route add 198.18.2.0/24 dev nic0 scope link proto 99",
    "route add local 198.18.3.1/32 dev nic0 table 99",
    "route add broadcast 198.18.3.255/32 dev nic0",
    "route add 198.18.3.0/24 nexthop via 192.0.2.4 dev nic0 weight 3 nexthop dev nic1",
    "route add 198.18.4.0/24 via inet6 fe80::5 dev nic0",
    "nexthop add id 21 via 192.0.2.5 dev nic0",
    "nexthop add id 22 dev nic1",
    "nexthop add id 23 group 21,2/22,5",
    "route add 198.18.5.0/24 nhid 21",
    "route add 198.18.6.0/24 nhid 23",
    "-6 route add default via 2001:db8::9 dev nic0 metric 7 src 2001:db8::1",
    "-6 route add 2001:db8:8::/48 via fe80::9 dev nic0 table 99",
    "-6 route add 2001:db8:9::/48 nexthop via fe80::8 dev nic1 nexthop via fe80::9 dev nic0 weight 2",
    "rule add iif nic0 table 1234 priority 500",
    "rule add oif nic0 from 192.0.2.10 lookup 1234 priority 501",
    "rule add not iif nic0 lookup 1234 priority 502 suppress_prefixlength 0",
    "-6 rule add iif nic0 lookup 99 priority 503",
    "neighbour add 192.0.2.20 lladdr 02:00:00:00:00:20 dev nic0 nud permanent protocol static",
    "neighbour add 2001:db8::20 lladdr 02:00:00:00:00:21 dev nic0 nud permanent router",
    "neighbour add proxy 192.0.2.21 dev nic0",
    "-6 neighbour add proxy 2001:db8::21 dev nic0",
];

/// Everything but lifetimes, which go on, and what says whether there is a carrier.
fn network() -> BTreeMap<&'static str, Value> {
    let read = |words: &[&str]| {
        let text = run(&[&["ip", "-json", "-details"], words].concat());
        let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
        strip(&mut value);
        if let Some(list) = value.as_array_mut() {
            // The peers' link-local addresses come when duplicate address detection has ended.
            list.retain(|entry| !entry["dst"].as_str().is_some_and(|to| to.starts_with("fe80:")));
            list.sort_by_key(Value::to_string);
        }
        value
    };
    BTreeMap::from([
        ("addresses", read(&["address", "show", "dev", "nic0"])),
        ("routes", read(&["-4", "route", "show", "table", "all"])),
        ("routes 6", read(&["-6", "route", "show", "table", "all"])),
        ("nexthops", read(&["nexthop", "show"])),
        ("rules", read(&["-4", "rule", "show"])),
        (
            "neighbours",
            read(&["neighbour", "show", "dev", "nic0", "nud", "permanent"]),
        ),
        ("proxies", read(&["neighbour", "show", "proxy", "dev", "nic0"])),
        ("rules 6", read(&["-6", "rule", "show"])),
    ])
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in [
                "valid_life_time",
                "preferred_life_time",
                "ifindex",
                "flags",
                "expires",
                "tentative",
                "linkinfo",
            ] {
                map.remove(key);
            }
            // Routes list their legs in the order in which they came.
            if let Some(legs) = map.get_mut("nexthops").and_then(Value::as_array_mut) {
                legs.iter_mut().for_each(strip);
                legs.sort_by_key(Value::to_string);
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

#[track_caller]
fn assert_same(before: &BTreeMap<&'static str, Value>) {
    let now = network();
    for (name, value) in before {
        let (was, is) = (
            serde_json::to_string_pretty(value),
            serde_json::to_string_pretty(&now[name]),
        );
        assert_eq!(was.expect("JSON"), is.expect("JSON"), "{name}");
    }
}

fn furnished(node: &Node) {
    ip("link add nic1 type veth peer name nic1p");
    ip("link set nic1 up");
    ip("link set nic1p up");
    for line in LINES {
        ip(line);
    }
    node.plugin.operator_says(&json!({"allowNodeDevices": ["nic0"]}));
}

fn wanted() -> Value {
    json!({"allowNodeDevice": true, "mtu": 1300})
}

#[test]
fn rule_5_addresses_routes_and_rules_come_back_with_del() {
    on_a_node(|node| {
        furnished(&node);
        let before = network();
        for kind in ["neighbours", "proxies"] {
            let kept = before[kind].as_array().map(Vec::len);
            assert_eq!(kept, Some(2), "{kind}: {}", before[kind]);
        }
        node.plugin.add(&node.pod, &node.conf(&wanted()));
        assert!(node.pod.link("net1").is_some());
        node.plugin.del(&node.pod, &node.conf(&json!({})));
        assert_same(&before);
        let text = ip("-json address show dev nic0");
        let lifetime = |address: &str| {
            let at = text.find(address).expect("the address");
            let rest = &text[at..];
            let at = rest.find("valid_life_time\":").expect("a lifetime") + 17;
            rest[at..].chars().take_while(char::is_ascii_digit).collect::<String>()
        };
        let left: u32 = lifetime("203.0.113.129").parse().expect("a number");
        assert!((3900..=4000).contains(&left), "{left}");
    });
}

#[test]
fn rule_5_addresses_routes_and_rules_come_back_when_an_add_fails() {
    on_a_node(|node| {
        furnished(&node);
        let before = network();
        let mut extra = wanted();
        extra["ipam"] = json!({"type": "nosuch"});
        let outcome = node.plugin.call("ADD", &node.pod, &node.conf(&extra));
        outcome.failure_naming(999, &["nosuch"]);
        assert_same(&before);
    });
}

#[test]
fn rule_5_what_is_more_than_a_record_holds_is_not_lent() {
    on_a_node(|node| {
        furnished(&node);
        let lines = (0..4200).map(|n| format!("route add 198.19.{}.{}/32 dev nic0", n / 256, n % 256));
        fs::write("/run/batch", lines.collect::<Vec<_>>().join("\n")).expect("a file");
        ip("-batch /run/batch");
        node.refused(&wanted(), 101, &["nic0", "more than 4096"]);
    });
}

/// What the operator took away meanwhile, and what nothing leads to any more, keeps nobody from the device.
#[test]
fn rule_5_a_route_that_cannot_come_back_is_told_and_keeps_nothing() {
    on_a_node(|node| {
        ip("address add 192.0.2.9/24 dev nic0");
        ip("link add nic1 type veth peer name nic1p");
        ip("link set nic1 up");
        ip("route add 198.18.3.0/24 nexthop via 192.0.2.4 dev nic0 nexthop dev nic1");
        node.plugin.operator_says(&json!({"allowNodeDevices": ["nic0"]}));
        node.plugin.add(&node.pod, &node.conf(&wanted()));
        ip("link delete nic1");
        let outcome = node.plugin.call("DEL", &node.pod, &node.conf(&json!({})));
        assert_eq!((outcome.status, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
        assert!(
            outcome
                .stderr
                .contains("route 198.18.3.0/24 of table 254 is not put back"),
            "{}",
            outcome.stderr
        );
        assert!(ip("address show dev nic0").contains("192.0.2.9/24"));
        assert!(node.plugin.state_files().is_empty());
    });
}
