//! Addresses and routes as the kernel has them.

use hardwire_tests::node::run;
use hardwire_tests::plugin::Scene;
use serde_json::json;

use super::{addresses, inside, one_route_with, routes};

#[test]
fn c28_both_families_are_set_with_their_prefix_lengths() {
    let scene = Scene::new("c28");
    let ipam = json!({"type": "static", "addresses": [{"address": "10.28.0.5/13"}, {"address": "fd28::5/57"},
                                                       {"address": "10.29.0.6/32"}]});
    let result = scene.add(&json!({ "ipam": ipam }));
    assert_eq!(
        result["ips"],
        json!([{"interface": 0, "address": "10.28.0.5/13"}, {"interface": 0, "address": "fd28::5/57"},
               {"interface": 0, "address": "10.29.0.6/32"}])
    );
    let mut set = addresses(&inside(&scene.pod, "net1"));
    set.sort();
    assert_eq!(set, ["10.28.0.5/13", "10.29.0.6/32", "fd28::5/57"]);
    scene.del(&json!({ "ipam": ipam }));
}

#[test]
fn c28_an_ipv4_address_has_its_broadcast_address() {
    let scene = Scene::new("c28b");
    let ipam = json!({"type": "static", "addresses": [{"address": "10.28.0.5/24"}]});
    scene.add(&json!({ "ipam": ipam }));
    let link = inside(&scene.pod, "net1");
    assert_eq!(link["addr_info"][0]["broadcast"], "10.28.0.255", "{link}");
    scene.del(&json!({ "ipam": ipam }));
}

#[test]
fn c29_a_route_goes_by_its_gateway_or_by_its_familys_or_by_the_link() {
    let mut scene = Scene::new("c29");
    let ipam = scene.plugin.fake_ipam("routes");
    ipam.gives(&json!({
        "cniVersion": "1.0.0",
        "ips": [{"address": "10.29.0.5/24", "gateway": "10.29.0.1"}, {"address": "10.30.0.5/24", "gateway": "10.30.0.1"},
                {"address": "fd29::5/64"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.91.0.0/16", "gw": "10.30.0.9"}, {"dst": "10.92.0.7/32"},
                   {"dst": "fd91::/64"}, {"dst": "fd92::/64", "gw": "fd29::9"}],
    }));
    let extra = json!({ "ipam": ipam.conf() });
    let result = scene.add(&extra);
    // As they were returned: the gateway that was used is not written into them.
    assert_eq!(
        result["routes"],
        json!([{"dst": "0.0.0.0/0"}, {"dst": "10.91.0.0/16", "gw": "10.30.0.9"}, {"dst": "10.92.0.7/32"},
               {"dst": "fd91::/64"}, {"dst": "fd92::/64", "gw": "fd29::9"}])
    );
    let v4 = routes(&scene.pod, "-4");
    one_route_with(&v4, &["default via 10.29.0.1 dev net1"]);
    one_route_with(&v4, &["10.91.0.0/16 via 10.30.0.9 dev net1"]);
    one_route_with(&v4, &["10.92.0.7 via 10.29.0.1 dev net1"]);
    assert_eq!(v4.len(), 3, "{v4:#?}");
    let v6 = routes(&scene.pod, "-6");
    one_route_with(&v6, &["fd91::/64 dev net1"]);
    one_route_with(&v6, &["fd92::/64 via fd29::9 dev net1"]);
    scene.del(&extra);
}

#[test]
fn c29_priority_table_and_scope_are_the_kernels() {
    let mut scene = Scene::new("c29p");
    let ipam = scene.plugin.fake_ipam("routes");
    let given = json!([
        {"dst": "10.91.0.0/16", "gw": "10.29.0.9", "priority": 50, "table": 1000},
        {"dst": "10.92.0.0/16", "scope": 253},
        {"dst": "10.93.0.0/16", "gw": "10.29.0.9", "scope": 0, "table": 254},
        {"dst": "10.91.0.0/16", "gw": "10.29.0.8", "priority": 60, "table": 1000},
        {"dst": "fd91::/64", "gw": "fd29::9", "priority": 70, "table": 1001},
    ]);
    ipam.gives(&json!({
        "cniVersion": "1.1.0", "ips": [{"address": "10.29.0.5/24"}, {"address": "fd29::5/64"}], "routes": given,
    }));
    let extra = json!({"cniVersion": "1.1.0", "ipam": ipam.conf()});
    assert_eq!(scene.add(&extra)["routes"], given);
    let v4 = routes(&scene.pod, "-4");
    one_route_with(&v4, &["10.91.0.0/16 via 10.29.0.9", "table 1000", "metric 50"]);
    one_route_with(&v4, &["10.91.0.0/16 via 10.29.0.8", "table 1000", "metric 60"]);
    one_route_with(&v4, &["10.92.0.0/16 dev net1", "scope link"]);
    one_route_with(&v4, &["10.93.0.0/16 via 10.29.0.9"]);
    one_route_with(
        &routes(&scene.pod, "-6"),
        &["fd91::/64 via fd29::9", "table 1001", "metric 70"],
    );
    scene.del(&extra);
}

#[test]
fn c30_mtu_and_advmss_of_a_route_are_set_and_repeated() {
    let mut scene = Scene::new("c30");
    let ipam = scene.plugin.fake_ipam("routes");
    let given = json!([{"dst": "10.91.0.0/16", "gw": "10.29.0.9", "mtu": 1400, "advmss": 1360},
                       {"dst": "fd91::/64", "gw": "fd29::9", "mtu": 1300, "advmss": 1240}]);
    ipam.gives(&json!({
        "cniVersion": "1.1.0", "ips": [{"address": "10.29.0.5/24"}, {"address": "fd29::5/64"}], "routes": given,
    }));
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let extra = json!({"cniVersion": version, "ipam": ipam.conf()});
        assert_eq!(scene.add(&extra)["routes"], given, "{version}");
        one_route_with(&routes(&scene.pod, "-4"), &["10.91.0.0/16", "mtu 1400", "advmss 1360"]);
        one_route_with(&routes(&scene.pod, "-6"), &["fd91::/64", "mtu 1300", "advmss 1240"]);
        scene.del(&extra);
    }
}

#[test]
fn c31_ipv6_is_enabled_and_the_address_settled_before_the_result() {
    let mut scene = Scene::new("c31");
    scene.nic.set(&["up"]);
    run(&["ip", "link", "set", "hwc31p", "up"]);
    scene.pod.run(&[
        "sysctl",
        "-qw",
        "net.ipv6.conf.all.disable_ipv6=1",
        "net.ipv6.conf.default.disable_ipv6=1",
    ]);
    let ipam = scene.plugin.fake_ipam("six");
    ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": "fd31::5/64", "gateway": "fd31::1"}]}));
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    let sysctl = |name: &str| scene.pod.run(&["cat", &format!("/proc/sys/net/ipv6/conf/{name}")]);
    assert_eq!(sysctl("lo/disable_ipv6"), "0\n");
    assert_eq!(sysctl("net1/disable_ipv6"), "0\n");
    assert_eq!(sysctl("net1/keep_addr_on_down"), "1\n");
    let link = inside(&scene.pod, "net1");
    let infos = link["addr_info"].as_array().expect("addresses");
    let address = infos
        .iter()
        .find(|info| info["local"] == "fd31::5")
        .expect("the address");
    assert_eq!(address["tentative"], json!(null), "{address}");
    assert_eq!(address["dadfailed"], json!(null), "{address}");
    scene.del(&extra);
}
