//! Devices that are attached to pods, and come back.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use hardwire_tests::node::{Igb, Netdevsim, Pod, run};

use super::*;

fn conf(device: &str, extra: &Value) -> Value {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net-l", "type": "hardwire", "deviceID": device});
    for (key, value) in extra.as_object().unwrap() {
        conf[key] = value.clone();
    }
    conf
}

fn restart(live: &mut Live) {
    live.daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(live.daemon.wait(SOON).code(), Some(0));
    live.daemon = live.site.start_live(&live.config, Some(&live.plugin.state()));
}

#[test]
fn an_attached_vf_stays_listed_over_our_restart_and_is_clean_afterwards() {
    let (igb, pod) = (Igb::get(), Pod::new("live"));
    let mut live = Live::igb(&igb);
    let address = igb.vf_address(0);
    let before = live.wait_for_idle(&address);
    let conf = conf(&address, &json!({"vlan": 30, "trust": "on"}));
    live.plugin.add(&pod, &conf);
    live.assert_stays(&address, true);
    restart(&mut live);
    live.wait(|devices| devices.len() == 7 && devices.iter().all(is_healthy));
    live.plugin.del(&pod, &conf);
    live.assert_stays(&address, true);
    let after = live.wait_for_idle(&address);
    for part in ["name", "mac", "mtu"] {
        assert_eq!(after["link"][part], before["link"][part]);
    }
    assert_eq!(after["vf"]["state"]["vlan"], 0);
}

#[test]
fn what_our_attachment_left_behind_is_cleared() {
    let (igb, pod) = (Igb::get(), Pod::new("dirty"));
    let mut live = Live::igb(&igb);
    let address = igb.vf_address(6);
    live.wait_for_idle(&address);
    let conf = conf(&address, &json!({}));
    live.plugin.add(&pod, &conf);
    // Somebody changes what the attachment did not touch, so that its DEL does not put it back.
    run(&["ip", "link", "set", &igb.name, "vf", "6", "vlan", "66"]);
    live.plugin.del(&pod, &conf);
    live.daemon
        .wait_for_log("bringing it back to its idle state: vlan was 0, is 66", SOON);
    live.wait_for_health(&address, true);
    live.wait_for_idle(&address);
    assert_eq!(igb.vf(6)["vlan_list"][0]["vlan"].as_u64().unwrap_or(0), 0);
}

#[test]
fn a_port_of_netdevsim_that_is_in_a_pod_stays_listed_over_our_restart() {
    let (device, pod) = (Netdevsim::switchdev(2), Pod::new("sim"));
    let (id, other) = (device.vf_id(0), device.vf_id(1));
    let mut live = Live::start(&json!({"selectors": {"pciAddresses": [id, other]}}), 2);
    let conf = conf(&id, &json!({}));
    live.plugin.add(&pod, &conf);
    live.assert_stays(&id, true);
    restart(&mut live);
    live.wait(|devices| devices.len() == 2 && devices.iter().all(is_healthy));
    live.assert_stays(&id, true);
    live.plugin.del(&pod, &conf);
    live.assert_stays(&id, true);
}

#[test]
fn an_attachment_under_repair_is_unhealthy() {
    let (igb, pod) = (Igb::get(), Pod::new("ends"));
    let mut live = Live::igb(&igb);
    let address = igb.vf_address(4);
    live.plugin.add(&pod, &conf(&address, &json!({"vlan": 44})));
    pod.delete();
    live.wait_for_health(&address, false);
    live.daemon.wait_for_log("unhealthy: under repair", SOON);
    live.wait_for_health(&address, true);
    assert!(live.plugin.state_files().is_empty());
}

#[test]
fn a_vf_that_others_take_to_a_pod_and_back_stays_listed() {
    let (igb, pod) = (Igb::get(), Pod::new("others"));
    let live = Live::igb(&igb);
    let address = igb.vf_address(1);
    live.wait_for_idle(&address);
    let netdev = igb.vf_netdev(1).unwrap();
    run(&["ip", "link", "set", &netdev, "netns", pod.name()]);
    live.assert_stays(&address, true);
    run(&["ip", "-netns", pod.name(), "link", "set", &netdev, "netns", "1"]);
    live.assert_stays(&address, true);
    live.wait_for_idle(&address);
}

/// A process that the runtime did not wait for keeps the namespace, and the device in it, beyond the DEL.
#[test]
fn rule_2_a_device_that_comes_back_after_its_del_is_put_right_at_once() {
    let (igb, pod) = (Igb::get(), Pod::new("outlives"));
    let mut live = Live::igb(&igb);
    let address = igb.vf_address(4);
    live.wait_for_idle(&address);
    let conf = conf(&address, &json!({"vlan": 44}));
    live.plugin.add(&pod, &conf);
    let mut inside = Command::new("ip");
    let inside = inside.args(["netns", "exec", pod.name(), "cat"]).stdin(Stdio::piped());
    // Its answer tells that it is inside.
    let mut inside = inside.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = inside.stdin.take().unwrap();
    stdin.write_all(b"x").unwrap();
    inside.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let del = live.plugin.request("DEL", &pod, &conf);
    pod.delete();
    del.run().silence();
    live.wait_for_health(&address, false);
    live.daemon
        .wait_for_log("under repair: its DEL came, and could not give it back", SOON);
    drop(stdin);
    inside.wait().unwrap();
    live.wait_for_health(&address, true);
    assert_eq!(igb.vf(4)["vlan_list"][0]["vlan"].as_u64().unwrap_or(0), 0);
    assert!(live.plugin.state_files().is_empty());
}

/// Every ADD and DEL is an event of the PF. The daemon sees that it is ours, and the other VFs' records go on counting.
#[test]
fn our_own_attachments_leave_the_records_of_other_vfs_in_force() {
    let (igb, pod) = (Igb::get(), Pod::new("force"));
    let live = Live::igb(&igb);
    let address = igb.vf_address(1);
    live.wait_for_idle(&igb.vf_address(2));
    let generation = live.plugin.state().join(format!("idle/{}.generation", igb.address));
    let conf = conf(&address, &json!({"vlan": 31}));
    let calls = || {
        live.wait_for_idle(&igb.vf_address(2));
        let mut in_force = 0;
        for _ in 0..5 {
            live.plugin.add(&pod, &conf);
            in_force += u32::from(generation.exists());
            live.plugin.del(&pod, &conf);
            in_force += u32::from(generation.exists());
        }
        in_force
    };
    // A daemon that is behind cannot tell any more whose event it was, and is careful: on a busy machine that happens.
    let rounds: Vec<u32> = (0..6).map(|_| calls()).take_while(|in_force| *in_force < 6).collect();
    assert!(rounds.len() < 6, "in force after {rounds:?} of 10 calls each");
}

/// Nobody can tell whether the VF is free, so nothing of it is judged or put right but what a journal record names.
#[test]
fn without_podresources_nothing_is_repaired_but_what_the_journal_names() {
    let (igb, pod) = (Igb::get(), Pod::new("blind"));
    let live = Live::igb(&igb);
    let address = igb.vf_address(5);
    live.wait_for_idle(&address);
    std::fs::remove_file(live.site.kubelet_dir().join("pod-resources/kubelet.sock")).unwrap();
    let conf = conf(&address, &json!({"trust": "on"}));
    live.plugin.add(&pod, &conf);
    run(&["ip", "link", "set", &igb.name, "vf", "5", "vlan", "55"]);
    live.plugin.del(&pod, &conf);
    live.assert_stays(&address, true);
    let left = igb.vf(5);
    assert_eq!(left["vlan_list"][0]["vlan"], 55, "{left}");
    assert_eq!(left["trust"], false, "the record's part");
    run(&["ip", "link", "set", &igb.name, "vf", "5", "vlan", "0"]);
}
