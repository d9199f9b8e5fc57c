//! What stands on a device from another namespace, where the device itself shows nothing.

use std::fs;

use hardwire_cni::boot_id;
use hardwire_cni::netns::Netns;
use hardwire_cni::node::{Findings, Upper, search};
use hardwire_tests::node::Pod;
use serde_json::json;

use super::{Node, ip, on_a_node};

fn searched() -> Vec<Upper> {
    // The thread's: the process has not left the machine's.
    let host = Netns::open("/proc/thread-self/ns/net").expect("a namespace");
    search(&host).expect("a search")
}

/// What the daemon would leave.
fn leave(node: &Node, boot: &str) -> Findings {
    let findings = Findings {
        version: Findings::VERSION,
        boot: boot.to_owned(),
        allowed: [].into(),
        uppers: searched(),
    };
    findings.write(&node.plugin.state()).expect("a file");
    findings
}

#[test]
fn rule_5_an_upper_device_in_another_namespace_is_found_by_the_search() {
    on_a_node(|_node| {
        let index: u32 = fs::read_to_string("/sys/class/net/nic0/ifindex")
            .expect("an index")
            .trim()
            .parse()
            .expect("n");
        let of_nic0 = || {
            let found = searched().into_iter();
            found
                .filter(|upper| upper.lower == index)
                .map(|upper| upper.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(of_nic0(), [""; 0], "its neighbour stands beside it");
        let other = Pod::new("other");
        ip("link add link nic0 name mv0 type macvlan");
        assert_eq!(of_nic0(), ["mv0 (macvlan)"]);
        ip(&format!("link set mv0 netns {}", other.name()));
        let found = of_nic0();
        assert!(
            found.len() == 1 && found[0].starts_with("mv0 (macvlan) in network namespace net:["),
            "{found:?}"
        );
        // The same index, in a namespace that is not the host's.
        let third = Pod::new("third");
        third.run(&["ip", "link", "add", "nic9", "index", &index.to_string(), "type", "veth"]);
        third.run(&["ip", "link", "add", "link", "nic9", "name", "mv9", "type", "macvlan"]);
        third.run(&[
            "ip",
            "link",
            "set",
            "mv9",
            "netns",
            &format!("/run/netns/{}", other.name()),
        ]);
        assert_eq!(of_nic0(), found);
        other.run(&["ip", "link", "delete", "mv0"]);
        assert_eq!(of_nic0(), [""; 0]);
    });
}

#[test]
fn rule_5_a_device_that_the_daemon_found_in_use_is_refused() {
    on_a_node(|node| {
        let other = Pod::new("other");
        ip(&format!(
            "link add link nic0 name mv0 netns {} type macvlan",
            other.name()
        ));
        let boot = boot_id().expect("a boot");
        leave(&node, &boot);
        node.refused(&json!({}), 101, &["nic0", "mv0", "net:["]);
        // Nobody writes it anew, and it locks nobody out for ever.
        other.run(&["ip", "link", "delete", "mv0"]);
        node.attached_and_back(&json!({}));
    });
}

#[test]
fn rule_5_what_another_boot_found_says_nothing_and_what_is_torn_is_looked_at_anew() {
    on_a_node(|node| {
        let other = Pod::new("other");
        leave(&node, "another boot");
        ip(&format!(
            "link add link nic0 name mv0 netns {} type macvlan",
            other.name()
        ));
        fs::write(node.plugin.state().join("node.json"), "{\"version\": 1, ").expect("a file");
        node.refused(&json!({}), 101, &["nic0", "mv0"]);
        other.run(&["ip", "link", "delete", "mv0"]);
        node.attached_and_back(&json!({}));
    });
}

#[test]
fn rule_9_a_name_that_a_pod_chose_is_shown_escaped() {
    on_a_node(|node| {
        let other = Pod::new("other");
        ip(&format!(
            "link add link nic0 name mv0 netns {} type macvlan",
            other.name()
        ));
        other.run(&["ip", "link", "set", "mv0", "name", "mv\u{1b}[31m"]);
        leave(&node, &boot_id().expect("a boot"));
        node.refused(&json!({}), 101, &["u{1b}[31m"]);
    });
}
