//! What only a VF can show: its PCI address, its attributes on the PF, user space's drivers, device-info
//! (C27, C36, C39, C56, C62, C66, C68, C69).
//!
//! These tests need the emulated node's igb and netdevsim.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs;
use std::path::{Path, PathBuf};

use hardwire_tests::node::{Igb, Netdevsim, Pod, host_link, host_links, run};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

/// A configuration that names its device by nothing yet.
fn nameless(extra: &Value) -> Value {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire"});
    for (key, value) in extra.as_object().expect("an object") {
        conf[key] = value.clone();
    }
    conf
}

fn conf(igb: &Igb, vf: u32, extra: &Value) -> Value {
    let mut conf = nameless(extra);
    conf["deviceID"] = json!(igb.vf_address(vf));
    conf
}

/// What must be the same before and after.
fn seen(igb: &Igb, vf: u32) -> (Value, Option<Value>) {
    (igb.vf(vf), igb.vf_netdev(vf).map(|name| host_link(&name)))
}

fn with_previous(conf: &Value, result: &Value) -> Value {
    let mut conf = conf.clone();
    conf["prevResult"] = result.clone();
    conf
}

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

#[test]
fn c42_a_missing_ipam_plugin_leaves_the_vf_as_it_was() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c42"), Plugin::new());
    let before = (seen(&igb, 1), host_links());
    let conf = conf(
        &igb,
        1,
        &json!({"vlan": 100, "mac": "02:00:00:00:42:0a", "mtu": 1400, "trust": "on", "ipam": {"type": "nosuch"}}),
    );
    plugin
        .call("ADD", &pod, &conf)
        .error_naming(&["failed to find plugin", "nosuch"]);
    assert_eq!((seen(&igb, 1), host_links()), before);
    assert!(plugin.state_files().is_empty());
}

#[test]
fn c56_del_succeeds_after_the_vfs_were_removed() {
    let (igb, pod, mut plugin) = (Igb::get(), Pod::new("c56"), Plugin::new());
    let ipam = plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let conf = conf(
        &igb,
        3,
        &json!({"vlan": 100, "mac": "02:00:00:00:56:0a", "ipam": ipam.conf()}),
    );
    plugin.add(&pod, &conf);
    let num_vfs = format!("/sys/bus/pci/devices/{}/sriov_numvfs", igb.address);
    let count = fs::read_to_string(&num_vfs).expect("sriov_numvfs");
    fs::write(&num_vfs, "0").expect("removing VFs");
    let outcomes = [plugin.call("DEL", &pod, &conf), plugin.call("DEL", &pod, &conf)];
    fs::write(&num_vfs, count.trim()).expect("making VFs");
    for vf in 0..7 {
        igb.wait_for_vf(vf);
    }
    for outcome in outcomes {
        outcome.silence();
    }
    assert_eq!(ipam.commands(), ["ADD", "DEL", "DEL"]);
    assert!(plugin.state_files().is_empty());
}

#[test]
fn c56_del_succeeds_after_the_whole_device_was_removed() {
    let (pod, plugin) = (Pod::new("c56n"), Plugin::new());
    let nsim = Netdevsim::switchdev(2);
    let conf = nameless(&json!({"deviceID": nsim.vf_id(1)}));
    plugin.add(&pod, &conf);
    drop(nsim);
    for _ in 0..2 {
        plugin.call("DEL", &pod, &conf).silence();
    }
    assert!(plugin.state_files().is_empty());
}

#[test]
fn c62_check_names_a_vf_attribute_that_was_changed_on_the_pf() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c62"), Plugin::new());
    let before = seen(&igb, 2);
    let conf = conf(
        &igb,
        2,
        &json!({"vlan": 100, "vlanQoS": 3, "spoofchk": "on", "trust": "on", "mac": "02:00:00:00:62:0a"}),
    );
    let result = plugin.add(&pod, &conf);
    let checked = with_previous(&conf, &result);
    plugin.call("CHECK", &pod, &checked).silence();
    let set = |words: &[&str]| run(&[&["ip", "link", "set", igb.name.as_str(), "vf", "2"], words].concat());
    for (change, undo, field) in [
        (
            &["vlan", "200", "qos", "3"][..],
            &["vlan", "100", "qos", "3"][..],
            "vlan",
        ),
        (&["vlan", "100", "qos", "4"], &["vlan", "100", "qos", "3"], "QoS"),
        (&["spoofchk", "off"], &["spoofchk", "on"], "spoofchk"),
        (&["trust", "off"], &["trust", "on"], "trust"),
    ] {
        set(change);
        let outcome = plugin.call("CHECK", &pod, &checked);
        assert_ne!(outcome.status, 0, "{change:?} was not seen");
        outcome.error_naming(&[field]);
        set(undo);
        plugin.call("CHECK", &pod, &checked).silence();
    }
    plugin.del(&pod, &conf);
    assert_eq!(seen(&igb, 2), before);
}

#[test]
fn c66_a_vf_that_the_configuration_names_is_present_free_or_in_use() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c66"), Plugin::new());
    let conf = conf(&igb, 3, &json!({}));
    let status = || {
        let call = plugin
            .bare_request()
            .set("CNI_COMMAND", "STATUS")
            .set("CNI_PATH", &plugin.path);
        call.stdin(conf.to_string()).run()
    };
    status().silence();
    plugin.add(&pod, &conf);
    status().silence();
    plugin.del(&pod, &conf);
}

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

fn info_file(plugin: &Plugin) -> PathBuf {
    plugin.directory().join("devinfo/cni/default-net-a-c_net1")
}

fn read_info(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("device-info");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn c69_device_info_is_written_where_there_is_none_and_left_by_del() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c69"), Plugin::new());
    let file = info_file(&plugin);
    let conf = conf(&igb, 0, &json!({"runtimeConfig": {"CNIDeviceInfoFile": file}}));
    plugin.add(&pod, &conf);
    let info = read_info(&file);
    assert_eq!(
        info,
        json!({"type": "pci", "version": "1.1.0",
               "pci": {"pci-address": igb.vf_address(0), "pf-pci-address": igb.address}})
    );
    plugin.del(&pod, &conf);
    assert_eq!(read_info(&file), info);
}

#[test]
fn c69_device_info_that_is_there_stays_valid_and_keeps_what_it_says() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c69k"), Plugin::new());
    let file = info_file(&plugin);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let given = json!({"type": "pci", "version": "1.1.0", "pci": {"pci-address": igb.vf_address(0),
                       "pf-pci-address": igb.address, "rdma-device": "mlx5_2"}});
    fs::write(&file, given.to_string()).expect("device-info");
    let conf = conf(&igb, 0, &json!({"runtimeConfig": {"CNIDeviceInfoFile": file}}));
    plugin.add(&pod, &conf);
    assert_eq!(read_info(&file), given);
    plugin.del(&pod, &conf);
    assert_eq!(read_info(&file), given);
}

#[test]
fn c69_a_failed_add_leaves_no_device_info() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c69f"), Plugin::new());
    let file = info_file(&plugin);
    let conf = conf(
        &igb,
        0,
        &json!({"runtimeConfig": {"CNIDeviceInfoFile": file}, "ipam": {"type": "nosuch"}}),
    );
    plugin.call("ADD", &pod, &conf).error();
    assert!(!file.exists());
}

#[test]
fn c69_a_user_space_vf_has_device_info_too() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("c69v"), Plugin::new());
    let _bound = igb.bind_vfio(5);
    let file = info_file(&plugin);
    let conf = conf(&igb, 5, &json!({"runtimeConfig": {"CNIDeviceInfoFile": file}}));
    plugin.add(&pod, &conf);
    assert_eq!(read_info(&file)["pci"]["pci-address"], igb.vf_address(5));
    plugin.del(&pod, &conf);
}
