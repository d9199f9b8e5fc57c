//! A VF that user space drives has no interface: nothing is moved, and what is set is set on the PF.

use hardwire_tests::node::{Igb, Pod, host_links};
use hardwire_tests::plugin::Plugin;
use serde_json::json;

use super::{conf, with_previous};

#[test]
fn c68_a_vf_of_user_space_gets_addresses_in_the_result_and_is_not_moved() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c68"), Plugin::new());
    let bound = igb.bind_vfio(5);
    let before = (igb.vf(5), host_links());
    for version in ["0.3.1", "1.0.0"] {
        let conf = conf(
            &igb,
            5,
            &json!({"cniVersion": version, "ipam": plugin.host_local("10.68.0.0/24")}),
        );
        let result = plugin.add(&pod, &conf);
        let interface = &result["interfaces"][0];
        assert_eq!(
            (&interface["name"], &interface["sandbox"]),
            (&json!("net1"), &json!(pod.path()))
        );
        let pci = if version == "1.0.0" {
            json!(igb.vf_address(5))
        } else {
            json!(null)
        };
        assert_eq!(interface["pciID"], pci);
        assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(1));
        assert_eq!(result["ips"][0]["interface"], 0);
        assert!(
            result["ips"][0]["address"]
                .as_str()
                .is_some_and(|ip| ip.starts_with("10.68.0.")),
            "{result}"
        );
        assert_eq!(pod.link_names(), ["lo"]);
        assert_eq!(bound.driver().as_deref(), Some("vfio-pci"));
        if version == "1.0.0" {
            plugin.call("CHECK", &pod, &with_previous(&conf, &result)).silence();
        }
        plugin.del(&pod, &conf);
        plugin.del(&pod, &conf);
        assert_eq!((igb.vf(5), host_links()), before);
        assert!(plugin.reservations("net-a").is_empty() && plugin.state_files().is_empty());
    }
}

#[test]
fn c68_settings_of_a_user_space_vf_are_made_on_the_pf_and_undone() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c68p"), Plugin::new());
    let _bound = igb.bind_vfio(5);
    let before = igb.vf(5);
    let conf = conf(
        &igb,
        5,
        &json!({"mac": "02:00:00:00:68:0a", "vlan": 100, "trust": "on"}),
    );
    let result = plugin.add(&pod, &conf);
    assert_eq!(result["interfaces"][0]["mac"], "02:00:00:00:68:0a");
    let vf = igb.vf(5);
    assert_eq!(
        (&vf["address"], &vf["vlan_list"][0]["vlan"], &vf["trust"]),
        (&json!("02:00:00:00:68:0a"), &json!(100), &json!(true))
    );
    plugin.del(&pod, &conf);
    assert_eq!(igb.vf(5), before);
}

#[test]
fn c68_what_needs_an_interface_is_refused_by_name_for_a_user_space_vf() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c68n"), Plugin::new());
    for bound in [Igb::bind_vfio, Igb::bind_uio] {
        let _bound = bound(&igb, 5);
        let before = (igb.vf(5), host_links());
        for (field, value) in [
            ("promisc", json!(true)),
            ("allmulti", json!(true)),
            ("mtu", json!(1400)),
        ] {
            let conf = conf(&igb, 5, &json!({ field: value }));
            plugin
                .call("ADD", &pod, &conf)
                .failure_naming(7, &[field, &igb.vf_address(5), "no interface"]);
            assert_eq!((igb.vf(5), host_links()), before, "{field}");
            assert!(plugin.state_files().is_empty());
        }
        let conf = conf(&igb, 5, &json!({"promisc": false, "allmulti": false}));
        plugin.add(&pod, &conf);
        plugin.del(&pod, &conf);
    }
}

#[test]
fn c68_a_user_space_vf_is_for_one_pod_only() {
    let (igb, first, second, plugin) = (Igb::get(), Pod::new("c68a"), Pod::new("c68b"), Plugin::new());
    let _bound = igb.bind_vfio(5);
    let conf = conf(&igb, 5, &json!({}));
    plugin.add(&first, &conf);
    let error = plugin.call("ADD", &second, &conf).error_naming(&[first.name()]);
    assert_eq!(error["code"], 11);
    plugin.del(&second, &conf);
    plugin.del(&first, &conf);
    plugin.add(&second, &conf);
    plugin.del(&second, &conf);
}
