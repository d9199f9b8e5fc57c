//! Sections as their plugins read them.

use serde_json::json;

use super::*;

fn section(more: &Value) -> Section {
    let mut written = json!({"type": "hardwire"}).as_object().unwrap().clone();
    written.extend(more.as_object().unwrap().clone());
    examine(&PluginConf {
        place: "spec.config".to_owned(),
        kind: "hardwire".to_owned(),
        given: written.clone(),
        written,
    })
}

#[test]
fn what_the_ipam_plugin_takes_is_good() {
    for ipam in [
        json!({}),
        json!({"type": "dhcp"}),
        json!({"type": "host-local", "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}),
        json!({"type": "host-local", "Subnet": "fd00::/64"}),
        json!({"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.9"}),
        json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/30"}, {"subnet": "10.2.0.0/30"}], [{"subnet": "fd00::/126"}]]}),
        json!({"type": "static", "addresses": [{"address": "10.1.0.7/24"}, {"address": "fd00::7/64"}]}),
        json!({"type": "whereabouts", "range": "10.1.0.7/24"}),
        json!({"type": "whereabouts", "range": "10.1.0.7-10.1.0.9/24"}),
        json!({"type": "whereabouts", "ipRanges": [{"range": "10.1.0.0/24"}, {"range": "fd00::/64"}]}),
    ] {
        assert_eq!(section(&json!({"ipam": ipam})), Section::default(), "{ipam}");
    }
    let brought = json!({"ipam": {"type": "host-local"}, "capabilities": {"ipRanges": true}});
    assert_eq!(section(&brought), Section::default(), "the pod brings its ranges");
}

#[test]
fn what_the_ipam_plugin_refuses_is_told_with_its_field() {
    for (ipam, said) in [
        (
            json!({"type": "host-local"}),
            "ipam.subnet: there is none: it must be a network",
        ),
        (
            json!({"type": "host-local", "subnet": 7}),
            "ipam.subnet: 7 is not valid: it must be a network",
        ),
        (
            json!({"type": "host-local", "subnet": "10.1.0.0"}),
            "ipam.subnet: \"10.1.0.0\" is not valid",
        ),
        (
            json!({"type": "host-local", "subnet": "10.1.0.0/31"}),
            "ipam.subnet: \"10.1.0.0/31\" is not valid: it must be of at most /30",
        ),
        (
            json!({"type": "host-local", "subnet": "10.1.0.7/24"}),
            "ipam.subnet: \"10.1.0.7/24\" is not valid: it must be 10.1.0.0/24",
        ),
        (
            json!({"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.20", "rangeEnd": "10.1.0.10"}),
            "ipam.rangeEnd: \"10.1.0.10\" is not valid: it must be at or after rangeStart, \"10.1.0.20\"",
        ),
        (
            json!({"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"}),
            "ipam.rangeStart: \"10.2.0.1\" is not valid: it must be in the subnet 10.1.0.0/24",
        ),
        (
            json!({"type": "host-local", "subnet": "10.1.0.0/24", "rangeEnd": "::a01:9"}),
            "ipam.rangeEnd: \"::a01:9\" is not valid: it must be in the subnet",
        ),
        (
            json!({"type": "host-local", "subnet": "10.1.0.0/24", "gateway": "gw"}),
            "ipam.gateway: \"gw\" is not valid: it must be an IP address",
        ),
        (
            json!({"type": "host-local", "ranges": [[]]}),
            "ipam.ranges[0]: [] is not valid",
        ),
        (
            json!({"type": "host-local", "ranges": [{"subnet": "10.1.0.0/24"}]}),
            "ipam.ranges[0]: {\"subnet\"",
        ),
        (
            json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}]]}),
            "ipam.ranges[0]: its ranges are of IPv4 and of IPv6",
        ),
        (
            json!({"type": "static", "addresses": "10.1.0.7/24"}),
            "ipam.addresses: \"10.1.0.7/24\" is not valid",
        ),
        (
            json!({"type": "static", "addresses": [{"address": "10.1.0.7"}]}),
            "ipam.addresses[0].address: \"10.1.0.7\" is not valid",
        ),
        (json!({"type": "whereabouts"}), "ipam.range: there is none"),
        (
            json!({"type": "whereabouts", "range": "10.1.0.0"}),
            "ipam.range: \"10.1.0.0\" is not valid",
        ),
        (
            json!({"type": "whereabouts", "range": "x-10.1.0.9/24"}),
            "ipam.range: \"x-10.1.0.9/24\" is not valid",
        ),
        (
            json!({"type": "whereabouts", "ipRanges": [{}]}),
            "ipam.ipRanges[0].range: there is none",
        ),
    ] {
        let found = section(&json!({"ipam": ipam}));
        assert!(
            found.refused.len() == 1 && found.refused[0].starts_with(&format!("spec.config: {said}")),
            "{ipam}: {found:?}"
        );
    }
}

#[test]
fn what_is_another_plugins_is_called_not_checked() {
    let found = section(&json!({"ipam": {"type": "calico-ipam", "subnet": 7}}));
    assert_eq!(found.refused, Vec::<String>::new());
    assert_eq!(
        found.notes,
        ["spec.config: ipam: calico-ipam: another plugin's, not checked"]
    );
    let found = section(&json!({"ipam": {"type": "static"}}));
    assert!(
        found.refused.is_empty() && found.notes[0].contains("each pod must bring its own"),
        "{found:?}"
    );
}
