//! CHECK names what is not as ADD left it.

use std::fs;

use hardwire_tests::node::{Pod, run};
use hardwire_tests::plugin::Scene;
use serde_json::json;

use super::{checked_ipam, merged};

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
