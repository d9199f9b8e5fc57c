//! DEL, which works whatever is missing, and CHECK, which really checks (C51 to C57, C60 to C63).
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs;

use hardwire_tests::node::{Pod, Veth, host_links, run, succeeds};
use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

fn merged(one: &Value, other: &Value) -> Value {
    let mut all = one.clone();
    for (key, value) in other.as_object().expect("an object") {
        all[key] = value.clone();
    }
    all
}

// === DEL ===

#[test]
fn c51_del_puts_back_everything_that_add_changed() {
    let mut scene = Scene::new("c51");
    scene.nic.set(&[
        "mtu",
        "1450",
        "alias",
        "spare-nic",
        "address",
        "02:00:00:00:51:01",
        "up",
    ]);
    run(&[
        "ip",
        "link",
        "property",
        "add",
        "dev",
        "hwc51",
        "altname",
        "hwc51-alternative",
    ]);
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let extra = json!({"mtu": 1300, "mac": "02:00:00:00:51:02", "ipam": ipam.conf()});
    scene.unchanged_by(|| {
        scene.add(&extra);
        scene.del(&extra);
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}

#[test]
fn c51_del_leaves_no_alias_where_there_was_none() {
    let scene = Scene::new("c51n");
    scene.add(&json!({}));
    scene.del(&json!({}));
    let link = hardwire_tests::node::host_link("hwc51n");
    assert_eq!(link.get("ifalias"), None, "{link}");
}

#[test]
fn c51_ipam_del_runs_while_the_interface_is_still_in_the_pod() {
    let mut scene = Scene::new("c51i");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    ipam.on(
        "DEL",
        "ip -netns \"${CNI_NETNS##*/}\" -br link show dev $CNI_IFNAME > $here/link 2>&1\n",
    );
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    scene.del(&extra);
    let link = ipam.kept("link").expect("ran");
    assert!(link.starts_with("net1") && link.contains("UP"), "{link}");
}

#[test]
fn c52_del_may_come_any_number_of_times() {
    let mut scene = Scene::new("c52");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let extra = json!({ "ipam": ipam.conf() });
    scene.unchanged_by(|| {
        scene.add(&extra);
        for _ in 0..3 {
            scene.del(&extra);
        }
    });
    // Whether something is left to release is for IPAM to say.
    assert_eq!(ipam.commands(), ["ADD", "DEL", "DEL", "DEL"]);
}

#[test]
fn c53_del_of_what_was_never_added_succeeds_and_asks_ipam() {
    let mut scene = Scene::new("c53");
    let ipam = scene.plugin.fake_ipam("addresses");
    scene.unchanged_by(|| scene.del(&json!({ "ipam": ipam.conf() })));
    assert_eq!(ipam.calls(), [format!("DEL {} net1", scene.pod.name())]);
}

#[test]
fn c54_del_after_a_failed_add_succeeds() {
    let mut scene = Scene::new("c54");
    let ipam = scene.plugin.fake_ipam("failing");
    ipam.fails("ADD", &json!({"code": 11, "msg": "try later"}));
    for extra in [
        json!({ "ipam": ipam.conf() }),
        json!({"ipam": {"type": "static", "addresses": []}}),
        json!({"device": "nosuch0"}),
        json!({"device": null}),
        json!({"mac": "zz"}),
        json!({"vlan": "100"}),
        json!({"runtimeConfig": 3, "args": "x", "dns": 1, "device": {}, "mtu": "y"}),
    ] {
        scene.unchanged_by(|| {
            scene.call("ADD", &extra).run().error();
            scene.del(&extra);
            scene.del(&extra);
        });
    }
}

#[test]
fn c54_del_after_an_add_that_never_could_find_ipam_does_our_part() {
    let scene = Scene::new("c54i");
    let extra = json!({"ipam": {"type": "nosuch"}});
    scene.unchanged_by(|| {
        scene.call("ADD", &extra).run().error();
        // IPAM was there at the time of ADD and is not now: what it holds cannot be released, and that is said.
        scene.add(&json!({}));
        scene
            .call("DEL", &extra)
            .run()
            .error_naming(&["failed to find plugin", "nosuch"]);
    });
}

#[test]
fn c55_del_needs_no_previous_result_and_no_sensible_one() {
    let scene = Scene::new("c55");
    let before = scene.seen();
    for previous in [
        json!(null),
        json!({}),
        json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.5/16"}}),
        json!({"cniVersion": "7.0.0"}),
        json!({"interfaces": "x", "ips": [{"address": "nonsense"}]}),
        json!("text"),
        json!([1]),
    ] {
        scene.add(&json!({}));
        scene.del(&json!({ "prevResult": previous }));
        assert_eq!(scene.seen(), before, "{previous}");
    }
}

#[test]
fn c55_del_needs_no_readable_optional_field() {
    let scene = Scene::new("c55f");
    let before = scene.seen();
    for broken in [
        json!({"vlan": "100"}),
        json!({"mac": 3, "mtu": "x", "spoofchk": true}),
        json!({"runtimeConfig": "x", "args": [1], "dns": 7}),
        json!({"device": null}),
        json!({"device": "another0", "deviceID": "0000:ff:1f.7"}),
        json!({"deviceID": "no address", "pciBusID": 3}),
        json!({"logLevel": 3, "logFile": "/nonexistent/\u{0}"}),
    ] {
        scene.add(&json!({}));
        scene.del(&broken);
        assert_eq!(scene.seen(), before, "{broken}");
    }
}

#[test]
fn c55_del_may_come_in_another_version_than_add() {
    let scene = Scene::new("c55v");
    let before = scene.seen();
    for version in ["", "0.1.0", "0.2.0", "0.3.1", "1.1.0"] {
        scene.add(&json!({}));
        scene.del(&json!({ "cniVersion": version }));
        assert_eq!(scene.seen(), before, "{version}");
    }
}

#[test]
fn c56_del_of_a_device_that_went_away_succeeds_and_asks_ipam() {
    let mut scene = Scene::new("c56");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    scene.nic.remove();
    scene.del(&extra);
    scene.del(&extra);
    assert_eq!(ipam.commands(), ["ADD", "DEL", "DEL"]);
    assert!(
        scene.plugin.state_files().is_empty(),
        "{:?}",
        scene.plugin.state_files()
    );
}

#[test]
fn c56_del_with_an_unreadable_record_succeeds_and_says_so() {
    let scene = Scene::new("c56r");
    for garbage in ["", "{", "null", "[]", "{\"device\":3}", "\u{0}\u{1}"] {
        scene.add(&json!({}));
        let records: Vec<_> = scene
            .plugin
            .state_files()
            .into_iter()
            .filter(|path| path.parent().is_some_and(|room| room.ends_with("attachments")))
            .collect();
        assert_eq!(records.len(), 1);
        fs::write(&records[0], garbage).expect("a record");
        let outcome = scene.call("DEL", &json!({})).run();
        outcome.silence();
        assert!(
            outcome.stderr.contains(&*records[0].to_string_lossy()),
            "{garbage:?}: {}",
            outcome.stderr
        );
        // The next round begins on a clean node.
        drop(fs::remove_file(&records[0]));
        succeeds(&[
            "ip",
            "-netns",
            scene.pod.name(),
            "link",
            "set",
            "net1",
            "netns",
            "1",
            "name",
            "hwc56r",
        ]);
        scene.nic.remove();
        run(&["ip", "link", "add", "hwc56r", "type", "veth", "peer", "name", "hwc56rp"]);
    }
}

#[test]
fn c56_an_unreadable_record_of_another_device_is_nobody_elses_trouble() {
    let scene = Scene::new("c56o");
    let records = scene.plugin.state().join("attachments");
    fs::create_dir_all(&records).expect("a folder");
    fs::write(records.join("0000:3b:02.1.json"), "{").expect("a record");
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        scene.del(&json!({}));
    });
}

#[test]
fn c57_an_error_of_ipam_del_is_reported_after_our_own_cleaning() {
    let mut scene = Scene::new("c57");
    scene.nic.set(&["mtu", "1450", "up"]);
    let ipam = scene.plugin.fake_ipam("sick");
    ipam.gives_an_address();
    let extra = json!({"mtu": 1300, "ipam": ipam.conf()});
    scene.unchanged_by(|| {
        scene.add(&extra);
        ipam.fails("DEL", &json!({"code": 113, "msg": "sick", "details": "d"}));
        let error = scene.call("DEL", &extra).run().error();
        assert_eq!(
            (&error["code"], &error["msg"], &error["details"]),
            (&json!(113), &json!("sick"), &json!("d"))
        );
        assert_eq!(scene.pod.link_names(), ["lo"]);
        let link = hardwire_tests::node::host_link("hwc57");
        assert_eq!((&link["mtu"], &link["flags"]), (&json!(1450), &json!(["UP"])));
        scene.call("DEL", &extra).run().error();
        ipam.on("DEL", "");
        scene.del(&extra);
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL", "DEL", "DEL"]);
}

#[test]
fn c57_a_device_is_free_for_the_next_pod_although_ipam_del_failed() {
    let mut scene = Scene::new("c57n");
    let next = Pod::new("c57-next");
    let ipam = scene.plugin.fake_ipam("sick");
    ipam.gives_an_address();
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    ipam.fails("DEL", &json!({"code": 113, "msg": "sick"}));
    scene.call("DEL", &extra).run().error();
    scene.plugin.add(&next, &scene.conf(&json!({})));
    scene.plugin.del(&next, &scene.conf(&json!({})));
}

#[test]
fn del_releases_the_address_and_the_device_without_a_namespace() {
    let scene = Scene::new("nons");
    let extra = json!({"ipam": scene.plugin.host_local("10.53.0.0/24")});
    scene.unchanged_by(|| {
        scene.add(&extra);
        assert_eq!(scene.plugin.reservations("net-a").len(), 1);
        scene.call("DEL", &extra).unset("CNI_NETNS").run().silence();
        assert!(scene.plugin.reservations("net-a").is_empty());
    });
}

#[test]
fn del_succeeds_when_the_namespaces_path_is_gone_or_names_none() {
    let scene = Scene::new("nopath");
    let file = scene.plugin.directory().join("file");
    fs::write(&file, "").expect("a file");
    let extra = json!({"ipam": scene.plugin.host_local("10.54.0.0/24")});
    for path in [
        "/run/netns/hw-nosuch",
        file.to_str().expect("UTF-8"),
        "/run",
        "/dev/null",
    ] {
        scene.unchanged_by(|| {
            scene.add(&extra);
            scene.call("DEL", &extra).set("CNI_NETNS", path).run().silence();
        });
        assert!(scene.plugin.reservations("net-a").is_empty(), "{path}");
    }
}

#[test]
fn del_after_the_end_of_the_namespace_releases_what_is_left() {
    let mut scene = Scene::new("nsend");
    let extra = json!({"ipam": scene.plugin.host_local("10.55.0.0/24")});
    scene.add(&extra);
    let call = scene.call("DEL", &extra);
    let gone = std::mem::replace(&mut scene.pod, Pod::new("nsend-next"));
    gone.delete();
    // The kernel destroys a veth with its namespace, in its own time.
    call.run().silence();
    call.run().silence();
    assert!(scene.plugin.reservations("net-a").is_empty());
    assert!(
        scene.plugin.state_files().is_empty(),
        "{:?}",
        scene.plugin.state_files()
    );
}

#[test]
fn a_late_del_does_not_touch_the_next_pods_attachment() {
    let scene = Scene::new("late");
    let next = Pod::new("late-next");
    let conf = scene.conf(&json!({}));
    scene.add(&json!({}));
    scene.del(&json!({}));
    scene.plugin.add(&next, &conf);
    let link = next.link("net1");
    for _ in 0..2 {
        scene.del(&json!({}));
        scene.call("DEL", &json!({})).unset("CNI_NETNS").run().silence();
    }
    assert!(link.is_some());
    assert_eq!(next.link("net1"), link);
    scene.plugin.del(&next, &conf);
}

#[test]
fn del_is_for_one_interface_of_one_container() {
    let scene = Scene::new("two");
    let other = Veth::new("hwtwob");
    let before = host_links();
    let second = |command| {
        scene
            .call(command, &json!({"device": other.name()}))
            .set("CNI_IFNAME", "net2")
    };
    scene.add(&json!({}));
    second("ADD").run().success();
    scene.call("DEL", &json!({})).set("CNI_IFNAME", "net3").run().silence();
    assert_eq!(scene.pod.link_names(), ["lo", "net1", "net2"]);
    scene.del(&json!({}));
    assert_eq!(scene.pod.link_names(), ["lo", "net2"]);
    second("DEL").run().silence();
    assert_eq!(host_links(), before);
}

#[test]
fn del_works_from_the_record_and_not_from_the_device_of_the_configuration() {
    let scene = Scene::new("rec");
    let other = Veth::new("hwrecb");
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        scene.del(&json!({"device": other.name()}));
    });
}

#[test]
fn del_finds_the_interface_that_the_application_renamed_and_set_down() {
    let scene = Scene::new("ren");
    scene.nic.set(&["up"]);
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        scene.pod.run(&["ip", "link", "set", "net1", "down"]);
        scene.pod.run(&["ip", "link", "set", "net1", "name", "data0"]);
        scene.del(&json!({}));
    });
}

#[test]
fn del_takes_the_interface_out_of_a_bridge_that_the_application_made() {
    let scene = Scene::new("master");
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        scene.pod.run(&["ip", "link", "add", "br7", "type", "bridge"]);
        scene.pod.run(&["ip", "link", "set", "net1", "master", "br7"]);
        scene.del(&json!({}));
        scene.pod.run(&["ip", "link", "del", "br7"]);
    });
}

#[test]
fn a_host_name_that_was_taken_meanwhile_does_not_strand_the_device() {
    let scene = Scene::new("taken");
    let mac = scene.add(&json!({}))["interfaces"][0]["mac"].clone();
    run(&["ip", "link", "add", "hwtaken", "type", "bridge"]);
    let outcome = scene.call("DEL", &json!({})).run();
    let on_host = host_links().into_iter().filter(|link| link["address"] == mac).count();
    run(&["ip", "link", "del", "hwtaken"]);
    // With status 0 nobody comes again, so it is back under another name, and that is said.
    assert!(
        outcome.stdout.contains("hwtaken") || outcome.stderr.contains("hwtaken"),
        "{outcome:?}"
    );
    let in_pod = scene.pod.link_names().len() - 1;
    assert_eq!(on_host + in_pod, 1, "{outcome:?}");
    assert!(outcome.status != 0 || on_host == 1, "{outcome:?}");
}

#[test]
fn a_host_name_that_is_free_again_is_restored_by_the_next_del() {
    let scene = Scene::new("retry");
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        run(&["ip", "link", "add", "hwretry", "type", "bridge"]);
        scene.call("DEL", &json!({})).run();
        run(&["ip", "link", "del", "hwretry"]);
        scene.del(&json!({}));
    });
}

// === CHECK ===

/// What `static` gives in the tests of CHECK.
fn checked_ipam() -> Value {
    json!({
        "type": "static",
        "addresses": [{"address": "10.60.0.5/24", "gateway": "10.60.0.1"}, {"address": "fd60::5/64"}],
        "routes": [{"dst": "10.91.0.0/16"}, {"dst": "10.92.0.0/16", "gw": "10.60.0.9"}, {"dst": "fd91::/64", "gw": "fd60::9"}],
    })
}

#[test]
fn c60_check_after_add_is_content_and_silent_at_once() {
    let scene = Scene::new("c60");
    for (version, ipam) in [
        ("0.4.0", json!(null)),
        ("0.4.0", checked_ipam()),
        ("1.0.0", json!(null)),
        ("1.0.0", checked_ipam()),
        ("1.1.0", json!(null)),
    ] {
        let extra = json!({"cniVersion": version, "ipam": ipam});
        let result = scene.add(&extra);
        scene.check(&extra, &result).run().silence();
        scene.del(&extra);
    }
}

#[test]
fn c60_check_with_host_local_asks_it() {
    let scene = Scene::new("c60h");
    let extra = json!({"ipam": scene.plugin.host_local("10.61.0.0/24")});
    let result = scene.add(&extra);
    scene.check(&extra, &result).run().silence();
    for address in scene.plugin.reservations("net-a") {
        fs::remove_file(scene.plugin.directory().join("ipam/net-a").join(address)).expect("a reservation");
    }
    scene.check(&extra, &result).run().error();
    scene.del(&extra);
}

#[test]
fn c61_check_needs_a_previous_result_in_the_configurations_version() {
    let scene = Scene::new("c61");
    let result = scene.add(&json!({}));
    for absent in [json!({}), json!({"prevResult": null})] {
        let error = scene.call("CHECK", &absent).run().error_naming(&["prevResult"]);
        assert_eq!(error["code"], 7, "{absent}: {error}");
    }
    let other = merged(&result, &json!({"cniVersion": "0.4.0"}));
    scene
        .check(&json!({}), &other)
        .run()
        .error_naming(&["prevResult", "0.4.0"]);
    let broken = merged(&result, &json!({"interfaces": "x"}));
    scene.check(&json!({}), &broken).run().error_naming(&["interfaces"]);
    let mut without = result.clone();
    without.as_object_mut().expect("an object").remove("cniVersion");
    scene.check(&json!({}), &without).run().silence();
    scene.del(&json!({}));
}

/// Runs CHECK after each change, which must be named, and after its undoing, which must content it.
#[track_caller]
fn each_change_is_seen(name: &str, rows: &[(&[&str], &[&str], &[&str])]) {
    let scene = Scene::new(name);
    scene.nic.set(&["up"]);
    run(&["ip", "link", "set", &scene.nic.neighbour(), "up"]);
    let extra = json!({ "ipam": checked_ipam() });
    let result = scene.add(&extra);
    for (change, undo, parts) in rows {
        for line in *change {
            scene.pod.run(&line.split(' ').collect::<Vec<_>>());
        }
        let outcome = scene.check(&extra, &result).run();
        assert_ne!(outcome.status, 0, "{change:?} was not seen");
        outcome.error_naming(parts);
        for line in *undo {
            scene.pod.run(&line.split(' ').collect::<Vec<_>>());
        }
        if !undo.is_empty() {
            scene.check(&extra, &result).run().silence();
        }
    }
    scene.del(&extra);
}

#[test]
fn c62_check_names_a_missing_or_renamed_link() {
    each_change_is_seen(
        "c62l",
        &[(
            &["ip link set net1 down", "ip link set net1 name other0"],
            &[],
            &["net1"],
        )],
    );
}

#[test]
fn c62_check_names_a_link_that_was_moved_and_one_in_its_place() {
    let scene = Scene::new("c62m");
    let other = Pod::new("c62m-other");
    let result = scene.add(&json!({}));
    scene.pod.run(&["ip", "link", "set", "net1", "netns", other.name()]);
    scene.check(&json!({}), &result).run().error_naming(&["net1"]);
    scene.pod.run(&["ip", "link", "add", "net1", "type", "bridge"]);
    scene.check(&json!({}), &result).run().error_naming(&["net1"]);
    scene.pod.run(&["ip", "link", "del", "net1"]);
    other.run(&["ip", "link", "set", "net1", "netns", scene.pod.name()]);
    scene.del(&json!({}));
}

#[test]
fn c62_check_names_another_mac() {
    let scene = Scene::new("c62a");
    let extra = json!({"mac": "02:00:00:00:62:01"});
    let result = scene.add(&extra);
    scene
        .pod
        .run(&["ip", "link", "set", "net1", "address", "02:00:00:00:62:02"]);
    scene
        .check(&extra, &result)
        .run()
        .error_naming(&["02:00:00:00:62:01", "02:00:00:00:62:02"]);
    scene.del(&extra);
}

#[test]
fn c62_check_names_a_missing_address_and_another_prefix_length() {
    each_change_is_seen(
        "c62i",
        &[(
            &[
                "ip address add 10.60.0.6/24 dev net1",
                "ip address del 10.60.0.5/24 dev net1",
            ],
            &[],
            &["10.60.0.5/24"],
        )],
    );
    each_change_is_seen(
        "c62j",
        &[(
            &[
                "ip address del fd60::5/64 dev net1",
                "ip address add fd60::5/72 dev net1 nodad",
            ],
            &[],
            &["fd60::5/64"],
        )],
    );
}

#[test]
fn c62_check_names_a_deleted_route() {
    each_change_is_seen(
        "c62r",
        &[
            (
                &["ip route del 10.91.0.0/16"],
                &["ip route add 10.91.0.0/16 via 10.60.0.1"],
                &["10.91.0.0/16"],
            ),
            (
                &["ip route replace 10.92.0.0/16 via 10.60.0.8"],
                &["ip route replace 10.92.0.0/16 via 10.60.0.9"],
                &["10.92.0.0/16"],
            ),
            (
                &["ip -6 route del fd91::/64"],
                &["ip -6 route add fd91::/64 via fd60::9 dev net1"],
                &["fd91::/64"],
            ),
        ],
    );
}

#[test]
fn c63_check_names_another_sandbox() {
    let scene = Scene::new("c63");
    let result = scene.add(&json!({}));
    let mut other = result.clone();
    other["interfaces"][0]["sandbox"] = json!("/run/netns/another");
    scene
        .check(&json!({}), &other)
        .run()
        .error_naming(&["/run/netns/another", &scene.pod.path()]);
    let mut none = result.clone();
    none["interfaces"][0]
        .as_object_mut()
        .expect("an object")
        .remove("sandbox");
    scene.check(&json!({}), &none).run().error_naming(&["net1"]);
    let empty = merged(&result, &json!({"interfaces": []}));
    scene.check(&json!({}), &empty).run().error_naming(&["net1"]);
    scene.del(&json!({}));
}

#[test]
fn c63_an_error_of_ipam_check_is_ours_to_the_letter() {
    let mut scene = Scene::new("c63i");
    let ipam = scene.plugin.fake_ipam("checking");
    ipam.gives_an_address();
    let extra = json!({ "ipam": ipam.conf() });
    let result = scene.add(&extra);
    let call = scene.check(&extra, &result);
    call.run().silence();
    let stdin = ipam.stdin("CHECK").expect("it was asked");
    let conf = merged(&scene.conf(&extra), &json!({ "prevResult": result }));
    assert_eq!(String::from_utf8(stdin).expect("UTF-8"), conf.to_string());
    ipam.fails("CHECK", &json!({"code": 112, "msg": "not mine", "details": "d"}));
    let error = call.run().error();
    assert_eq!(
        (&error["code"], &error["msg"], &error["details"]),
        (&json!(112), &json!("not mine"), &json!("d"))
    );
    scene.del(&extra);
}

#[test]
fn check_of_what_was_never_added_is_an_error() {
    let scene = Scene::new("never");
    let result = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:01", "sandbox": scene.pod.path()}],
    });
    scene.unchanged_by(|| scene.check(&json!({}), &result).run().error_naming(&["net1"]));
}

#[test]
fn check_in_a_namespace_that_is_gone_is_an_error() {
    let scene = Scene::new("nsgone");
    let result = scene.add(&json!({}));
    let call = scene
        .check(&json!({}), &result)
        .set("CNI_NETNS", "/run/netns/hw-nosuch");
    call.run().error_naming(&["/run/netns/hw-nosuch"]);
    scene.del(&json!({}));
}

#[test]
fn check_changes_nothing() {
    let scene = Scene::new("still");
    let extra = json!({"ipam": checked_ipam(), "mtu": 1400});
    let result = scene.add(&extra);
    let link = scene.pod.link("net1");
    scene.unchanged_by(|| scene.check(&extra, &result).run().silence());
    assert_eq!(scene.pod.link("net1"), link);
    scene.del(&extra);
}

#[test]
fn check_tolerates_what_sbr_does_to_routes() {
    let scene = Scene::new("sbr");
    scene.nic.set(&["up"]);
    run(&["ip", "link", "set", &scene.nic.neighbour(), "up"]);
    let extra = json!({ "ipam": checked_ipam() });
    let result = scene.add(&extra);
    for route in ["10.91.0.0/16 via 10.60.0.1", "10.92.0.0/16 via 10.60.0.9"] {
        scene.pod.run(&[
            "sh",
            "-c",
            &format!("ip route del {route} && ip route add {route} table 100"),
        ]);
    }
    scene.pod.run(&[
        "sh",
        "-c",
        "ip -6 route del fd91::/64 && ip -6 route add fd91::/64 via fd60::9 dev net1 table 100",
    ]);
    scene.pod.run(&["ip", "route", "del", "10.60.0.0/24", "dev", "net1"]);
    scene
        .pod
        .run(&["ip", "rule", "add", "from", "10.60.0.5", "table", "100"]);
    scene.check(&extra, &result).run().silence();
    scene.del(&extra);
}

#[test]
fn check_tolerates_what_tuning_does_to_mac_and_mtu() {
    let scene = Scene::new("tuning");
    let extra = json!({"mac": "02:00:00:00:63:01", "mtu": 1450});
    let mut result = scene.add(&extra);
    scene.pod.run(&[
        "ip",
        "link",
        "set",
        "net1",
        "address",
        "02:00:00:00:63:02",
        "mtu",
        "1400",
        "promisc",
        "on",
    ]);
    result["interfaces"][0]["mac"] = json!("02:00:00:00:63:02");
    scene.check(&extra, &result).run().silence();
    scene.del(&extra);
}

#[test]
fn check_tolerates_what_vrf_does_to_link_and_routes() {
    let scene = Scene::new("vrf");
    scene.nic.set(&["up"]);
    run(&["ip", "link", "set", &scene.nic.neighbour(), "up"]);
    if !succeeds(&[
        "ip",
        "-netns",
        scene.pod.name(),
        "link",
        "add",
        "red",
        "type",
        "vrf",
        "table",
        "1001",
    ]) {
        // Only some kernels have it; the emulated node's is one of them.
        assert!(!std::path::Path::new("/sys/bus/netdevsim").exists(), "vrf");
        return;
    }
    let ipam = json!({"type": "static", "addresses": [{"address": "10.60.0.5/24", "gateway": "10.60.0.1"}],
                      "routes": [{"dst": "10.91.0.0/16"}]});
    let extra = json!({ "ipam": ipam });
    let result = scene.add(&extra);
    scene.pod.run(&["ip", "link", "set", "red", "up"]);
    scene.pod.run(&["ip", "link", "set", "net1", "master", "red"]);
    // The plugin puts the routes back into the table of the VRF.
    scene.pod.run(&[
        "sh",
        "-c",
        "ip route del 10.91.0.0/16; ip route add 10.91.0.0/16 via 10.60.0.1 dev net1 table 1001",
    ]);
    scene.check(&extra, &result).run().silence();
    scene.del(&extra);
}

#[test]
fn check_tolerates_more_addresses_routes_and_interfaces_than_ours() {
    let scene = Scene::new("more");
    scene.nic.set(&["up"]);
    let extra = json!({ "ipam": checked_ipam() });
    let mut result = scene.add(&extra);
    scene.pod.run(&["ip", "address", "add", "10.65.0.5/24", "dev", "net1"]);
    scene
        .pod
        .run(&["ip", "route", "add", "10.95.0.0/16", "via", "10.65.0.1"]);
    // Of a plugin behind us in the chain: another interface, and an address on it that is not ours to find.
    let interfaces = result["interfaces"].as_array_mut().expect("interfaces");
    interfaces.push(json!({"name": "other0", "sandbox": scene.pod.path()}));
    interfaces.push(json!({"name": "vethhost"}));
    result["ips"]
        .as_array_mut()
        .expect("ips")
        .push(json!({"interface": 1, "address": "10.66.0.5/24"}));
    scene.check(&extra, &result).run().silence();
    scene.del(&extra);
}
