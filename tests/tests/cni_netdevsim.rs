//! netdevsim: every VF attribute through the same PF code, on VF ports in switchdev mode and on a PF in legacy mode.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use hardwire_cni::config::{Base, NetConf};
use hardwire_cni::pf::{AdminMac, OriginalVf, OwnAddress, VfPort, Wanted, pf_of};
use hardwire_cni::protocol::{CniArgs, SpecVersion};
use hardwire_pci::netlink::{Socket, VfState};
use hardwire_pci::{DeviceId, Sysfs};
use hardwire_tests::node::{Netdevsim, Pod, host_link, host_links, run};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

fn conf(id: &str, extra: &Value) -> Value {
    let mut conf = json!({"cniVersion": "1.0.0", "name": "net-s", "type": "hardwire", "deviceID": id});
    for (key, value) in extra.as_object().expect("an object") {
        conf[key] = value.clone();
    }
    conf
}

#[test]
fn every_attribute_but_rates_is_seen_on_the_pf_while_attached() {
    let (sim, pod, plugin) = (Netdevsim::switchdev(2), Pod::new("sim"), Plugin::new());
    let name = sim.netdev("pf0vf1").expect("the VF's port");
    let before = (sim.vf(1), host_link(&name));
    let conf = conf(
        &sim.vf_id(1),
        &json!({"vlan": 300, "vlanQoS": 5, "vlanProto": "802.1ad", "spoofchk": "on", "trust": "on",
                "link_state": "enable", "mac": "02:00:00:00:05:0a", "mtu": 1400}),
    );
    plugin.add(&pod, &conf);
    let vf = sim.vf(1);
    let vlan = &vf["vlan_list"][0];
    assert_eq!((&vlan["vlan"], &vlan["qos"]), (&json!(300), &json!(5)));
    assert!(
        vlan["protocol"]
            .as_str()
            .is_some_and(|p| p.eq_ignore_ascii_case("802.1ad")),
        "{vlan}"
    );
    assert_eq!((&vf["spoofchk"], &vf["trust"]), (&json!(true), &json!(true)));
    assert_eq!(
        (&vf["link_state"], &vf["address"]),
        (&json!("enable"), &json!("02:00:00:00:05:0a"))
    );
    let link = pod.link("net1").expect("net1 is in the pod");
    assert_eq!(
        (&link["address"], &link["mtu"]),
        (&json!("02:00:00:00:05:0a"), &json!(1400))
    );
    plugin.del(&pod, &conf);
    assert_eq!((sim.vf(1), host_link(&name)), before);
    assert!(plugin.state_files().is_empty());
}

#[test]
fn refused_rates_are_named_and_what_was_set_before_is_undone() {
    let (sim, pod, plugin) = (Netdevsim::switchdev(1), Pod::new("simrate"), Plugin::new());
    let before = (sim.vf(0), host_links());
    let conf = conf(
        &sim.vf_id(0),
        &json!({"mac": "02:00:00:00:06:0a", "vlan": 40, "min_tx_rate": 5, "max_tx_rate": 50, "trust": "on"}),
    );
    plugin
        .call("ADD", &pod, &conf)
        .failure_naming(103, &["max_tx_rate 50", &sim.pf(), "EOPNOTSUPP"]);
    assert_eq!((sim.vf(0), host_links()), before);
    assert!(plugin.state_files().is_empty());
}

fn original_vf(pf: &DeviceId, index: u32, state: VfState, requested: VfState) -> OriginalVf {
    OriginalVf {
        pf: pf.clone(),
        index,
        state,
        requested,
        admin_mac: AdminMac::Unknown,
        in_force: None,
    }
}

#[test]
fn in_legacy_mode_the_pf_code_sets_and_restores_rates_too() {
    let sim = Netdevsim::legacy(2);
    let before = sim.vf(1);
    let fields = json!({"cniVersion": "1.0.0", "name": "x", "min_tx_rate": 10, "max_tx_rate": 200, "vlan": 9,
                        "link_state": "disable", "trust": "on"});
    let base = Base::parse(fields.to_string().as_bytes()).expect("a configuration");
    let settings = NetConf::parse(base, SpecVersion::V1_0_0, &CniArgs::default())
        .expect("valid fields")
        .vf;
    let id = format!("netdevsim{}/{}", sim.number, sim.pf_port())
        .parse()
        .expect("an id");
    let pf = pf_of(&id, &Sysfs::default()).expect("the PF");
    let mut socket = Socket::open().expect("a socket");
    let mut port = VfPort {
        socket: &mut socket,
        pf,
        vf: 1,
    };
    let original = port.read().expect("the VF");
    let wanted = Wanted::new(&settings, &original, None);
    port.apply(&wanted, &original).expect("all of them");
    let during = sim.vf(1);
    assert_eq!(
        (&during["rate"]["min_tx"], &during["rate"]["max_tx"]),
        (&json!(10), &json!(200))
    );
    assert_eq!(
        (&during["link_state"], &during["trust"]),
        (&json!("disable"), &json!(true))
    );
    let attached = original_vf(&port.pf.id.clone(), 1, original, wanted.after(&original));
    port.restore(&attached, true, OwnAddress::default()).expect("all back");
    assert_eq!(sim.vf(1), before);
}

/// What the kernel holds of the VFs, by hardwire's own question: iproute2 stops at 64 KiB of them.
fn vfs(sim: &Netdevsim) -> Vec<(u32, VfState)> {
    let mut socket = Socket::open().expect("a socket");
    let link = socket.link_by_name(&sim.pf()).expect("an answer").expect("the PF");
    socket.vfs(link.index).expect("the VFs")
}

/// An attribute of netlink has 16 bits of length: the list of so many VFs is longer than it can say.
#[test]
fn the_list_of_a_thousand_vfs_is_read_to_its_end_and_so_is_each_shorter_one() {
    for count in [1, 230, 281, 282, 283, 284, 360, 564, 1000] {
        let sim = Netdevsim::legacy(count);
        for (index, vlan) in [(0, "7"), (count / 2, "8"), (count - 1, "9")] {
            run(&["ip", "link", "set", &sim.pf(), "vf", &index.to_string(), "vlan", vlan]);
        }
        let found = vfs(&sim);
        let indices: Vec<u32> = found.iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, (0..count).collect::<Vec<_>>());
        let vlans = found.iter().filter(|(_, state)| state.vlan != 0);
        let vlans: Vec<(u32, u16)> = vlans.map(|(index, state)| (*index, state.vlan)).collect();
        let mut expected = vec![(0, 7), (count / 2, 8), (count - 1, 9)];
        expected.dedup_by_key(|(index, _)| *index);
        if count == 1 {
            expected = vec![(0, 9)];
        }
        assert_eq!(vlans, expected, "{count} VFs");
    }
}

#[test]
fn the_last_of_a_thousand_vfs_is_attached_and_restored() {
    let (sim, pod, plugin) = (Netdevsim::switchdev(1000), Pod::new("many"), Plugin::new());
    let before = vfs(&sim);
    let conf = conf(
        &sim.vf_id(999),
        &json!({"vlan": 300, "trust": "on", "mac": "02:00:00:00:09:99"}),
    );
    plugin.add(&pod, &conf);
    let during = vfs(&sim);
    assert_eq!(during.len(), 1000);
    assert_eq!(during[..999], before[..999], "nobody else's");
    let vf = during[999].1;
    assert_eq!((vf.vlan, vf.trust), (300, Some(true)));
    assert!(pod.link("net1").is_some());
    plugin.del(&pod, &conf);
    assert_eq!(vfs(&sim), before);
    assert!(plugin.state_files().is_empty());
}
