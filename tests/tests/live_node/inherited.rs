//! What a pod left on its VF where the DEL could not see it, or could not end it.

use hardwire_tests::node::{Hook, Igb, Pod, Program, run};

use super::*;

const VF: u32 = 2;

fn conf(igb: &Igb) -> Value {
    json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "deviceID": igb.vf_address(VF)})
}

#[test]
fn a_link_that_the_pod_hid_in_another_namespace_is_ended() {
    let igb = Igb::get();
    let mut live = Live::igb(&igb);
    live.wait_for_idle(&igb.vf_address(VF));
    let (pod, hidden) = (Pod::new("tenant"), Pod::new("hidden"));
    live.plugin.add(&pod, &conf(&igb));
    run(&["modprobe", "-a", "macvlan", "8021q"]);
    for (name, kind) in [("spy", "macvlan"), ("spy7", "vlan")] {
        let more: &[&str] = if kind == "vlan" {
            &["id", "7"]
        } else {
            &["mode", "bridge"]
        };
        let add = ["ip", "link", "add", name, "link", "net1", "type", kind];
        pod.run(&[&add[..], more].concat());
        run(&["ip", "-netns", pod.name(), "link", "set", name, "netns", hidden.name()]);
    }
    let mut expected = hidden.link_names();
    expected.sort();
    assert_eq!(expected, ["lo", "spy", "spy7"]);
    live.plugin.del(&pod, &conf(&igb));
    live.daemon.wait_for_log("ended 2 links in other namespaces", SOON);
    assert_eq!(hidden.link_names(), ["lo"]);
    live.wait_for_health(&igb.vf_address(VF), true);
}

/// Two links that the kernel shows alike: which of them is on the VF cannot be told, and the other may be somebody else's.
#[test]
fn a_vf_on_which_something_stays_is_unhealthy_until_its_driver_is_bound_anew() {
    let igb = Igb::get();
    let address = igb.vf_address(VF);
    let live = Live::igb(&igb);
    live.wait_for_idle(&address);
    let (pod, twin) = (Pod::new("tenant"), Pod::new("twin"));
    live.plugin.add(&pod, &conf(&igb));
    let index = pod.link("net1").unwrap()["ifindex"].to_string();
    twin.run(&[
        "ip", "link", "add", "name", "like", "index", &index, "type", "veth", "peer", "name", "other",
    ]);
    let program = Program::load(Hook::Xdp).linked(&pod, "net1");
    let same = program.also_linked(&twin, "like");
    live.plugin.del(&pod, &conf(&igb));
    live.wait_for_health(&address, false);
    let next = Pod::new("next");
    let refused = live.plugin.call("ADD", &next, &conf(&igb));
    refused.failure_naming(103, &[&address, "is not clean", "XDP"]);
    assert!(
        twin.link("like").unwrap()["xdp"]["prog"]["id"].is_u64(),
        "nothing of another's"
    );
    drop(same);

    let driver = "/sys/bus/pci/drivers/igbvf";
    std::fs::write(format!("{driver}/unbind"), &address).unwrap();
    std::fs::write(format!("{driver}/bind"), &address).unwrap();
    igb.wait_for_vf(VF);
    live.wait_for_health(&address, true);
    live.plugin.add(&next, &conf(&igb));
    live.plugin.del(&next, &conf(&igb));
}

#[test]
fn what_ethtool_bpf_and_the_link_show_is_part_of_the_idle_state() {
    let igb = Igb::get();
    let address = igb.vf_address(VF);
    let mut live = Live::igb(&igb);
    live.wait_for_idle(&address);
    let netdev = igb.vf_netdev(VF).unwrap();
    run(&["ip", "link", "set", &netdev, "txqueuelen", "77"]);
    live.wait_for_health(&address, false);
    live.daemon.wait_for_log("queue length was 1000, is 77", SOON);
    run(&["ethtool", "-C", &netdev, "rx-usecs", "99"]);
    let program = Program::load(Hook::TcxIngress);
    program.attach_here(nix::net::if_::if_nametoindex(netdev.as_str()).unwrap());
    // Neither sends an event of its own.
    run(&["ip", "link", "set", &netdev, "txqueuelen", "1000"]);
    live.daemon.wait_for_log("coalescing (ethtool)", SOON);
    live.assert_stays(&address, false);
    run(&["ethtool", "-C", &netdev, "rx-usecs", "3"]);
    igb.renew();
}
