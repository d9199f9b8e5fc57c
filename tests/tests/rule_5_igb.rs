//! The node's own NIC on hardware, the emulated igb: a PF whose VFs are in use is in use, and a PF of the node's own that is lent comes
//! back with what the node had on it, also where its namespace ended and the kernel brought it back bare.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use hardwire_tests::node::{Igb, Pod, host_link, host_links, run};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

fn conf(device: &str, extra: &Value) -> Value {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire", "deviceID": device});
    for (key, value) in extra.as_object().expect("an object") {
        conf[key] = value.clone();
    }
    conf
}

#[track_caller]
fn pf_refused(igb: &Igb, plugin: &Plugin, pod: &Pod, parts: &[&str]) {
    let before = (host_links(), plugin.state_files());
    for named in [json!({}), json!({"allowNodeDevice": true})] {
        let outcome = plugin.call("ADD", pod, &conf(&igb.address, &named));
        outcome.failure_naming(11, parts);
    }
    assert_eq!((host_links(), plugin.state_files()), before);
}

#[test]
fn rule_5_a_pf_whose_vf_a_pod_has_is_in_use() {
    let (igb, first, second, plugin) = (Igb::get(), Pod::new("vf"), Pod::new("pf"), Plugin::new());
    let vf = igb.vf_address(3);
    plugin.add(&first, &conf(&vf, &json!({"vlan": 100})));
    pf_refused(&igb, &plugin, &second, &[&igb.address, &vf, first.name()]);
    plugin.del(&first, &conf(&vf, &json!({})));
    // One that is in a pod without a record of ours.
    let name = igb.vf_netdev(4).expect("the VF is on the host");
    run(&["ip", "link", "set", &name, "netns", first.name()]);
    pf_refused(
        &igb,
        &plugin,
        &second,
        &[&igb.address, &igb.vf_address(4), "not on the host"],
    );
    first.run(&["ip", "link", "set", &name, "netns", "1"]);
    igb.wait_for_vf(4);
    // One that the node lives on.
    run(&["ip", "address", "add", "192.0.2.66/24", "dev", &name]);
    pf_refused(&igb, &plugin, &second, &[&igb.vf_address(4), "192.0.2.66"]);
    run(&["ip", "address", "flush", "dev", &name]);
    let before = host_link(&igb.name);
    plugin.add(&second, &conf(&igb.address, &json!({})));
    plugin.del(&second, &conf(&igb.address, &json!({})));
    assert_eq!(host_link(&igb.name), before);
}

#[test]
fn rule_5_a_pf_whose_vf_user_space_drives_is_in_use() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("pf"), Plugin::new());
    let bound = igb.bind_vfio(2);
    pf_refused(&igb, &plugin, &pod, &[&igb.vf_address(2), "vfio-pci"]);
    drop(bound);
}

/// What the node has on an interface, without lifetimes.
fn network(name: &str) -> String {
    [
        ["ip", "-brief", "address", "show", "dev", name].to_vec(),
        ["ip", "-4", "route", "show", "table", "all"].to_vec(),
        ["ip", "rule", "show"].to_vec(),
    ]
    .iter()
    .map(|words| run(words))
    // Whether there is a carrier takes the driver a while to say.
    .map(|text| text.replace(" linkdown", "").replace("DOWN", "UP"))
    .map(|text| {
        text.split_whitespace()
            .filter(|word| !word.starts_with("fe80:"))
            .collect::<Vec<_>>()
            .join(" ")
    })
    .collect()
}

#[test]
fn rule_5_a_pf_of_the_node_comes_back_with_its_addresses_after_its_namespace_ended() {
    let (igb, plugin) = (Igb::get(), Plugin::new());
    let name = igb.name.clone();
    let undo = || {
        run(&["ip", "address", "flush", "dev", &name]);
        run(&["ip", "rule", "del", "priority", "777"]);
    };
    igb.up();
    run(&["ip", "address", "add", "192.0.2.67/24", "dev", &name]);
    run(&[
        "ip",
        "route",
        "add",
        "default",
        "via",
        "192.0.2.1",
        "dev",
        &name,
        "table",
        "99",
    ]);
    run(&["ip", "rule", "add", "iif", &name, "table", "99", "priority", "777"]);
    let lent = conf(&igb.address, &json!({"allowNodeDevice": true}));
    plugin.operator_says(&json!({"allowNodeDevices": [igb.address]}));
    let before = network(&name);
    let pod = Pod::new("lent");
    plugin
        .call("ADD", &Pod::new("nad"), &conf(&igb.address, &json!({})))
        .failure_naming(101, &[&name]);
    plugin.add(&pod, &lent);
    let (id, path) = (pod.name().to_owned(), pod.path());
    pod.delete();
    // The kernel brings it back in its own time.
    igb.wait_for_pf();
    let variables = [
        ("CNI_CONTAINERID", id.as_str()),
        ("CNI_NETNS", path.as_str()),
        ("CNI_IFNAME", "net1"),
        ("CNI_PATH", plugin.path.as_str()),
    ];
    let outcome = plugin.call_with("DEL", &variables, lent.to_string().as_bytes());
    outcome.silence();
    assert_eq!(network(&name), before);
    assert!(plugin.state_files().is_empty());
    // With its namespace still there.
    let pod = Pod::new("lent");
    plugin.add(&pod, &lent);
    plugin.del(&pod, &conf(&igb.address, &json!({})));
    assert_eq!(network(&name), before);
    undo();
}
