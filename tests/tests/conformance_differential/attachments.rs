//! What ADD makes, DEL undoes and CHECK judges alike.

use hardwire_tests::node::run;
use hardwire_tests::plugin::{Call, Scene};
use serde_json::{Value, json};

use super::references;

/// A pod's link and routes, without what no two links have in common.
fn inside(scene: &Scene) -> Value {
    let link = scene.pod.link("net1").unwrap_or_default();
    let addresses = link["addr_info"].as_array().cloned().unwrap_or_default();
    let set = addresses.into_iter().filter(|info| info["scope"] == "global");
    let set: Vec<_> = set
        .map(|info| json!([info["local"], info["prefixlen"], info["broadcast"]]))
        .collect();
    let routes = |family: &str| {
        let text = scene.pod.run(&["ip", family, "route", "show"]);
        let mut lines: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
        lines.retain(|line| !line.starts_with("fe80::"));
        lines.sort();
        lines
    };
    let up = link["flags"]
        .as_array()
        .is_some_and(|flags| flags.contains(&json!("UP")));
    json!({"name": link["ifname"], "mac": link["address"], "mtu": link["mtu"], "up": up, "addresses": set,
           "v4": routes("-4"), "v6": routes("-6")})
}

/// The reference's result as ours would be: with the MTU, which it does not tell, and, as newer ones print it, without
/// an empty `dns`.
fn as_ours(mut result: Value) -> Value {
    if result["cniVersion"] == "1.0.0" || result["cniVersion"] == "1.1.0" {
        result["interfaces"][0]["mtu"] = json!(1500);
        let fields = result.as_object_mut().expect("an object");
        if fields.get("dns") == Some(&json!({})) {
            fields.remove("dns");
        }
    }
    result
}

#[test]
fn attachments_are_made_alike_and_undone_alike() {
    let scene = Scene::new("dadd");
    scene.nic.set(&["up"]);
    run(&["ip", "link", "set", &scene.nic.neighbour(), "up"]);
    // Duplicate address detection takes seconds and is no difference.
    scene.pod.run(&[
        "sysctl",
        "-qw",
        "net.ipv6.conf.all.accept_dad=0",
        "net.ipv6.conf.default.accept_dad=0",
    ]);
    let dual = json!({
        "type": "static",
        "addresses": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}, {"address": "fd00::5/64", "gateway": "fd00::1"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}, {"dst": "fd09::/64"}],
    });
    let mut rows = Vec::new();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        rows.push(json!({"cniVersion": version, "ipam": dual}));
    }
    for version in ["0.3.1", "1.0.0"] {
        rows.push(json!({ "cniVersion": version }));
        rows.push(json!({"cniVersion": version, "ipam": {}}));
    }
    rows.push(json!({"ipam": dual, "dns": {"nameservers": ["10.1.0.53"], "search": ["a"]}}));
    rows.push(json!({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/32"}]}}));
    rows.push(json!({"ipam": {"type": "static"}, "args": {"cni": {"ips": ["10.1.0.7/24"]}}}));
    rows.push(
        json!({"ipam": {"type": "static"}, "capabilities": {"ips": true}, "runtimeConfig": {"ips": ["10.1.0.8/24"]}}),
    );
    rows.push(json!({"IPAM": {"TYPE": "static", "addresses": [{"address": "10.1.0.5/16"}]}}));
    for reference in references() {
        for extra in &rows {
            let theirs = scene.call("ADD", extra).by(&reference);
            let (their_result, their_pod) = (theirs.run().success(), inside(&scene));
            theirs.set("CNI_COMMAND", "DEL").run().silence();
            scene.nic.set(&["up"]);
            let (our_result, our_pod) = (scene.add(extra), inside(&scene));
            scene.del(extra);
            assert_eq!(our_result, as_ours(their_result), "{extra} by {}", reference.display());
            assert_eq!(our_pod, their_pod, "{extra} by {}", reference.display());
        }
    }
}

#[test]
fn check_after_add_is_judged_alike() {
    let scene = Scene::new("dcheck");
    scene.nic.set(&["up"]);
    run(&["ip", "link", "set", &scene.nic.neighbour(), "up"]);
    let extra = json!({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}],
                                "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.1"}]}});
    let result = scene.add(&extra);
    let check = scene.check(&extra, &result);
    for reference in references() {
        let both = [check.clone().by(&reference), check.clone()];
        let fail = |both: &[Call; 2], why: &str| {
            for call in both {
                assert_ne!(call.run().status, 0, "{why} was not seen: {call:?}");
            }
        };
        for call in &both {
            call.run().silence();
        }
        let mac = result["interfaces"][0]["mac"].as_str().expect("a MAC");
        scene
            .pod
            .run(&["ip", "link", "set", "net1", "address", "02:00:00:00:00:77"]);
        fail(&both, "another MAC");
        scene.pod.run(&["ip", "link", "set", "net1", "address", mac]);
        scene.pod.run(&["ip", "route", "del", "10.9.0.0/16"]);
        fail(&both, "a missing route");
        scene
            .pod
            .run(&["ip", "route", "add", "10.9.0.0/16", "via", "10.1.0.1", "table", "100"]);
        assert_ne!(both[0].run().status, 0, "the reference looks into the main table only");
        both[1].run().silence();
        scene.pod.run(&["ip", "route", "flush", "table", "100"]);
        scene.pod.run(&["ip", "route", "add", "10.9.0.0/16", "via", "10.1.0.1"]);
        let mut elsewhere = result.clone();
        elsewhere["interfaces"][0]["sandbox"] = json!("/run/netns/another");
        let other = scene.check(&extra, &elsewhere);
        fail(&[other.clone().by(&reference), other], "another sandbox");
    }
    scene.del(&extra);
}
