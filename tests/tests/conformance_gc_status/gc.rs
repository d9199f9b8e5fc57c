//! GC: what it releases, and what it leaves.

use std::fs;

use hardwire_tests::node::{Pod, Veth, host_links};
use hardwire_tests::plugin::Plugin;
use serde_json::json;

use super::{Attachments, caller};

#[test]
fn c64_gc_releases_what_is_of_the_network_and_not_listed() {
    let all = Attachments::new("c64", &["net-a", "net-a", "net-b"]);
    let list = json!([all.entry(0)]);
    all.gc(&json!({"cni.dev/valid-attachments": list, "cni.dev/attachments": list}))
        .run()
        .silence();
    assert_eq!(all.attached(), [0, 2]);
    // Twice is the same as once.
    all.gc(&json!({ "cni.dev/valid-attachments": list })).run().silence();
    assert_eq!(all.attached(), [0, 2]);
    all.end();
}

#[test]
fn c64_gc_restores_the_device_as_del_does() {
    let mut plugin = Plugin::new();
    let ipam = plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let (pod, nic) = (Pod::new("c64r"), Veth::new("hwc64r"));
    nic.set(&[
        "mtu",
        "1450",
        "alias",
        "spare-nic",
        "address",
        "02:00:00:00:64:01",
        "up",
    ]);
    let before = host_links();
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire", "device": nic.name(), "mtu": 1300,
                          "mac": "02:00:00:00:64:02"});
    plugin.add(&pod, &conf);
    conf["cni.dev/valid-attachments"] = json!([]);
    caller(&plugin, "GC").stdin(conf.to_string()).run().silence();
    assert_eq!((host_links(), pod.link_names()), (before, vec!["lo".to_owned()]));
    assert!(plugin.state_files().is_empty());
}

#[test]
fn c64_gc_asks_ipam_to_collect_with_the_same_stdin_and_environment() {
    let all = Attachments::new("c64i", &["net-a"]);
    let call = all.gc(&json!({"cni.dev/valid-attachments": [all.entry(0)], "x": [1, 2.5, "<&>"]}));
    let stdin = format!(
        "  {{\"name\":\"net-a\",\"cniVersion\":\"1.1.0\",\"ipam\":{{\"type\":\"addresses\"}},\
         \"cni.dev/valid-attachments\":[{{\"containerID\":\"{}\",\"ifname\":\"net1\"}}]}}\n",
        all.id(0)
    );
    call.stdin(stdin.clone()).run().silence();
    assert_eq!(all.ipam_calls(), ["GC  "]);
    assert_eq!(all.ipam.stdin("GC").map(String::from_utf8), Some(Ok(stdin)));
    assert_eq!(all.ipam.environment("GC").get("CNI_PATH"), Some(&all.plugin.path));
    all.end();
}

#[test]
fn c64_gc_releases_the_addresses_of_what_it_releases() {
    let all = Attachments::new("c64d", &["net-a", "net-a"]);
    all.gc(&json!({"cni.dev/valid-attachments": [all.entry(0)]}))
        .run()
        .silence();
    let calls = all.ipam_calls();
    assert!(calls.contains(&format!("DEL {} net1", all.id(1))), "{calls:?}");
    assert!(!calls.contains(&format!("DEL {} net1", all.id(0))), "{calls:?}");
    all.end();
}

#[test]
fn c64_the_misspelt_list_counts_where_the_right_one_is_absent() {
    let all = Attachments::new("c64m", &["net-a", "net-a"]);
    all.gc(&json!({"cni.dev/attachments": [all.entry(1)]})).run().silence();
    assert_eq!(all.attached(), [1]);
    all.end();
}

#[test]
fn c64_the_right_list_counts_where_both_are_given() {
    let all = Attachments::new("c64b", &["net-a", "net-a"]);
    all.gc(&json!({"cni.dev/valid-attachments": [all.entry(0)], "cni.dev/attachments": [all.entry(1)]}))
        .run()
        .silence();
    assert_eq!(all.attached(), [0]);
    all.end();
}

#[test]
fn c64_an_empty_list_and_null_mean_that_nothing_is_valid() {
    for (name, empty) in [("c64e", json!([])), ("c64z", json!(null))] {
        let all = Attachments::new(name, &["net-a", "net-b"]);
        all.gc(&json!({ "cni.dev/valid-attachments": empty })).run().silence();
        assert_eq!(all.attached(), [1], "{empty}");
        all.end();
    }
}

#[test]
fn c64_without_any_list_nothing_is_released() {
    let all = Attachments::new("c64n", &["net-a"]);
    let outcome = all.gc(&json!({})).run();
    outcome.silence();
    assert!(!outcome.stderr.is_empty(), "it is logged");
    assert_eq!(all.attached(), [0]);
    all.end();
}

#[test]
fn c64_an_attachment_is_container_and_interface() {
    let all = Attachments::new("c64c", &["net-a", "net-a"]);
    let list = json!([{"containerID": all.id(0), "ifname": "net2"}, {"containerID": "another", "ifname": "net1"},
                      {"containerID": all.id(1), "ifname": "net1", "more": 1}]);
    all.gc(&json!({ "cni.dev/valid-attachments": list })).run().silence();
    assert_eq!(all.attached(), [1]);
    all.end();
}

#[test]
fn c64_a_list_that_is_none_releases_nothing() {
    let all = Attachments::new("c64x", &["net-a"]);
    for broken in [
        json!("x"),
        json!({}),
        json!([1]),
        json!([{"containerID": 3, "ifname": "net1"}]),
    ] {
        let error = all.gc(&json!({ "cni.dev/valid-attachments": broken })).run();
        let error = error.error_naming(&["cni.dev/valid-attachments"]);
        assert!(matches!(error["code"].as_u64(), Some(6 | 7)), "{broken}: {error}");
        assert_eq!(all.attached(), [0], "{broken}");
    }
    all.end();
}

#[test]
fn c64_gc_releases_what_ended_with_its_namespace() {
    let mut all = Attachments::new("c64g", &["net-a", "net-a"]);
    let (pod, nic, _network) = all.made.remove(1);
    let stale = pod.name().to_owned();
    pod.delete();
    // veth ends with the namespace, in the kernel's own time; here it is made certain.
    nic.remove();
    all.gc(&json!({"cni.dev/valid-attachments": [all.entry(0)]}))
        .run()
        .silence();
    let records: Vec<_> = all
        .plugin
        .state_files()
        .into_iter()
        .filter(|file| fs::read_to_string(file).is_ok_and(|text| text.contains(&stale)))
        .collect();
    assert!(records.is_empty(), "{records:?}");
    assert_eq!(all.attached(), [0]);
}

#[test]
fn c64_gc_needs_no_device_in_the_configuration_and_no_sensible_one() {
    let all = Attachments::new("c64o", &["net-a"]);
    for extra in [
        json!({"device": "nosuch0"}),
        json!({"deviceID": "no address", "mac": 3, "vlan": "x", "mtu": -1}),
        json!({"runtimeConfig": "x", "args": 1, "dns": "x"}),
    ] {
        let mut lists = extra.clone();
        lists["cni.dev/valid-attachments"] = json!([all.entry(0)]);
        all.gc(&lists).run().silence();
    }
    all.end();
}

#[test]
fn c64_gc_without_ipam_asks_nobody() {
    let all = Attachments::new("c64q", &["net-a"]);
    all.gc(&json!({"cni.dev/valid-attachments": [all.entry(0)], "ipam": null}))
        .run()
        .silence();
    assert_eq!(all.ipam_calls(), Vec::<String>::new());
    all.end();
}

#[test]
fn c64_gc_of_an_unknown_network_does_nothing() {
    let all = Attachments::new("c64u", &["net-a", "net-b"]);
    all.gc(&json!({"name": "net-c", "cni.dev/valid-attachments": []}))
        .run()
        .silence();
    assert_eq!(all.attached(), [0, 1]);
    all.end();
}

#[test]
fn c65_one_failure_is_listed_and_does_not_keep_the_others() {
    let all = Attachments::new("c65", &["net-a", "net-a", "net-a"]);
    let sick = format!(
        "[ $CNI_CONTAINERID = {} ] || exit 0\necho '{{\"code\":113,\"msg\":\"sick\"}}'\nexit 1\n",
        all.id(1)
    );
    all.ipam.on("DEL", &sick);
    all.gc(&json!({"cni.dev/valid-attachments": []}))
        .run()
        .error_naming(&["sick", all.id(1)]);
    // Our own part was done for all of them, and IPAM was asked to collect.
    assert_eq!(all.attached(), Vec::<usize>::new());
    let calls = all.ipam_calls();
    for index in 0..3 {
        assert!(calls.contains(&format!("DEL {} net1", all.id(index))), "{calls:?}");
    }
    assert!(calls.contains(&"GC  ".to_owned()), "{calls:?}");
    all.ipam.on("DEL", "");
    all.end();
}

#[test]
fn c65_several_failures_are_listed_together() {
    let all = Attachments::new("c65s", &["net-a", "net-a"]);
    all.ipam.on(
        "DEL",
        "echo \"{\\\"code\\\":113,\\\"msg\\\":\\\"sick $CNI_CONTAINERID\\\"}\"\nexit 1\n",
    );
    all.ipam.fails("GC", &json!({"code": 114, "msg": "collecting failed"}));
    let call = all.gc(&json!({"cni.dev/valid-attachments": []}));
    call.run().error_naming(&[all.id(0), all.id(1), "collecting failed"]);
    assert_eq!(all.attached(), Vec::<usize>::new());
    all.ipam.on("DEL", "");
    all.end();
}

#[test]
fn c65_an_error_of_ipam_gc_is_reported_after_our_own_part() {
    let all = Attachments::new("c65g", &["net-a"]);
    all.ipam.fails("GC", &json!({"code": 114, "msg": "collecting failed"}));
    let error = all.gc(&json!({"cni.dev/valid-attachments": []})).run();
    let error = error.error_naming(&["collecting failed"]);
    assert_eq!(error["code"], 114);
    assert_eq!(all.attached(), Vec::<usize>::new());
    all.end();
}

#[test]
fn c65_an_ipam_plugin_that_cannot_collect_is_no_error_of_the_release() {
    let all = Attachments::new("c65h", &["net-a"]);
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire", "ipam": {"type": "nosuch"}});
    conf["cni.dev/valid-attachments"] = json!([]);
    let outcome = caller(&all.plugin, "GC").stdin(conf.to_string()).run();
    outcome.error_naming(&["failed to find plugin", "nosuch"]);
    assert_eq!(all.attached(), Vec::<usize>::new());
    all.end();
}

#[test]
fn c65_an_unreadable_record_does_not_keep_the_others() {
    let all = Attachments::new("c65r", &["net-a"]);
    let record = all.plugin.state().join("attachments/0000:3b:02.1.json");
    fs::write(&record, "{").expect("a record");
    let outcome = all.gc(&json!({"cni.dev/valid-attachments": []})).run();
    assert!(
        outcome.stderr.contains("0000:3b:02.1") || outcome.stdout.contains("0000:3b:02.1"),
        "{outcome:?}"
    );
    assert_eq!(all.attached(), Vec::<usize>::new());
    fs::remove_file(record).expect("the record");
    all.end();
}

#[test]
fn gc_on_a_clean_node_does_nothing() {
    let plugin = Plugin::new();
    let conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire", "cni.dev/valid-attachments": []});
    caller(&plugin, "GC").stdin(conf.to_string()).run().silence();
    assert!(plugin.state_files().is_empty());
}

#[test]
fn c65_an_ipam_plugin_that_knows_no_gc_collects_nothing_and_one_that_is_unclear_is_named() {
    let all = Attachments::new("gcold", &["net-a"]);
    for (version, spoken) in [("1.1.0", json!(["1.1.0"])), ("1.0.0", json!(["1.0.0"]))] {
        all.ipam
            .says("VERSION", &json!({"cniVersion": version, "supportedVersions": spoken}));
        for (code, msg) in [(3, "missing containerID"), (4, "unknown CNI_COMMAND: GC")] {
            all.ipam.fails("GC", &json!({"code": code, "msg": msg}));
            let outcome = all.gc(&json!({"cni.dev/valid-attachments": [all.entry(0)]})).run();
            outcome.silence();
            assert!(outcome.stderr.contains("IPAM plugin addresses"), "{}", outcome.stderr);
        }
    }
    all.ipam.on("VERSION", "exit 1\n");
    all.ipam.fails("GC", &json!({"code": 3, "msg": "missing containerID"}));
    let outcome = all.gc(&json!({"cni.dev/valid-attachments": [all.entry(0)]})).run();
    let error = outcome.error_naming(&["IPAM plugin addresses", "missing containerID"]);
    assert_eq!(error["code"], 999, "{error}");
    all.end();
}
