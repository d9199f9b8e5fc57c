//! CHECK compares what the kernel keeps of a route, however IPAM wrote it.

use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

fn extra(version: &str, plugin: &str) -> Value {
    json!({"cniVersion": version, "ipam": {"type": plugin}})
}

/// Every way to write a route that ADD takes.
fn written() -> Value {
    json!([
        {"dst": "10.91.0.0/16", "gw": "0.0.0.0"},
        {"dst": "10.92.0.0/16", "gw": "::"},
        {"dst": "10.93.0.7/16", "gw": "10.60.0.9"},
        {"dst": "::ffff:10.94.0.0/112", "gw": "::ffff:10.60.0.9"},
        {"dst": "10.95.0.0/16", "gw": "10.60.0.9", "table": 0},
        {"dst": "10.96.0.0/16"},
        {"dst": "0.0.0.0/0"},
        {"dst": "fd91::/64", "gw": "::"},
        {"dst": "fd92::7/64", "gw": "fd60::9"},
        {"dst": "fd93::/64", "gw": "fd60::8"},
        {"dst": "fd93::/64", "gw": "fd60::9"},
        {"dst": "fd94::/64", "gw": "fe80::9"},
        {"dst": "::/0", "gw": "::"},
        // The same as others above to the kernel.
        {"dst": "10.93.0.9/16", "gw": "10.60.0.9", "table": 254, "scope": 0},
        {"dst": "10.91.0.1/16", "gw": "::"},
        {"dst": "10.96.0.0/16", "gw": "10.60.0.1"},
        {"dst": "fd92::9/64", "gw": "fd60::9", "priority": 1024},
        {"dst": "fd91::/64", "gw": "0.0.0.0"},
    ])
}

#[test]
fn check_after_add_is_content_however_a_route_is_written() {
    let mut scene = Scene::new("kept");
    let ipam = scene.plugin.fake_ipam("routes");
    ipam.gives(&json!({
        "cniVersion": "1.1.0",
        "ips": [{"address": "10.60.0.5/24", "gateway": "10.60.0.1"}, {"address": "fd60::5/64"}],
        "routes": written(),
    }));
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let extra = extra(version, "routes");
        let result = scene.add(&extra);
        let v4 = scene.pod.run(&["ip", "-4", "route", "show"]);
        let v6 = scene.pod.run(&["ip", "-6", "route", "show"]);
        for on_link in ["10.91.0.0/16 dev net1", "10.92.0.0/16 dev net1"] {
            assert_eq!(v4.matches(on_link).count(), 1, "{v4}");
        }
        assert_eq!(v4.matches("10.93.0.0/16 via 10.60.0.9").count(), 1, "{v4}");
        assert_eq!(v4.matches("10.96.0.0/16 via 10.60.0.1").count(), 1, "{v4}");
        assert!(
            v6.contains("fd91::/64 dev net1") && v6.contains("default dev net1"),
            "{v6}"
        );
        scene.check(&extra, &result).run().silence();
        scene.del(&extra);
    }
}

#[test]
fn check_sees_a_route_that_is_on_the_link_no_more() {
    let mut scene = Scene::new("keptgone");
    let ipam = scene.plugin.fake_ipam("routes");
    ipam.gives(&json!({
        "cniVersion": "1.0.0",
        "ips": [{"address": "10.60.0.5/24", "gateway": "10.60.0.1"}, {"address": "fd60::5/64"}],
        "routes": written(),
    }));
    let changes: [(&str, &str, &str); 7] = [
        (
            "ip route replace 10.91.0.0/16 via 10.60.0.9",
            "ip route replace 10.91.0.0/16 dev net1",
            "10.91.0.0/16",
        ),
        (
            "ip route del 10.92.0.0/16",
            "ip route add 10.92.0.0/16 dev net1",
            "10.92.0.0/16",
        ),
        (
            "ip route replace 10.93.0.0/16 dev net1",
            "ip route replace 10.93.0.0/16 via 10.60.0.9",
            "10.93.0.7/16",
        ),
        (
            "ip route del 10.94.0.0/16",
            "ip route add 10.94.0.0/16 via 10.60.0.9",
            "10.94.0.0/16",
        ),
        (
            "ip -6 route del fd91::/64",
            "ip -6 route add fd91::/64 dev net1",
            "fd91::/64",
        ),
        (
            "ip -6 route del fd93::/64 via fd60::8",
            "ip -6 route append fd93::/64 via fd60::8 dev net1",
            "fd93::/64",
        ),
        (
            "ip -6 route del default dev net1",
            "ip -6 route add default dev net1",
            "::/0",
        ),
    ];
    let extra = extra("1.0.0", "routes");
    let result = scene.add(&extra);
    for (change, undo, named) in changes {
        let run = |command: &str| scene.pod.run(&command.split(' ').collect::<Vec<_>>());
        run(change);
        scene.check(&extra, &result).run().error_naming(&[named]);
        run(undo);
        scene.check(&extra, &result).run().silence();
    }
    scene.del(&extra);
}

#[test]
fn an_unspecified_gateway_of_an_address_is_none() {
    let mut scene = Scene::new("keptaddr");
    let ipam = scene.plugin.fake_ipam("routes");
    ipam.gives(&json!({
        "cniVersion": "1.0.0",
        "ips": [{"address": "10.60.0.5/24", "gateway": "0.0.0.0"}, {"address": "fd60::5/64", "gateway": "::"}],
        "routes": [{"dst": "10.91.0.0/16"}, {"dst": "fd91::/64"}],
    }));
    let extra = extra("1.0.0", "routes");
    let result = scene.add(&extra);
    scene.check(&extra, &result).run().silence();
    assert!(
        scene
            .pod
            .run(&["ip", "-6", "route", "show"])
            .contains("fd91::/64 dev net1")
    );
    scene.del(&extra);
}

#[test]
fn check_with_host_local_and_routes_on_the_link() {
    let scene = Scene::new("kepthl");
    let mut ipam = scene.plugin.host_local("10.61.0.0/24");
    ipam["routes"] = json!([{"dst": "10.91.0.0/16", "gw": "0.0.0.0"}, {"dst": "10.92.0.3/16", "gw": "10.61.0.9"},
                            {"dst": "0.0.0.0/0"}]);
    let extra = json!({ "ipam": ipam });
    let result = scene.add(&extra);
    scene.check(&extra, &result).run().silence();
    scene.del(&extra);
}

#[test]
fn a_gateway_of_the_other_family_is_refused_and_everything_undone() {
    let mut scene = Scene::new("mixed");
    let ipam = scene.plugin.fake_ipam("routes");
    let ips = json!([{"address": "10.60.0.5/24"}, {"address": "fd60::5/64"}]);
    for (ips, routes, parts) in [
        (
            &ips,
            json!([{"dst": "fd91::/64", "gw": "10.60.0.9"}]),
            ["fd91::/64", "10.60.0.9"],
        ),
        (
            &ips,
            json!([{"dst": "10.91.0.0/16", "gw": "fd60::9"}]),
            ["10.91.0.0/16", "fd60::9"],
        ),
        (&ips, json!([{"dst": "::/0", "gw": "10.60.0.9"}]), ["::/0", "10.60.0.9"]),
        (
            &json!([{"address": "fd60::5/64", "gateway": "10.60.0.1"}]),
            json!([]),
            ["fd60::5/64", "10.60.0.1"],
        ),
    ] {
        ipam.gives(&json!({"cniVersion": "1.0.0", "ips": ips, "routes": routes}));
        scene.unchanged_by(|| scene.call("ADD", &extra("1.0.0", "routes")).run().error_naming(&parts));
    }
    assert_eq!(ipam.commands(), ["ADD", "DEL"].repeat(4));
}
