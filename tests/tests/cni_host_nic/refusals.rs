//! What is asked wrongly is refused and leaves no trace.

use std::fs;

use hardwire_tests::node::{Pod, assert_emulated, host_link, host_links, run, succeeds};
use hardwire_tests::plugin::Plugin;
use serde_json::json;

use super::{Nic, refused};

#[test]
fn a_missing_device_is_named() {
    let (pod, plugin) = (Pod::new("missing"), Plugin::new());
    let conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire"});
    refused(&plugin, &pod, &conf, 7, &["deviceID", "device"]);
    let named = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": "nosuch0"});
    refused(&plugin, &pod, &named, 7, &["device", "nosuch0"]);
    let absent = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "deviceID": "0000:ff:1f.7"});
    refused(&plugin, &pod, &absent, 7, &["deviceID", "0000:ff:1f.7"]);
    let loopback = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": "lo"});
    refused(&plugin, &pod, &loopback, 7, &["lo"]);
}

#[test]
fn an_error_names_the_key_that_is_in_the_configuration() {
    let (nic, pod, plugin) = (Nic::new("hwkey"), Pod::new("key"), Plugin::new());
    let of_runtime = nic.conf(&json!({"runtimeConfig": {"bandwidth": {"egressRate": 1_000_000}}}));
    let call = plugin.call("ADD", &pod, &of_runtime);
    let error = call.failure_naming(7, &["runtimeConfig.bandwidth.egressRate", "net/hwkey"]);
    assert!(!error.to_string().contains("max_tx_rate"), "{error}");
    let spelt = nic.conf(&json!({"RuntimeConfig": {"BandWidth": {"EgressRate": 1_000_000}}}));
    refused(&plugin, &pod, &spelt, 7, &["RuntimeConfig.BandWidth.EgressRate"]);
    refused(
        &plugin,
        &pod,
        &nic.conf(&json!({"Max_Tx_Rate": 5})),
        7,
        &["Max_Tx_Rate"],
    );
    refused(&plugin, &pod, &nic.conf(&json!({"VLAN": 5})), 7, &["VLAN"]);
}

#[test]
fn what_cannot_take_effect_is_refused_by_name_and_a_foreign_key_is_only_logged() {
    let (nic, pod, plugin) = (Nic::new("hweffect"), Pod::new("effect"), Plugin::new());
    for (name, extra) in [
        ("pkey", json!({"pkey": "0x8001"})),
        ("rdmaIsolation", json!({"rdmaIsolation": true})),
        ("ibKubernetesEnabled", json!({"ibKubernetesEnabled": true})),
        ("guid", json!({"guid": "c2:11:22:33:44:55:66:77"})),
        (
            "args.cni.guid",
            json!({"args": {"cni": {"guid": "c2:11:22:33:44:55:66:77"}}}),
        ),
        (
            "runtimeConfig.infinibandGUID",
            json!({"runtimeConfig": {"infinibandGUID": "c2:11:22:33:44:55:66:77"}}),
        ),
        ("bandwidth", json!({"bandwidth": {"egressRate": 1}})),
        ("max-tx-rate", json!({"max-tx-rate": 5})),
    ] {
        refused(&plugin, &pod, &nic.conf(&extra), 7, &[name]);
    }
    let foreign = nic.conf(&json!({
        "log_level": "debug", "masters": ["eth0"], "resourceNames": "x", "sysctl": {}, "mtus": [1400], "macs": [],
        "logFile": ["/var/log/x.log"], "bandwidth": {"egressRate": 0},
    }));
    let outcome = plugin.call("ADD", &pod, &foreign);
    outcome.success();
    for (key, word) in [("logFile", "must be a text"), ("bandwidth", "is ignored here")] {
        let line = outcome.stderr.lines().find(|line| line.contains(&format!(" {key}: ")));
        assert!(line.is_some_and(|line| line.contains(word)), "{}", outcome.stderr);
    }
    for key in ["log_level", "masters", "resourceNames", "mtus", "macs"] {
        assert!(
            outcome.stderr.contains(&format!("{key}: unknown field")),
            "{}",
            outcome.stderr
        );
    }
    assert!(!outcome.stderr.contains("sysctl"), "{}", outcome.stderr);
    plugin.del(&pod, &foreign);
}

#[test]
fn a_device_in_another_pod_is_not_taken() {
    let (nic, first, second, plugin) = (Nic::new("hwtwo"), Pod::new("first"), Pod::new("second"), Plugin::new());
    let conf = nic.conf(&json!({}));
    plugin.add(&first, &conf);
    refused(&plugin, &second, &conf, 11, &["hwtwo", first.name()]);
    assert!(first.link("net1").is_some());
    plugin.del(&first, &conf);
    plugin.add(&second, &conf);
    plugin.del(&second, &conf);
}

#[test]
fn the_nodes_own_nic_is_refused_unless_it_is_named() {
    // It sets default routes, which only a node of our own may get.
    assert_emulated();
    let (nic, pod, plugin) = (Nic::new("hwnode"), Pod::new("node"), Plugin::new());
    let conf = nic.conf(&json!({}));
    let undo = |words: &[&str]| run(words);
    run(&["ip", "link", "set", "hwnode", "up"]);
    run(&["ip", "link", "set", "hwnodep", "up"]);

    run(&[
        "ip",
        "address",
        "add",
        "169.254.7.7/16",
        "dev",
        "hwnode",
        "scope",
        "link",
    ]);
    run(&[
        "ip",
        "route",
        "add",
        "default",
        "via",
        "169.254.7.1",
        "dev",
        "hwnode",
        "table",
        "1234",
    ]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "IPv4 default route", "1234"]);
    undo(&["ip", "route", "del", "default", "table", "1234"]);

    run(&[
        "ip",
        "nexthop",
        "add",
        "id",
        "77",
        "via",
        "169.254.7.1",
        "dev",
        "hwnode",
    ]);
    run(&["ip", "nexthop", "add", "id", "78", "group", "77"]);
    run(&["ip", "route", "add", "default", "nhid", "78"]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "IPv4 default route"]);
    undo(&["ip", "route", "del", "default"]);
    undo(&["ip", "nexthop", "flush"]);

    run(&["ip", "-6", "route", "add", "default", "dev", "hwnode"]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "IPv6 default route"]);
    undo(&["ip", "-6", "route", "del", "default", "dev", "hwnode"]);

    run(&["ip", "address", "add", "192.0.2.9/24", "dev", "hwnode"]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "192.0.2.9"]);
    let before = (
        host_link("hwnode"),
        run(&["ip", "-4", "address", "show", "dev", "hwnode"]),
    );
    let lent = nic.conf(&json!({"allowNodeDevice": true}));
    refused(&plugin, &pod, &lent, 101, &["hwnode", "operator"]);
    plugin.operator_says(&json!({"allowNodeDevices": ["hwnode"]}));
    refused(&plugin, &pod, &conf, 101, &["hwnode", "192.0.2.9"]);
    plugin.add(&pod, &lent);
    plugin.del(&pod, &conf);
    assert_eq!(
        (
            host_link("hwnode"),
            run(&["ip", "-4", "address", "show", "dev", "hwnode"])
        ),
        before
    );

    undo(&["ip", "address", "del", "192.0.2.9/24", "dev", "hwnode"]);

    for upper in [&["macvlan"][..], &["vlan", "id", "7"], &["ipvlan"]] {
        if !succeeds(
            &[
                &["ip", "link", "add", "link", "hwnode", "name", "hwupper", "type"],
                upper,
            ]
            .concat(),
        ) {
            continue;
        }
        refused(&plugin, &pod, &conf, 101, &["hwnode", "hwupper"]);
        undo(&["ip", "link", "del", "hwupper"]);
    }
    run(&["ip", "link", "add", "hwbridge", "type", "bridge"]);
    run(&["ip", "link", "set", "hwnode", "master", "hwbridge"]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "hwbridge"]);
    undo(&["ip", "link", "del", "hwbridge"]);
    // Link-local addresses are nobody's traffic.
    plugin.add(&pod, &conf);
    plugin.del(&pod, &conf);
}

#[test]
fn bad_fields_are_refused_before_anything_is_touched() {
    let (nic, pod, plugin) = (Nic::new("hwbad"), Pod::new("bad"), Plugin::new());
    let (top, bottom) = ("70000", "12");
    for (extra, parts) in [
        (json!({"vlan": 4095}), &["vlan", "4095", "4094"][..]),
        (json!({"vlan": 100}), &["vlan", "net/hwbad"]),
        (json!({"trust": "on"}), &["trust", "net/hwbad"]),
        (json!({"mac": "01:00:5e:00:00:01"}), &["mac", "01:00:5e:00:00:01"]),
        (json!({"mac": "02:00"}), &["mac", "02:00"]),
        (json!({"mtu": 70000}), &["mtu", top]),
        (json!({"mtu": 12}), &["mtu", bottom]),
        (json!({"mtu": "1500"}), &["mtu", "\\\"1500\\\""]),
        (json!({"spoofchk": "true"}), &["spoofchk"]),
        (json!({"deviceID": "0000:zz:00.0"}), &["deviceID", "0000:zz:00.0"]),
    ] {
        refused(&plugin, &pod, &nic.conf(&extra), 7, parts);
    }
    let layer_two = nic.conf(&json!({"cniVersion": "0.2.0"}));
    refused(&plugin, &pod, &layer_two, 7, &["cniVersion", "0.2.0", "ipam"]);
}

#[test]
fn a_name_that_exists_in_the_pod_is_left_alone() {
    let (nic, pod, plugin) = (Nic::new("hwname"), Pod::new("name"), Plugin::new());
    pod.run(&["ip", "link", "add", "net1", "type", "bridge"]);
    let conf = nic.conf(&json!({"ipam": plugin.host_local("10.95.0.0/24")}));
    refused(&plugin, &pod, &conf, 102, &["net1"]);
    assert!(plugin.reservations("net-a").is_empty());
}

#[test]
fn a_bad_namespace_is_named() {
    let (nic, pod, plugin) = (Nic::new("hwns"), Pod::new("ns"), Plugin::new());
    let conf = nic.conf(&json!({})).to_string();
    let add = |netns: &str| {
        let variables = [
            ("CNI_CONTAINERID", pod.name()),
            ("CNI_NETNS", netns),
            ("CNI_IFNAME", "net1"),
            ("CNI_PATH", plugin.path.as_str()),
        ];
        plugin.call_with("ADD", &variables, conf.as_bytes())
    };
    let before = host_links();
    add("/run/netns/hw-nosuch").failure_naming(4, &["CNI_NETNS", "/run/netns/hw-nosuch"]);
    add("/etc/passwd").failure_naming(4, &["CNI_NETNS", "/etc/passwd"]);
    add("/proc/self/ns/net").failure(8);
    assert_eq!(host_links(), before);
    assert!(plugin.state_files().is_empty());
}

#[test]
fn an_ipam_plugin_that_is_missing_or_fails_leaves_no_trace() {
    let (nic, pod, mut plugin) = (Nic::new("hwipam"), Pod::new("ipam"), Plugin::new());
    run(&["ip", "link", "set", "hwipam", "mtu", "1450", "up"]);
    let missing = nic.conf(&json!({"mtu": 1300, "ipam": {"type": "nosuch"}}));
    refused(
        &plugin,
        &pod,
        &missing,
        999,
        &["failed to find plugin", "nosuch", &plugin.path.clone()],
    );

    let log = plugin.directory().join("calls");
    let script = format!(
        "#!/bin/sh\necho $CNI_COMMAND >> {}\n[ $CNI_COMMAND = DEL ] && exit 0\n\
         echo '{{\"code\":11,\"msg\":\"try later\",\"details\":\"d\"}}'\nexit 1\n",
        log.display()
    );
    plugin.install("failing", &script);
    let conf = nic.conf(&json!({"mtu": 1300, "ipam": {"type": "failing"}}));
    let before = host_links();
    let error = plugin.call("ADD", &pod, &conf).failure(11);
    assert_eq!((&error["msg"], &error["details"]), (&json!("try later"), &json!("d")));
    assert_eq!(host_links(), before);
    assert!(plugin.state_files().is_empty());
    assert_eq!(fs::read_to_string(&log).expect("the calls"), "ADD\nDEL\n");
}

#[test]
fn a_mac_that_two_interfaces_have_names_neither() {
    let (nic, other) = (Nic::new("hwmac0"), Nic::new("hwmac1"));
    let (pod, plugin) = (Pod::new("twice"), Plugin::new());
    let mac = host_link("hwmac0")["address"].as_str().expect("a MAC").to_owned();
    run(&["ip", "link", "set", "hwmac1", "address", &mac]);
    let conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "hwaddr": mac});
    refused(&plugin, &pod, &conf, 7, &["hwaddr", "hwmac0", "hwmac1"]);
    drop((nic, other));
}

#[test]
fn an_error_of_ipam_without_a_code_is_an_error_all_the_same() {
    let (nic, pod, mut plugin) = (Nic::new("hwcode"), Pod::new("code"), Plugin::new());
    let ipam = plugin.fake_ipam("codeless");
    for error in [
        json!({"code": "x", "msg": "no"}),
        json!({"code": 0, "msg": "no"}),
        json!({"msg": "no"}),
    ] {
        ipam.fails("ADD", &error);
        refused(&plugin, &pod, &nic.conf(&json!({"ipam": ipam.conf()})), 999, &["no"]);
    }
}
