//! Which network namespace is taken, and which is refused.

use std::fs;

use hardwire_tests::node::{Pod, run};
use hardwire_tests::plugin::Scene;
use serde_json::json;

use super::{SAME_NETNS, fails};

#[test]
fn c21_the_plugins_own_netns_is_refused_before_anything_is_done() {
    let scene = Scene::new("c21");
    let of_this_process = format!("/proc/{}/ns/net", std::process::id());
    scene.unchanged_by(|| {
        for netns in ["/proc/self/ns/net", of_this_process.as_str()] {
            let call = scene.call("ADD", &json!({})).set("CNI_NETNS", netns);
            fails(&call, 8, SAME_NETNS);
            for no in ["", "0", "false", "yes"] {
                fails(&call.clone().set("CNI_NETNS_OVERRIDE", no), 8, SAME_NETNS);
            }
        }
    });
}

#[test]
fn c21_del_in_the_plugins_own_netns_is_refused_before_anything_is_done() {
    let scene = Scene::new("c21d");
    scene.add(&json!({}));
    scene.unchanged_by(|| {
        let call = scene.call("DEL", &json!({})).set("CNI_NETNS", "/proc/self/ns/net");
        fails(&call, 8, SAME_NETNS);
    });
    scene.del(&json!({}));
}

#[test]
fn c21_with_the_override_the_plugins_own_netns_is_used() {
    let scene = Scene::new("c21o");
    let before = scene.seen();
    for yes in ["1", "true", "TRUE", "True"] {
        let call = |command| {
            let call = scene.call(command, &json!({})).set("CNI_NETNS", "/proc/self/ns/net");
            call.set("CNI_NETNS_OVERRIDE", yes).set("CNI_IFNAME", "hwoverride")
        };
        let result = call("ADD").run().success();
        assert_eq!(result["interfaces"][0]["name"], "hwoverride");
        assert_eq!(result["interfaces"][0]["sandbox"], "/proc/self/ns/net");
        run(&["ip", "link", "show", "dev", "hwoverride"]);
        call("DEL").run().silence();
    }
    assert_eq!(scene.seen(), before);
}

#[test]
fn c22_a_netns_that_is_none_is_named_and_nothing_is_touched() {
    let mut scene = Scene::new("c22");
    let ipam = scene.plugin.fake_ipam("never");
    let file = scene.plugin.directory().join("file");
    fs::write(&file, "").expect("a file");
    let directory = scene.plugin.directory().to_owned();
    scene.unchanged_by(|| {
        for path in [
            "/run/netns/hw-nosuch",
            "relative",
            "/proc/self/ns/mnt",
            "/dev/null",
            file.to_str().expect("UTF-8"),
            directory.to_str().expect("UTF-8"),
        ] {
            let call = scene.call("ADD", &json!({"ipam": ipam.conf()})).set("CNI_NETNS", path);
            let error = call.run().error_naming(&[path]);
            assert_eq!(error["code"], 4, "{path}: {error}");
        }
    });
    assert!(ipam.calls().is_empty());
}

#[test]
fn each_call_takes_the_pod_of_its_own_environment() {
    let scene = Scene::new("own");
    let other = Pod::new("own-other");
    let result = scene
        .call("ADD", &json!({}))
        .set("CNI_NETNS", other.path())
        .run()
        .success();
    assert_eq!(result["interfaces"][0]["sandbox"], other.path());
    assert_eq!(scene.pod.link_names(), ["lo"]);
    scene.del(&json!({}));
    assert_eq!(other.link_names(), ["lo"]);
}
