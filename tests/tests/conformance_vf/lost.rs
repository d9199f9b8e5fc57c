//! What becomes of an attachment whose IPAM plugin, VF or attribute is not there, and what CHECK and STATUS say of a VF.

use std::fs;

use hardwire_tests::node::{Igb, Netdevsim, Pod, host_links, run};
use hardwire_tests::plugin::Plugin;
use serde_json::json;

use super::{conf, nameless, seen, with_previous};

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
