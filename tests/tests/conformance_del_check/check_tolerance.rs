//! CHECK is content with what chained plugins change.

use hardwire_tests::node::{run, succeeds};
use hardwire_tests::plugin::Scene;
use serde_json::json;

use super::checked_ipam;

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
