//! Pods that end without a DEL: the daemon puts their devices back.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::time::Duration;

use hardwire_tests::daemon::Site;
use hardwire_tests::node::{Igb, Pod, host_link};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(30);

fn conf(igb: &Igb, vf: u32, plugin: &Plugin) -> Value {
    json!({"cniVersion": "1.0.0", "name": "net-r", "type": "hardwire", "deviceID": igb.vf_address(vf), "vlan": 90,
           "trust": "on", "mac": "02:00:00:00:0f:01", "mtu": 1300, "ipam": plugin.host_local("10.70.0.0/24")})
}

#[test]
fn an_attachment_whose_namespace_ends_is_released_when_no_del_comes() {
    let (igb, plugin, site) = (Igb::get(), Plugin::new(), Site::new());
    let name = igb.vf_netdev(4).expect("the VF is on the host");
    let before = (igb.vf(4), host_link(&name));
    let mut daemon = site.start_repairing(&plugin.state());
    let pod = Pod::new("ends");
    plugin.add(&pod, &conf(&igb, 4, &plugin));
    assert_eq!(plugin.reservations("net-r").len(), 1);
    pod.delete();
    daemon.wait_for_log("released: the device is as it was", BOUND);
    assert_eq!((igb.vf(4), host_link(&name)), before);
    assert!(plugin.reservations("net-r").is_empty() && plugin.state_files().is_empty());
}

#[test]
fn what_ended_while_the_daemon_was_away_is_released_at_its_start() {
    let (igb, plugin, site) = (Igb::get(), Plugin::new(), Site::new());
    let name = igb.vf_netdev(5).expect("the VF is on the host");
    let before = (igb.vf(5), host_link(&name));
    let pod = Pod::new("ended");
    plugin.add(&pod, &conf(&igb, 5, &plugin));
    pod.delete();
    igb.wait_for_vf(5);
    let mut daemon = site.start_repairing(&plugin.state());
    daemon.wait_for_log("released: the device is as it was", BOUND);
    assert_eq!((igb.vf(5), host_link(&name)), before);
    assert!(plugin.reservations("net-r").is_empty() && plugin.state_files().is_empty());
}

#[test]
fn an_attachment_of_a_pod_that_lives_is_left_alone() {
    let (igb, plugin, site) = (Igb::get(), Plugin::new(), Site::new());
    let (lives, ends) = (Pod::new("lives"), Pod::new("gone"));
    let mut daemon = site.start_repairing(&plugin.state());
    let mut other = conf(&igb, 6, &plugin);
    other["mac"] = Value::Null;
    plugin.add(&lives, &conf(&igb, 4, &plugin));
    plugin.add(&ends, &other);
    ends.delete();
    let line = daemon.wait_for_log("released: the device is as it was", BOUND);
    assert!(line.contains(&igb.vf_address(6)), "{line}");
    assert!(lives.link("net1").is_some());
    assert_eq!(igb.vf(4)["vlan_list"][0]["vlan"], 90);
    plugin.del(&lives, &conf(&igb, 4, &plugin));
}
