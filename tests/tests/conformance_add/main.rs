//! ADD: what it makes, what it prints, and that whatever goes wrong leaves nothing behind.
//!
//! veth stands in for the NIC; what only a VF can show is in `conformance_vf`.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod addresses;
mod at_once;
mod device;
mod fields;
mod ipam;
mod result;
mod rollback;

use std::fs;

use hardwire_tests::node::Pod;
use hardwire_tests::plugin::{FakeIpam, Scene};
use serde_json::{Value, json};

/// The MAC that a link of the host has.
fn mac_of(name: &str) -> String {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/address")).expect("a MAC");
    text.trim().to_owned()
}

/// A link of the pod.
#[track_caller]
fn inside(pod: &Pod, name: &str) -> Value {
    pod.link(name)
        .unwrap_or_else(|| panic!("{name} is not in the pod: {:?}", pod.link_names()))
}

fn has_flag(link: &Value, flag: &str) -> bool {
    link["flags"]
        .as_array()
        .is_some_and(|flags| flags.contains(&json!(flag)))
}

/// `address/prefix` of each address of a link that an administrator set.
fn addresses(link: &Value) -> Vec<String> {
    let infos = link["addr_info"].as_array().cloned().unwrap_or_default();
    let set = infos.iter().filter(|info| info["scope"] == "global");
    set.map(|info| format!("{}/{}", info["local"].as_str().expect("an address"), info["prefixlen"]))
        .collect()
}

/// The routes of a pod in all tables, as `ip` prints them, without those that the kernel made.
fn routes(pod: &Pod, family: &str) -> Vec<String> {
    let text = pod.run(&["ip", family, "route", "show", "table", "all"]);
    let made = text.lines().filter(|line| {
        !["table local", "proto kernel", "table 255"]
            .iter()
            .any(|part| line.contains(part))
            && !line.contains("fe80::")
    });
    made.map(|line| line.trim().to_owned()).collect()
}

#[track_caller]
fn one_route_with(routes: &[String], parts: &[&str]) {
    let found = routes
        .iter()
        .filter(|route| parts.iter().all(|part| route.contains(part)));
    assert_eq!(found.count(), 1, "one route with {parts:?} of {routes:#?}");
}

/// What the `static` plugin is told, and what the results of all versions must say.
fn dual_stack() -> Value {
    json!({
        "type": "static",
        "addresses": [{"address": "10.26.0.5/16", "gateway": "10.26.0.1"}, {"address": "fd26::5/64"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.26.0.9"}, {"dst": "fd09::/64", "gw": "fd26::9"}],
        "dns": {"nameservers": ["10.26.0.53"], "domain": "ex.org", "search": ["a"], "options": ["ndots:2"]},
    })
}

/// A NIC of which there is something to restore, and a configuration that changes all of it.
fn remarkable(name: &str) -> (Scene, Value) {
    let scene = Scene::new(name);
    scene.nic.set(&[
        "mtu",
        "1450",
        "alias",
        "spare-nic",
        "address",
        "02:00:00:00:42:01",
        "up",
    ]);
    (scene, json!({"mtu": 1300, "mac": "02:00:00:00:42:02"}))
}

fn with_ipam(extra: &Value, ipam: &FakeIpam) -> Value {
    let mut extra = extra.clone();
    extra["ipam"] = ipam.conf();
    extra
}
