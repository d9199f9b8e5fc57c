//! Pods that end without a DEL: the daemon puts their devices back.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::path::Path;
use std::time::Duration;

use hardwire_tests::daemon::Site;
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::node::{Igb, Pod, host_link, wait_until};
use hardwire_tests::plugin::Plugin;
use rustix::process::Signal;
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(30);

fn conf(igb: &Igb, vf: u32, plugin: &Plugin) -> Value {
    json!({"cniVersion": "1.0.0", "name": "net-r", "type": "hardwire", "deviceID": igb.vf_address(vf), "vlan": 90,
           "trust": "on", "mac": "02:00:00:00:0f:01", "mtu": 1300, "ipam": plugin.host_local("10.70.0.0/24")})
}

/// The configuration without addresses, and without a MAC that two VFs would have.
fn plain_conf(igb: &Igb, vf: u32, plugin: &Plugin) -> Value {
    let mut conf = conf(igb, vf, plugin);
    (conf["mac"], conf["ipam"]) = (Value::Null, json!({}));
    conf
}

fn has_record(plugin: &Plugin, device: &str) -> bool {
    let files = plugin.state_files();
    files
        .iter()
        .any(|path| path.ends_with(format!("attachments/{device}.json")))
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

#[test]
fn rule_7_a_device_that_the_kubelet_says_is_held_is_not_released() {
    let (igb, plugin, site) = (Igb::get(), Plugin::new(), Site::new());
    let kubelet = Kubelet::start(&site.kubelet_dir()).expect("a kubelet");
    let held = igb.vf_address(4);
    kubelet.remember("tenant/web", "main", "other.io/nic", &[&held]);
    let mut daemon = site.start_repairing(&plugin.state());
    let (seen, other) = (Pod::new("vetoed"), Pod::new("unvetoed"));
    plugin.add(&seen, &plain_conf(&igb, 4, &plugin));
    plugin.add(&other, &plain_conf(&igb, 5, &plugin));
    seen.delete();
    let line = daemon.wait_for_log("not to be seen from here", BOUND);
    assert!(line.contains("tenant/web") && line.contains(&held), "{line}");
    // Another one is released meanwhile, so repair was at work.
    other.delete();
    let line = daemon.wait_for_log("released: the device is as it was", BOUND);
    assert!(line.contains(&igb.vf_address(5)), "{line}");
    assert!(has_record(&plugin, &held), "{}", daemon.log());
    kubelet.free("tenant/web");
    // A name that comes is a reason to look.
    let _event = Pod::new("event");
    let line = daemon.wait_for_log("released: the device is as it was", BOUND);
    assert!(line.contains(&held) && plugin.state_files().is_empty(), "{line}");
}

#[test]
fn rule_2_a_namespace_whose_mount_does_not_arrive_is_not_gone() {
    let (igb, plugin, site) = (Igb::get(), Plugin::new(), Site::new());
    let kubelet = Kubelet::start(&site.kubelet_dir()).expect("a kubelet");
    let held = igb.vf_address(4);
    kubelet.remember("tenant/web", "main", "other.io/nic", &[&held]);
    // /run/netns is a mount by then: what is mounted below it later, the daemon does not see.
    let _first = Pod::new("first");
    let mut daemon = site.start_repairing_apart(&plugin.state());
    daemon.wait_for_log("hardwired 0.", BOUND);
    let (hidden, other) = (Pod::new("hidden"), Pod::new("apart"));
    plugin.add(&hidden, &plain_conf(&igb, 4, &plugin));
    let line = daemon.wait_for_log("cannot be seen from here", BOUND);
    assert!(
        line.contains(&hidden.path()) && line.contains("mountPropagation"),
        "{line}"
    );
    plugin.add(&other, &plain_conf(&igb, 5, &plugin));
    other.delete();
    let line = daemon.wait_for_log("released: the device is as it was", BOUND);
    assert!(line.contains(&igb.vf_address(5)), "{line}");
    // It has looked at both, the grace is over, and neither the kubelet's word nor its absence matters: it is not gone.
    kubelet.free("tenant/web");
    let _event = Pod::new("event");
    let third = Pod::new("third");
    plugin.add(&third, &plain_conf(&igb, 5, &plugin));
    third.delete();
    daemon.wait_for_log("released: the device is as it was", BOUND);
    assert!(
        hidden.link("net1").is_some() && has_record(&plugin, &held),
        "{}",
        daemon.log()
    );
    assert_eq!(igb.vf(4)["vlan_list"][0]["vlan"], 90);
    hidden.delete();
    let line = daemon.wait_for_log("released: the device is as it was", BOUND);
    assert!(line.contains(&held) && plugin.state_files().is_empty(), "{line}");
}

#[test]
fn rule_10_a_repair_that_waits_for_its_ipam_keeps_no_other_and_ends_with_the_daemon() {
    let (igb, mut plugin, site) = (Igb::get(), Plugin::new(), Site::new());
    let ipam = plugin.fake_ipam("hangs");
    ipam.gives_an_address();
    ipam.on(
        "DEL",
        "sleep 1000 & echo $! > $here/background; echo $$ > $here/plugin; wait\n",
    );
    let (hangs, ends) = (Pod::new("hangs"), Pod::new("quick"));
    let mut conf = plain_conf(&igb, 4, &plugin);
    conf["ipam"] = ipam.conf();
    plugin.add(&hangs, &conf);
    plugin.add(&ends, &plain_conf(&igb, 5, &plugin));
    let mut daemon = site.start_repairing(&plugin.state());
    hangs.delete();
    let pids = || [ipam.kept("background"), ipam.kept("plugin")];
    wait_until("the IPAM plugin is not asked", || {
        pids()
            .iter()
            .all(|pid| pid.as_ref().is_some_and(|pid| pid.ends_with('\n')))
    });
    ends.delete();
    let line = daemon.wait_for_log("released: the device is as it was", BOUND);
    assert!(line.contains(&igb.vf_address(5)), "{line}");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(BOUND).success(), "{}", daemon.log());
    for pid in pids().into_iter().flatten() {
        let stat = format!("/proc/{}/stat", pid.trim());
        // An orphan is a zombie until somebody looks.
        wait_until(&format!("process {pid} lives on"), || {
            std::fs::read_to_string(Path::new(&stat)).map_or(true, |stat| stat.contains(") Z "))
        });
    }
    // The next daemon goes on, and asks IPAM again.
    ipam.forget();
    ipam.on("DEL", "");
    let mut daemon = site.start_repairing(&plugin.state());
    let line = daemon.wait_for_log("released: the device is as it was", BOUND);
    assert!(
        line.contains(&igb.vf_address(4)) && plugin.state_files().is_empty(),
        "{line}"
    );
    assert_eq!(ipam.commands(), ["DEL"]);
}
