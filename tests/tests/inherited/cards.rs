//! What the driver of a card keeps: rings, coalescing, offloads, channels, private flags, RSS. And a card whose namespace ended
//! before its DEL.

use hardwire_tests::node::{Hook, Igb, Pod, Program, host_link, programs_on, run, succeeds};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

const VF: u32 = 3;

fn conf(device: &str) -> Value {
    json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "deviceID": device})
}

/// All that ethtool shows of an interface and that somebody can set. Not its queues' state and counters.
fn shown(interface: &str) -> Vec<String> {
    let all = ["-k", "-g", "-c", "-l", "-a", "--show-priv-flags", "-x", "-n"];
    let mut shown: Vec<String> = all
        .into_iter()
        .filter(|what| succeeds(&["ethtool", what, interface]))
        .map(|what| run(&["ethtool", what, interface]))
        .collect();
    for flow in ["tcp4", "udp4", "tcp6", "udp6"] {
        let words = ["ethtool", "-n", interface, "rx-flow-hash", flow];
        if succeeds(&words) {
            shown.push(run(&words));
        }
    }
    shown
}

#[test]
fn a_vfs_rings_coalescing_and_offloads_are_as_they_were() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("vf"), Plugin::new());
    igb.tidy(VF);
    let interface = igb.vf_netdev(VF).expect("the VF is on the host");
    let before = (host_link(&interface), shown(&interface));
    plugin.add(&pod, &conf(&igb.vf_address(VF)));
    pod.run(&["ethtool", "-G", "net1", "rx", "128", "tx", "256"]);
    pod.run(&["ethtool", "-C", "net1", "rx-usecs", "99"]);
    pod.run(&[
        "ethtool", "-K", "net1", "gro", "off", "tso", "off", "tx", "off", "rx", "off",
    ]);
    plugin.del(&pod, &conf(&igb.vf_address(VF)));
    assert_eq!((host_link(&interface), shown(&interface)), before);
}

#[test]
fn a_vf_whose_namespace_ended_first_has_nothing_left_on_it() {
    let (igb, plugin) = (Igb::get(), Plugin::new());
    igb.tidy(VF);
    let interface = igb.vf_netdev(VF).expect("the VF is on the host");
    let before = (host_link(&interface), shown(&interface));
    let pod = Pod::new("ended");
    plugin.add(&pod, &conf(&igb.vf_address(VF)));
    let held = [
        Program::load(Hook::Xdp).linked(&pod, "net1"),
        Program::load(Hook::TcxEgress).linked(&pod, "net1"),
    ];
    Program::load(Hook::TcxIngress).attach(&pod, "net1");
    pod.run(&[
        "ip",
        "link",
        "set",
        "net1",
        "arp",
        "off",
        "multicast",
        "off",
        "group",
        "9",
        "txqueuelen",
        "7",
    ]);
    pod.run(&["ethtool", "-C", "net1", "rx-usecs", "99"]);
    let del = plugin.request("DEL", &pod, &conf(&igb.vf_address(VF)));
    pod.delete();
    igb.wait_for_vf(VF);
    del.run().silence();
    assert_eq!((host_link(&interface), shown(&interface)), before);
    for hook in [Hook::TcxIngress, Hook::TcxEgress] {
        assert!(programs_on(&interface, hook).is_empty(), "{hook:?}");
    }
    drop(held);
}

/// The PF itself, without VFs: it has what its VFs lack.
#[test]
fn a_cards_channels_pause_private_flags_and_rss_are_as_they_were() {
    let igb = Igb::get();
    igb.without_vfs();
    let (pod, plugin) = (Pod::new("card"), Plugin::new());
    let interface = igb.interface().expect("the PF is on the host");
    run(&["ip", "link", "set", &interface, "down"]);
    run(&["ethtool", "-X", &interface, "weight", "3", "1"]);
    run(&["ethtool", "-N", &interface, "rx-flow-hash", "udp6", "sdfn"]);
    let before = (host_link(&interface), shown(&interface));
    plugin.add(&pod, &conf(&igb.address));
    for words in [
        &["-X", "net1", "weight", "1", "7"][..],
        &["-N", "net1", "rx-flow-hash", "udp4", "sdfn"],
        &["-N", "net1", "rx-flow-hash", "udp6", "sd"],
        &["--set-priv-flags", "net1", "legacy-rx", "on"],
        &["-A", "net1", "autoneg", "off", "rx", "off", "tx", "off"],
        &["-G", "net1", "rx", "512", "tx", "128"],
        &["-C", "net1", "rx-usecs", "99"],
        &["-K", "net1", "gro", "off", "rxvlan", "off"],
    ] {
        pod.run(&[&["ethtool"], words].concat());
    }
    pod.run(&["ethtool", "-X", "net1", "default"]);
    pod.run(&["ethtool", "-L", "net1", "combined", "1"]);
    plugin.del(&pod, &conf(&igb.address));
    let after = (host_link(&interface), shown(&interface));
    run(&["ethtool", "-X", &interface, "default"]);
    run(&["ethtool", "-N", &interface, "rx-flow-hash", "udp6", "sd"]);
    igb.renew();
    assert_eq!(after, before);
}
