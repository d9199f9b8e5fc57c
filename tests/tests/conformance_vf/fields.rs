//! How a configuration names a VF, and which VLANs it may ask for.

use hardwire_tests::node::{Igb, Pod, host_links};
use hardwire_tests::plugin::Plugin;
use serde_json::json;

use super::{conf, nameless, seen};

#[test]
fn c27_the_pci_address_is_in_results_from_1_0_0_on() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c27"), Plugin::new());
    for (version, pci, mtu) in [
        ("0.3.1", json!(null), json!(null)),
        ("0.4.0", json!(null), json!(null)),
        ("1.0.0", json!(igb.vf_address(0)), json!(1500)),
        ("1.1.0", json!(igb.vf_address(0)), json!(1500)),
    ] {
        let conf = conf(&igb, 0, &json!({ "cniVersion": version }));
        let result = plugin.add(&pod, &conf);
        let interface = &result["interfaces"][0];
        assert_eq!((&interface["pciID"], &interface["mtu"]), (&pci, &mtu), "{version}");
        plugin.del(&pod, &conf);
    }
}

#[test]
fn c36_a_device_is_named_by_any_of_three_fields_or_by_several_that_agree() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c36"), Plugin::new());
    let (before, id) = (seen(&igb, 0), igb.vf_address(0));
    let netdev = igb.vf_netdev(0).expect("the VF is on the host");
    for extra in [
        json!({ "deviceID": id }),
        json!({ "pciBusID": id }),
        json!({"runtimeConfig": {"deviceID": id}}),
        json!({"deviceID": id, "pciBusID": id, "runtimeConfig": {"deviceID": id}}),
        json!({ "device": netdev }),
        json!({"device": netdev, "deviceID": id}),
        json!({"deviceID": id.to_uppercase()}),
    ] {
        let conf = nameless(&extra);
        let result = plugin.add(&pod, &conf);
        assert_eq!(result["interfaces"][0]["pciID"], id, "{extra}");
        plugin.del(&pod, &conf);
        assert_eq!(seen(&igb, 0), before, "{extra}");
    }
}

#[test]
fn c36_fields_that_name_different_vfs_are_code_7_and_both_named() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c36d"), Plugin::new());
    let (one, other) = (igb.vf_address(0), igb.vf_address(1));
    let netdev = igb.vf_netdev(1).expect("the VF is on the host");
    let before = host_links();
    for (extra, names) in [
        (
            json!({"deviceID": one, "runtimeConfig": {"deviceID": other}}),
            [&one, &other],
        ),
        (json!({"deviceID": one, "pciBusID": other}), [&one, &other]),
        (json!({"deviceID": one, "device": netdev}), [&one, &netdev]),
    ] {
        let error = plugin.call("ADD", &pod, &nameless(&extra));
        let error = error.error_naming(&names.map(String::as_str));
        assert_eq!(error["code"], 7, "{extra}: {error}");
    }
    assert_eq!((host_links(), pod.link_names()), (before, vec!["lo".to_owned()]));
    assert!(plugin.state_files().is_empty());
}

#[test]
fn c39_the_vlans_that_sriov_cni_takes_are_taken() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c39"), Plugin::new());
    let before = seen(&igb, 0);
    for (extra, vlan, qos) in [
        (json!({"vlan": 100}), 100, 0),
        (json!({"vlan": 4094, "vlanQoS": 7}), 4094, 7),
        (json!({"vlan": 100, "vlanProto": "802.1Q"}), 100, 0),
        (json!({"vlan": 100, "vlanProto": "802.1q", "vlanQoS": 0}), 100, 0),
        (json!({"vlan": 0, "vlanQoS": 0, "vlanProto": "802.1Q"}), 0, 0),
    ] {
        let conf = conf(&igb, 0, &extra);
        plugin.add(&pod, &conf);
        let list = igb.vf(0)["vlan_list"][0].clone();
        let number = |key: &str| list[key].as_u64().unwrap_or_default();
        assert_eq!((number("vlan"), number("qos")), (vlan, qos), "{extra}");
        plugin.del(&pod, &conf);
        assert_eq!(seen(&igb, 0), before, "{extra}");
    }
}

#[test]
fn c39_a_wrong_vlan_leaves_the_vf_alone() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c39w"), Plugin::new());
    let before = seen(&igb, 0);
    for extra in [
        json!({"vlan": -1}),
        json!({"vlan": 4095}),
        json!({"vlan": "10"}),
        json!({"vlanQoS": 1}),
        json!({"vlan": 0, "vlanQoS": 1}),
        json!({"vlan": 0, "vlanProto": "802.1ad"}),
        json!({"vlan": 100, "vlanProto": "802"}),
        json!({"spoofchk": "true", "vlan": 100}),
    ] {
        let error = plugin.call("ADD", &pod, &conf(&igb, 0, &extra)).error();
        assert!(matches!(error["code"].as_u64(), Some(6 | 7)), "{extra}: {error}");
        assert_eq!(seen(&igb, 0), before, "{extra}");
    }
}
