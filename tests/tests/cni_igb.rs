//! VFs of the emulated igb: real PCI functions behind a real driver, with a switch that forwards between them.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::time::Instant;

use hardwire_tests::node::{Igb, Pod, host_link, host_links, run};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

fn conf(igb: &Igb, vf: u32, extra: &Value) -> Value {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire", "deviceID": igb.vf_address(vf)});
    for (key, value) in extra.as_object().expect("an object") {
        conf[key] = value.clone();
    }
    conf
}

/// What must be the same before and after.
fn seen(igb: &Igb, vf: u32) -> (Value, Value) {
    (
        igb.vf(vf),
        host_link(&igb.vf_netdev(vf).expect("the VF is on the host")),
    )
}

#[test]
fn every_attribute_is_set_while_attached_and_restored_after() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("attr"), Plugin::new());
    let before = seen(&igb, 0);
    let conf = conf(
        &igb,
        0,
        &json!({"vlan": 100, "vlanQoS": 3, "spoofchk": "off", "trust": "on", "mtu": 1400}),
    );
    let result = plugin.add(&pod, &conf);
    let interface = &result["interfaces"][0];
    assert_eq!(interface["pciID"], igb.vf_address(0));
    assert_eq!(
        (&interface["mtu"], &interface["mac"]),
        (&json!(1400), &before.1["address"])
    );
    let vf = igb.vf(0);
    assert_eq!(vf["vlan_list"][0]["vlan"], 100);
    assert_eq!(vf["vlan_list"][0]["qos"], 3);
    assert_eq!((&vf["spoofchk"], &vf["trust"]), (&json!(false), &json!(true)));
    assert!(igb.vf_netdev(0).is_none());
    plugin.del(&pod, &conf);
    assert_eq!(seen(&igb, 0), before);
    assert!(plugin.state_files().is_empty());
}

#[test]
fn a_mac_is_set_on_pf_and_vf_and_can_be_set_again() {
    let (igb, plugin) = (Igb::get(), Plugin::new());
    let before = seen(&igb, 1);
    let conf = conf(&igb, 1, &json!({"mac": "02:00:00:00:01:0a"}));
    for _ in 0..2 {
        let pod = Pod::new("mac");
        let result = plugin.add(&pod, &conf);
        assert_eq!(result["interfaces"][0]["mac"], "02:00:00:00:01:0a");
        assert_eq!(igb.vf(1)["address"], "02:00:00:00:01:0a");
        let mut checked = conf.clone();
        checked["prevResult"] = result;
        assert_eq!(plugin.call("CHECK", &pod, &checked).status, 0);
        plugin.del(&pod, &conf);
        assert_eq!(seen(&igb, 1), before);
    }
}

#[test]
fn a_refused_attribute_is_named_and_everything_before_it_is_undone() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("refuse"), Plugin::new());
    let (before, links) = (seen(&igb, 2), host_links());
    for state in ["enable", "auto"] {
        let conf = conf(
            &igb,
            2,
            &json!({"mac": "02:00:00:00:02:0a", "vlan": 200, "spoofchk": "off", "trust": "on", "link_state": state,
                    "ipam": plugin.host_local("10.80.0.0/24")}),
        );
        let outcome = plugin.call("ADD", &pod, &conf);
        outcome.failure_naming(
            103,
            &[&format!("link_state {state}"), &igb.name, &igb.address, "EOPNOTSUPP"],
        );
        assert_eq!(seen(&igb, 2), before);
        assert_eq!(host_links(), links);
    }
    assert!(plugin.state_files().is_empty() && plugin.reservations("net-a").is_empty());
}

#[test]
fn rates_are_refused_without_link_and_set_and_restored_with_it() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("rate"), Plugin::new());
    let conf = conf(&igb, 3, &json!({"max_tx_rate": 100}));
    run(&["ip", "link", "set", &igb.name, "down"]);
    let before = seen(&igb, 3);
    plugin
        .call("ADD", &pod, &conf)
        .failure_naming(103, &["max_tx_rate 100", &igb.name, "EINVAL"]);
    assert_eq!(seen(&igb, 3), before);
    // Going up, the PF resets its VFs, which then report their addresses anew.
    igb.up();
    let before = seen(&igb, 3);
    plugin.add(&pod, &conf);
    assert_eq!(igb.vf(3)["rate"]["max_tx"], 100);
    plugin.del(&pod, &conf);
    assert_eq!(seen(&igb, 3), before);
}

#[test]
fn a_refused_rate_is_named_by_the_key_that_asked_for_it() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("ratekey"), Plugin::new());
    let asked = json!({"runtimeConfig": {"bandwidth": {"egressRate": 100_000_000}}});
    run(&["ip", "link", "set", &igb.name, "down"]);
    plugin
        .call("ADD", &pod, &conf(&igb, 3, &asked))
        .failure_naming(103, &["runtimeConfig.bandwidth.egressRate", &igb.name]);
    igb.renew();
    igb.wait_for_vf(3);
}

#[test]
fn ipv6_addresses_wait_for_no_carrier_where_the_pf_is_down() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("nodad"), Plugin::new());
    run(&["ip", "link", "set", &igb.name, "down"]);
    let time = |addresses: Value| {
        let ipam = json!({"type": "static", "addresses": addresses});
        let conf = conf(&igb, 3, &json!({"cniVersion": "1.0.0", "ipam": ipam}));
        let begun = Instant::now();
        plugin.add(&pod, &conf);
        let took = begun.elapsed();
        plugin.del(&pod, &conf);
        took
    };
    let v4 = time(json!([{"address": "10.83.0.5/24", "gateway": "10.83.0.1"}]));
    let v6 = time(json!([{"address": "fd83::5/64", "gateway": "fd83::1"}]));
    assert!(v6 < 10 * v4, "{v6:?} with IPv6, {v4:?} without");
    igb.renew();
    igb.wait_for_vf(3);
}

#[test]
fn pods_on_one_vlan_reach_each_other_and_no_other() {
    let (igb, plugin) = (Igb::get(), Plugin::new());
    igb.up();
    let pods = [Pod::new("ping-a"), Pod::new("ping-b"), Pod::new("ping-c")];
    let before = [seen(&igb, 4), seen(&igb, 5), seen(&igb, 6)];
    let mut confs = Vec::new();
    for (index, (pod, vlan)) in (4..).zip(pods.iter().zip([100, 100, 200])) {
        let conf = conf(
            &igb,
            index,
            &json!({"cniVersion": "1.0.0", "vlan": vlan, "mac": format!("02:00:00:00:04:0{index}"), "ipam": plugin.host_local("10.81.0.0/24")}),
        );
        plugin.add(pod, &conf);
        confs.push(conf);
    }
    assert!(pods[0].reaches("10.81.0.3", 20), "the same VLAN");
    assert!(!pods[0].reaches("10.81.0.4", 2), "another VLAN");
    for (pod, conf) in pods.iter().zip(&confs) {
        plugin.del(pod, conf);
    }
    assert_eq!([seen(&igb, 4), seen(&igb, 5), seen(&igb, 6)], before);
    assert!(plugin.reservations("net-a").is_empty());
}

#[test]
fn a_vf_that_was_up_comes_back_up() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("up"), Plugin::new());
    let name = igb.vf_netdev(0).expect("the VF is on the host");
    run(&["ip", "link", "set", &name, "up"]);
    let before = seen(&igb, 0);
    assert_eq!(before.1["flags"], json!(["MULTICAST", "UP"]));
    let conf = conf(&igb, 0, &json!({"vlan": 5}));
    plugin.add(&pod, &conf);
    plugin.del(&pod, &conf);
    assert_eq!(seen(&igb, 0), before);
    run(&["ip", "link", "set", &name, "down"]);
}

#[test]
fn a_vf_returned_by_the_end_of_its_namespace_is_put_right_by_del() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("gone"), Plugin::new());
    let before = seen(&igb, 1);
    let conf = conf(&igb, 1, &json!({"vlan": 6, "mac": "02:00:00:00:03:0a", "mtu": 1300}));
    let id = pod.name().to_owned();
    plugin.add(&pod, &conf);
    pod.delete();
    igb.wait_for_vf(1);
    let variables = [
        ("CNI_CONTAINERID", id.as_str()),
        ("CNI_IFNAME", "net1"),
        ("CNI_PATH", plugin.path.as_str()),
    ];
    let outcome = plugin.call_with("DEL", &variables, conf.to_string().as_bytes());
    assert_eq!(outcome.status, 0, "{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(seen(&igb, 1), before);
    assert!(plugin.state_files().is_empty());
}

#[test]
fn a_pf_that_was_renamed_is_found_again() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("renamed"), Plugin::new());
    let before = seen(&igb, 2);
    let conf = conf(&igb, 2, &json!({"vlan": 7}));
    plugin.add(&pod, &conf);
    run(&["ip", "link", "set", &igb.name, "down"]);
    run(&["ip", "link", "set", &igb.name, "name", "hwpf"]);
    plugin.del(&pod, &conf);
    run(&["ip", "link", "set", "hwpf", "name", &igb.name]);
    igb.up();
    assert_eq!(seen(&igb, 2), before);
}

#[test]
fn an_address_is_announced_when_the_carrier_comes_after_up() {
    let (igb, plugin) = (Igb::get(), Plugin::new());
    igb.renew();
    let (first, second) = (Pod::new("first"), Pod::new("second"));
    let conf_of = |vf: u32| {
        let ipam = plugin.host_local("10.82.0.0/24");
        conf(&igb, vf, &json!({"cniVersion": "1.0.0", "vlan": 300, "ipam": ipam}))
    };
    plugin.add(&first, &conf_of(5));
    assert!(!first.reaches("10.82.0.3", 1), "nobody is there yet");
    first.run(&[
        "ip",
        "neighbour",
        "replace",
        "10.82.0.3",
        "lladdr",
        "02:00:00:00:0d:01",
        "nud",
        "stale",
        "dev",
        "net1",
    ]);
    let result = plugin.add(&second, &conf_of(6));
    first.learns("10.82.0.3", result["interfaces"][0]["mac"].as_str().expect("a MAC"));
    plugin.del(&second, &conf_of(6));
    plugin.del(&first, &conf_of(5));
}

/// Bandwidth reaches a plugin as `runtimeConfig.bandwidth` from both ends: the runtime makes it of the pod's annotations for
/// the default network, of both directions, and fills bursts with maxima; Multus hands a selection element's `bandwidth` on.
#[test]
fn bandwidth_becomes_the_vfs_rate_whichever_way_it_comes() {
    let (igb, plugin) = (Igb::get(), Plugin::new());
    igb.up();
    let before = seen(&igb, 3);
    let of_annotations = json!({
        "egressRate": 99_500_001, "egressBurst": 2_147_483_647,
        "ingressRate": 5_000_000, "ingressBurst": 2_147_483_647,
    });
    let of_multus = json!({"egressRate": 100_000_000});
    for bandwidth in [of_annotations, of_multus] {
        let pod = Pod::new("bandwidth");
        let conf = conf(
            &igb,
            3,
            &json!({"capabilities": {"bandwidth": true}, "runtimeConfig": {"bandwidth": bandwidth}}),
        );
        let outcome = plugin.call("ADD", &pod, &conf);
        outcome.success();
        let warns = outcome.stderr.contains("WARN") && outcome.stderr.contains("ingressRate: 5000000 is left out");
        assert_eq!(warns, conf.to_string().contains("ingressRate"), "{}", outcome.stderr);
        assert_eq!(igb.vf(3)["rate"]["max_tx"], 100, "rounded up to Mbit/s");
        plugin.del(&pod, &conf);
        assert_eq!(seen(&igb, 3), before);
    }
}

/// The unit that README gives to those for whom nothing makes VFs at boot, as systemd would run it.
#[test]
fn the_units_vfs_have_a_link_and_those_that_are_there_are_left_alone() {
    let igb = Igb::get();
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/node/sriov-vfs@.service");
    let unit = std::fs::read_to_string(unit).expect("the unit");
    let joined = unit.replace("\\\n", "");
    let value = |key: &str| {
        let mut lines = joined.lines();
        let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}")).to_owned()
    };
    let line = value("ExecStart").replace("%I", &igb.name).replace("$$", "$");
    let script = line
        .strip_prefix("/bin/sh -eu -c '")
        .and_then(|rest| rest.strip_suffix('\''));
    let script = script.expect("a script").to_owned();
    let (variable, count) = value("Environment")
        .split_once('=')
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .expect("a variable");
    let start = || run(&["env", &format!("{variable}={count}"), "sh", "-eu", "-c", &script]);

    igb.without_vfs();
    run(&["ip", "link", "set", &igb.name, "down"]);
    start();
    for vf in 0..7 {
        igb.wait_for_vf(vf);
    }
    let (pod, plugin) = (Pod::new("unit"), Plugin::new());
    let conf = conf(&igb, 4, &json!({"vlan": 7}));
    plugin.add(&pod, &conf);
    pod.wait_for_carrier("net1");
    // A second start, as of `systemctl restart`, takes nothing from the pod.
    start();
    assert!(pod.run(&["ip", "link", "show", "net1"]).contains("net1"));
    plugin.del(&pod, &conf);
}

/// As the example has it: the legs keep their MACs, and both come back as they were, from under the bond.
#[test]
fn two_vfs_are_a_bond_in_their_pod_and_come_back_from_under_it() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("bond"), Plugin::new());
    igb.renew();
    let legs = [("net1", 0), ("net2", 1)];
    for (_, vf) in legs {
        igb.wait_for_vf(vf);
    }
    let before = legs.map(|(_, vf)| seen(&igb, vf));
    let conf_of = |vf: u32| conf(&igb, vf, &json!({"vlan": 100}));
    let call = |command: &str, (ifname, vf): (&str, u32)| {
        let call = plugin.request(command, &pod, &conf_of(vf)).set("CNI_IFNAME", ifname);
        call.run()
    };
    for leg in legs {
        call("ADD", leg).success();
    }
    run(&["modprobe", "bonding", "max_bonds=0"]);
    let mode = ["mode", "active-backup", "miimon", "100", "fail_over_mac", "active"];
    pod.run(&[&["ip", "link", "add", "bond0", "type", "bond"], &mode[..]].concat());
    for (ifname, _) in legs {
        pod.run(&["ip", "link", "set", ifname, "down"]);
        pod.run(&["ip", "link", "set", ifname, "master", "bond0"]);
    }
    pod.run(&["ip", "link", "set", "bond0", "up"]);
    let state = pod.run(&["cat", "/proc/net/bonding/bond0"]);
    assert_eq!(state.matches("Slave Interface").count(), 2, "{state}");
    for leg in legs {
        call("DEL", leg).silence();
    }
    assert_eq!(legs.map(|(_, vf)| seen(&igb, vf)), before);
}
