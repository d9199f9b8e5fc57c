//! The node takes a spare NIC into use, and gives it back.

use hardwire_cni::node::Findings;
use hardwire_tests::node::{Netdevsim, Pod, run};

use super::*;

/// A daemon that offers a spare NIC, with its id and its interface.
fn spare() -> (Netdevsim, Live, String, String) {
    let device = Netdevsim::legacy(0);
    let id = format!("netdevsim{}/{}", device.number, device.pf_port());
    let nic = device.pf();
    run(&["ip", "link", "set", &nic, "up"]);
    let live = Live::start(&json!({"selectors": {"pciAddresses": [id]}}), 1);
    (device, live, id, nic)
}

#[test]
fn an_address_and_a_default_route_withdraw_a_nic() {
    let (_device, mut live, id, nic) = spare();
    run(&["ip", "address", "add", "192.0.2.1/24", "dev", &nic]);
    eprintln!("address: {:?}", live.wait_for_health(&id, false));
    live.daemon
        .wait_for_log("unhealthy: it carries the node's address 192.0.2.1", SOON);
    run(&["ip", "address", "delete", "192.0.2.1/24", "dev", &nic]);
    // By then it may have left the list.
    live.wait(|devices| devices.iter().any(is_healthy));
    run(&["ip", "route", "add", "default", "dev", &nic, "table", "77"]);
    eprintln!("default route: {:?}", live.wait_for_health(&id, false));
    live.wait(<[Device]>::is_empty);
    run(&["ip", "route", "delete", "default", "dev", &nic, "table", "77"]);
    live.wait(|devices| devices.iter().any(is_healthy));
}

#[test]
fn an_upper_device_withdraws_a_nic() {
    for kind in ["bridge", "bond", "vlan", "macvlan"] {
        let (device, mut live, id, nic) = spare();
        let upper = format!("up{}", device.number);
        let add = ["ip", "link", "add"];
        match kind {
            "vlan" => run(&[&add[..], &["link", &nic, "name", &upper, "type", "vlan", "id", "5"]].concat()),
            "macvlan" => run(&[&add[..], &["link", &nic, "name", &upper, "type", "macvlan"]].concat()),
            _ => {
                run(&["ip", "link", "add", &upper, "type", kind]);
                run(&["ip", "link", "set", &nic, "down"]);
                run(&["ip", "link", "set", &nic, "master", &upper])
            }
        };
        live.wait_for_health(&id, false);
        live.daemon
            .wait_for_log(&format!("unhealthy: it has the upper device {upper}"), SOON);
        run(&["ip", "link", "delete", &upper]);
        live.wait(|devices| devices.iter().any(is_healthy));
    }
}

#[test]
fn routes_that_lead_elsewhere_change_nothing() {
    let (_device, mut live, id, nic) = spare();
    for third in 0..50 {
        run(&["ip", "route", "add", &format!("198.18.{third}.0/24"), "dev", &nic]);
    }
    live.assert_stays(&id, true);
    assert!(!live.daemon.log().contains("all_used: true"));
}

/// What stands on it is in a pod, where the device itself does not show it: moved there, or made there.
#[test]
fn rule_5_an_upper_device_in_another_namespace_withdraws_a_nic() {
    let (_device, mut live, id, nic) = spare();
    let (pod, wants) = (Pod::new("upper"), Pod::new("wants"));
    let conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": nic});
    run(&["ip", "link", "add", "link", &nic, "name", "hwup0", "type", "macvlan"]);
    run(&["ip", "link", "set", "hwup0", "netns", pod.name()]);
    live.wait_for_health(&id, false);
    live.daemon
        .wait_for_log("hwup0 (macvlan) in network namespace net:[", SOON);
    live.plugin
        .call("ADD", &wants, &conf)
        .failure_naming(101, &[&nic, "hwup0 (macvlan)"]);
    pod.run(&["ip", "link", "delete", "hwup0"]);
    live.wait(|devices| devices.iter().any(is_healthy));
    run(&[
        "ip",
        "link",
        "add",
        "link",
        &nic,
        "name",
        "hwup1",
        "netns",
        pod.name(),
        "type",
        "macvlan",
    ]);
    live.daemon
        .wait_for_log("hwup1 (macvlan) in network namespace net:[", SOON);
    live.plugin
        .call("ADD", &wants, &conf)
        .failure_naming(101, &[&nic, "hwup1 (macvlan)"]);
    // A daemon that was killed leaves what it found: it is looked at anew.
    live.daemon.signal(rustix::process::Signal::KILL);
    live.daemon.wait(SOON);
    live.plugin
        .call("ADD", &wants, &conf)
        .failure_naming(101, &[&nic, "hwup1 (macvlan)"]);
    pod.run(&["ip", "link", "delete", "hwup1"]);
    live.plugin.add(&wants, &conf);
    live.plugin.del(&wants, &conf);
}

#[test]
fn rule_5_what_a_pool_allows_a_nad_may_ask_for() {
    let device = Netdevsim::legacy(0);
    let id = format!("netdevsim{}/{}", device.number, device.pf_port());
    let (nic, pod) = (device.pf(), Pod::new("lent"));
    run(&["ip", "link", "set", &nic, "up"]);
    run(&["ip", "address", "add", "192.0.2.1/24", "dev", &nic]);
    let pool = json!({"selectors": {"pciAddresses": [id]}, "allowNodeDevices": [nic]});
    let live = Live::start(&pool, 1);
    // What the pools allow reaches the plugin with what the first search of other namespaces found.
    wait_for("the daemon's findings", || {
        Findings::read(&live.plugin.state()).unwrap()
    });
    let conf =
        json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": nic, "allowNodeDevice": true});
    let mut without = conf.clone();
    without["allowNodeDevice"] = json!(false);
    live.plugin
        .call("ADD", &pod, &without)
        .failure_naming(101, &[&nic, "192.0.2.1"]);
    for _ in 0..2 {
        live.plugin.add(&pod, &conf);
        live.plugin.del(&pod, &conf);
        assert!(run(&["ip", "address", "show", "dev", &nic]).contains("192.0.2.1/24"));
    }
}

/// Whoever had it before: after an Allocate whose pod has ended, the NIC became the node's.
#[test]
fn rule_5_a_nic_that_the_node_took_into_use_after_an_allocate_is_not_given_out_again() {
    let (_device, live, id, nic) = spare();
    live.kubelet.allocate(RESOURCE, &[&[&id]]).unwrap();
    run(&["ip", "route", "add", "default", "dev", &nic, "table", "77"]);
    live.wait_for_health(&id, false);
    let refused = live.kubelet.allocate(RESOURCE, &[&[&id]]).unwrap_err();
    assert!(refused.message().contains("default route"), "{refused:?}");
    live.assert_stays(&id, false);
    run(&["ip", "route", "delete", "default", "dev", &nic, "table", "77"]);
    live.wait_for_health(&id, true);
    live.kubelet.allocate(RESOURCE, &[&[&id]]).unwrap();
}
