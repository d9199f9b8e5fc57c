//! DEL after an ADD, again, without one, and with less than ADD had.

use hardwire_tests::node::run;
use hardwire_tests::plugin::Scene;
use serde_json::json;

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
        let outcome = scene.call("DEL", &extra).run();
        outcome.silence();
        assert!(outcome.stderr.contains("nosuch"), "it is said: {}", outcome.stderr);
        // An attachment without addresses has none to release, whatever the call says.
        scene.add(&json!({}));
        scene.del(&extra);
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
