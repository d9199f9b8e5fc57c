//! ADD: what it makes, what it prints, and that whatever goes wrong leaves nothing behind (C23 to C35, C37 to C50, C58).
//!
//! veth stands in for the NIC; what only a VF can show is in `conformance_vf`.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs;
use std::process::Stdio;
use std::thread;

use hardwire_tests::node::{Pod, Veth, run};
use hardwire_tests::plugin::{FakeIpam, Outcome, REFERENCE_PLUGINS, Scene};
use serde_json::{Value, json};

/// The MAC that a link of the host has.
fn mac_of(name: &str) -> String {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/address")).expect("a MAC");
    text.trim().to_owned()
}

/// A link of the pod.
#[track_caller]
fn inside(pod: &Pod, name: &str) -> Value {
    pod.link(name)
        .unwrap_or_else(|| panic!("{name} is not in the pod: {:?}", pod.link_names()))
}

fn has_flag(link: &Value, flag: &str) -> bool {
    link["flags"]
        .as_array()
        .is_some_and(|flags| flags.contains(&json!(flag)))
}

/// `address/prefix` of each address of a link that an administrator set.
fn addresses(link: &Value) -> Vec<String> {
    let infos = link["addr_info"].as_array().cloned().unwrap_or_default();
    let set = infos.iter().filter(|info| info["scope"] == "global");
    set.map(|info| format!("{}/{}", info["local"].as_str().expect("an address"), info["prefixlen"]))
        .collect()
}

/// The routes of a pod in all tables, as `ip` prints them, without those that the kernel made.
fn routes(pod: &Pod, family: &str) -> Vec<String> {
    let text = pod.run(&["ip", family, "route", "show", "table", "all"]);
    let made = text.lines().filter(|line| {
        !["table local", "proto kernel", "table 255"]
            .iter()
            .any(|part| line.contains(part))
            && !line.contains("fe80::")
    });
    made.map(|line| line.trim().to_owned()).collect()
}

#[track_caller]
fn one_route_with(routes: &[String], parts: &[&str]) {
    let found = routes
        .iter()
        .filter(|route| parts.iter().all(|part| route.contains(part)));
    assert_eq!(found.count(), 1, "one route with {parts:?} of {routes:#?}");
}

#[test]
fn c23_without_ipam_the_link_is_up_in_the_pod_and_the_result_names_it() {
    let scene = Scene::new("c23");
    let mac = mac_of("hwc23");
    let result = scene.add(&json!({}));
    assert_eq!(
        result,
        json!({
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "net1", "mac": mac, "mtu": 1500, "sandbox": scene.pod.path()}],
        })
    );
    let link = inside(&scene.pod, "net1");
    assert!(has_flag(&link, "UP"), "{link}");
    assert_eq!(
        (&link["address"], addresses(&link)),
        (&json!(mac), Vec::<String>::new())
    );
    assert_eq!(scene.pod.link_names(), ["lo", "net1"]);
    scene.del(&json!({}));
}

#[test]
fn c23_the_sandbox_is_cni_netns_to_the_letter() {
    let scene = Scene::new("c23s");
    let spelt = format!("/run//netns/../netns/{}", scene.pod.name());
    let call = |command| scene.call(command, &json!({})).set("CNI_NETNS", &spelt);
    let result = call("ADD").run().success();
    assert_eq!(result["interfaces"][0]["sandbox"], spelt);
    call("DEL").run().silence();
}

#[test]
fn c24_an_ipam_section_without_type_is_none() {
    let scene = Scene::new("c24");
    let without = scene.add(&json!({}));
    scene.del(&json!({}));
    for ipam in [
        json!({}),
        json!(null),
        json!({"type": ""}),
        json!({"type": null}),
        json!({"subnet": "x"}),
    ] {
        assert_eq!(scene.add(&json!({ "ipam": ipam })), without, "{ipam}");
        scene.del(&json!({ "ipam": ipam }));
    }
}

#[test]
fn c24_an_ipam_section_of_another_kind_is_code_6() {
    let scene = Scene::new("c24k");
    scene.unchanged_by(|| {
        for ipam in [json!("static"), json!([]), json!(1), json!({"type": 1})] {
            let error = scene
                .call("ADD", &json!({ "ipam": ipam }))
                .run()
                .error_naming(&["ipam"]);
            assert_eq!(error["code"], 6, "{ipam}: {error}");
        }
    });
}

#[test]
fn c25_an_attachment_without_addresses_needs_version_0_3_0() {
    let scene = Scene::new("c25");
    scene.unchanged_by(|| {
        for version in [json!(""), json!(null), json!("0.1.0"), json!("0.2.0")] {
            for ipam in [json!(null), json!({})] {
                let call = scene.call("ADD", &json!({"cniVersion": version, "ipam": ipam}));
                let error = call.run().error_naming(&["cniVersion"]);
                assert_eq!(error["code"], 7, "{version}: {error}");
            }
        }
    });
    for version in ["0.3.0", "0.3.1", "0.4.0"] {
        scene.add(&json!({ "cniVersion": version }));
        scene.del(&json!({ "cniVersion": version }));
    }
}

/// What the `static` plugin is told, and what the results of all versions must say.
fn dual_stack() -> Value {
    json!({
        "type": "static",
        "addresses": [{"address": "10.26.0.5/16", "gateway": "10.26.0.1"}, {"address": "fd26::5/64"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.26.0.9"}, {"dst": "fd09::/64", "gw": "fd26::9"}],
        "dns": {"nameservers": ["10.26.0.53"], "domain": "ex.org", "search": ["a"], "options": ["ndots:2"]},
    })
}

#[test]
fn c26_the_result_has_the_shape_of_the_configurations_version() {
    let scene = Scene::new("c26");
    let mac = mac_of("hwc26");
    let dns = json!({"nameservers": ["10.26.0.53"], "domain": "ex.org", "search": ["a"], "options": ["ndots:2"]});
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.26.0.9"},
                        {"dst": "fd09::/64", "gw": "fd26::9"}]);
    for version in ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let extra = json!({"cniVersion": version, "ipam": dual_stack()});
        let expected = match version {
            "" | "0.1.0" | "0.2.0" => json!({
                "cniVersion": if version.is_empty() { "0.1.0" } else { version },
                "ip4": {"ip": "10.26.0.5/16", "gateway": "10.26.0.1",
                        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.26.0.9"}]},
                "ip6": {"ip": "fd26::5/64", "routes": [{"dst": "fd09::/64", "gw": "fd26::9"}]},
                "dns": dns,
            }),
            "1.0.0" => json!({
                "cniVersion": version,
                "interfaces": [{"name": "net1", "mac": mac, "mtu": 1500, "sandbox": scene.pod.path()}],
                "ips": [{"interface": 0, "address": "10.26.0.5/16", "gateway": "10.26.0.1"},
                        {"interface": 0, "address": "fd26::5/64"}],
                "routes": routes, "dns": dns,
            }),
            _ => json!({
                "cniVersion": version,
                "interfaces": [{"name": "net1", "mac": mac, "sandbox": scene.pod.path()}],
                "ips": [{"version": "4", "interface": 0, "address": "10.26.0.5/16", "gateway": "10.26.0.1"},
                        {"version": "6", "interface": 0, "address": "fd26::5/64"}],
                "routes": routes, "dns": dns,
            }),
        };
        assert_eq!(scene.add(&extra), expected, "{version:?}");
        scene.del(&extra);
    }
}

#[test]
fn c27_an_old_result_has_families_and_no_mtu_and_the_newest_has_the_mtu() {
    let mut scene = Scene::new("c27");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    for (version, family, mtu) in [("0.4.0", json!("4"), json!(null)), ("1.1.0", json!(null), json!(1400))] {
        let extra = json!({"cniVersion": version, "mtu": 1400, "ipam": ipam.conf()});
        let result = scene.add(&extra);
        assert_eq!(
            (&result["ips"][0]["version"], &result["interfaces"][0]["mtu"]),
            (&family, &mtu)
        );
        assert_eq!(result["cniVersion"], version);
        scene.del(&extra);
    }
}

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

#[test]
fn c32_dns_is_the_configurations_or_else_ipams() {
    let mut scene = Scene::new("c32");
    let ipam = scene.plugin.fake_ipam("names");
    ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.5/24"}],
                       "dns": {"nameservers": ["10.77.0.53"], "domain": "of.ipam", "search": ["b"]}}));
    let whole =
        json!({"nameservers": ["10.0.0.53", "fd00::53"], "domain": "of.conf", "search": ["a"], "options": ["ndots:2"]});
    let of_ipam = json!({"nameservers": ["10.77.0.53"], "domain": "of.ipam", "search": ["b"]});
    let rows = [
        (whole.clone(), whole),
        (json!({"search": ["only"]}), json!({"search": ["only"]})),
        (json!({}), of_ipam.clone()),
        (json!({"nameservers": []}), of_ipam.clone()),
        (json!(null), of_ipam),
    ];
    for (dns, expected) in rows {
        let extra = json!({"ipam": ipam.conf(), "dns": dns});
        assert_eq!(scene.add(&extra)["dns"], expected, "{dns}");
        scene.del(&extra);
    }
}

#[test]
fn c33_an_interface_name_that_the_pod_has_is_refused_before_ipam() {
    let mut scene = Scene::new("c33");
    let ipam = scene.plugin.fake_ipam("never");
    scene.pod.run(&["ip", "link", "add", "net1", "type", "bridge"]);
    let link = inside(&scene.pod, "net1");
    scene.unchanged_by(|| {
        let call = scene.call("ADD", &json!({"mtu": 1300, "ipam": ipam.conf()}));
        call.run().error_naming(&["net1"]);
    });
    assert_eq!(inside(&scene.pod, "net1"), link);
    assert!(ipam.calls().is_empty());
}

#[test]
fn c33_an_alternative_name_that_the_pod_has_is_refused_too() {
    let mut scene = Scene::new("c33a");
    let ipam = scene.plugin.fake_ipam("never");
    scene.pod.run(&["ip", "link", "add", "other", "type", "bridge"]);
    scene
        .pod
        .run(&["ip", "link", "property", "add", "dev", "other", "altname", "net1"]);
    let other = inside(&scene.pod, "other");
    scene.unchanged_by(|| {
        scene
            .call("ADD", &json!({"ipam": ipam.conf()}))
            .run()
            .error_naming(&["net1"])
    });
    assert_eq!(inside(&scene.pod, "other"), other);
    assert!(ipam.calls().is_empty());
}

#[test]
fn c33_the_hosts_name_of_the_device_may_be_taken_in_the_pod() {
    let scene = Scene::new("c33h");
    scene.pod.run(&["ip", "link", "add", "hwc33h", "type", "bridge"]);
    let before = scene.seen();
    let other = inside(&scene.pod, "hwc33h");
    scene.add(&json!({}));
    scene.del(&json!({}));
    assert_eq!(scene.seen(), before);
    assert_eq!(inside(&scene.pod, "hwc33h"), other);
}

#[test]
fn c33_the_interface_may_keep_the_hosts_name() {
    let scene = Scene::new("c33k");
    let before = scene.seen();
    let result = scene
        .call("ADD", &json!({}))
        .set("CNI_IFNAME", "hwc33k")
        .run()
        .success();
    assert_eq!(result["interfaces"][0]["name"], "hwc33k");
    scene
        .call("DEL", &json!({}))
        .set("CNI_IFNAME", "hwc33k")
        .run()
        .silence();
    assert_eq!(scene.seen(), before);
}

#[test]
fn c34_a_configuration_without_device_is_code_7_and_names_the_fields() {
    let scene = Scene::new("c34");
    scene.unchanged_by(|| {
        for device in [json!(null), json!("")] {
            let call = scene.call("ADD", &json!({ "device": device }));
            let error = call.run().error_naming(&["deviceID", "device"]);
            assert_eq!(error["code"], 7, "{error}");
        }
    });
}

#[test]
fn c35_a_device_that_is_not_here_is_named() {
    let scene = Scene::new("c35");
    let mac = "02:00:00:00:35:77";
    let rows = [
        (json!({"device": "nosuch0"}), "nosuch0"),
        (json!({"device": null, "deviceID": "0000:ff:1f.7"}), "0000:ff:1f.7"),
        (json!({"device": null, "pciBusID": "0000:ff:1f.7"}), "0000:ff:1f.7"),
        (
            json!({"device": null, "runtimeConfig": {"deviceID": "0000:ff:1f.7"}}),
            "0000:ff:1f.7",
        ),
        (
            json!({"device": null, "runtimeConfig": {"deviceID": "mlx5_core.sf.4"}}),
            "mlx5_core.sf.4",
        ),
        (json!({"device": null, "hwaddr": mac}), mac),
        (
            json!({"device": null, "kernelpath": "/sys/devices/pci0000:ff/0000:ff:1f.7"}),
            "0000:ff:1f.7",
        ),
    ];
    scene.unchanged_by(|| {
        for (extra, name) in rows {
            let error = scene.call("ADD", &extra).run().error_naming(&[name]);
            let code = error["code"].as_u64().expect("a number");
            assert!(code == 7 || code >= 100, "{extra}: {error}");
        }
    });
}

#[test]
fn c36_two_names_of_different_devices_are_code_7_and_both_named() {
    let scene = Scene::new("c36");
    let other = Veth::new("hwc36o");
    let (first, second) = ("0000:ff:1f.6", "0000:ff:1f.7");
    let rows = [
        json!({"device": null, "deviceID": first, "runtimeConfig": {"deviceID": second}}),
        json!({"device": null, "deviceID": first, "pciBusID": second}),
    ];
    scene.unchanged_by(|| {
        for extra in rows {
            let error = scene.call("ADD", &extra).run().error_naming(&[first, second]);
            assert_eq!(error["code"], 7, "{extra}: {error}");
        }
        let mac = mac_of(other.name());
        let error = scene
            .call("ADD", &json!({ "hwaddr": mac }))
            .run()
            .error_naming(&["hwc36", &mac]);
        assert_eq!(error["code"], 7, "{error}");
    });
}

#[test]
fn c36_several_names_of_one_device_are_taken() {
    let scene = Scene::new("c36s");
    run(&[
        "ip",
        "link",
        "property",
        "add",
        "dev",
        "hwc36s",
        "altname",
        "hwc36s-alternative",
    ]);
    let mac = mac_of("hwc36s");
    for extra in [
        json!({"hwaddr": mac}),
        json!({"device": null, "hwaddr": mac.to_uppercase()}),
        json!({"device": "hwc36s-alternative", "hwaddr": mac.replace(':', "-")}),
    ] {
        scene.add(&extra);
        scene.del(&extra);
    }
}

#[test]
fn c37_of_several_macs_the_runtimes_counts_first() {
    let scene = Scene::new("c37");
    let by_runtime = json!({"runtimeConfig": {"mac": "02:00:00:00:37:0A"}});
    let by_args = json!({"args": {"cni": {"mac": "02:00:00:00:37:0B"}}});
    let by_conf = json!({"mac": "02:00:00:00:37:0D"});
    let variable = "IgnoreUnknown=1;MAC=02:00:00:00:37:0C";
    let merged = |parts: &[&Value]| {
        let mut all = json!({});
        for part in parts {
            for (key, value) in part.as_object().expect("an object") {
                all[key] = value.clone();
            }
        }
        all
    };
    let rows = [
        (
            merged(&[&by_runtime, &by_args, &by_conf]),
            variable,
            "02:00:00:00:37:0a",
        ),
        (merged(&[&by_args, &by_conf]), variable, "02:00:00:00:37:0b"),
        (by_conf.clone(), variable, "02:00:00:00:37:0c"),
        (by_conf, "IgnoreUnknown=1;MAC=", "02:00:00:00:37:0d"),
    ];
    for (extra, args, expected) in rows {
        let result = scene.call("ADD", &extra).set("CNI_ARGS", args).run().success();
        assert_eq!(result["interfaces"][0]["mac"], expected, "{extra}");
        assert_eq!(inside(&scene.pod, "net1")["address"], expected);
        scene.del(&extra);
    }
}

#[test]
fn c37_a_mac_is_taken_in_every_usual_notation() {
    let scene = Scene::new("c37n");
    for mac in ["02:00:00:00:37:AA", "02-00-00-00-37-aa", "0200.0000.37aa"] {
        let result = scene.add(&json!({ "mac": mac }));
        assert_eq!(result["interfaces"][0]["mac"], "02:00:00:00:37:aa", "{mac}");
        scene.del(&json!({ "mac": mac }));
    }
}

#[test]
fn c38_a_mac_that_is_none_is_code_7() {
    let scene = Scene::new("c38");
    scene.unchanged_by(|| {
        for mac in [
            "zz:00:00:00:00:01",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "02:00:00:00:00:01:02:03",
            "02:00:00:00:00",
            "02:00:00:00:00:0",
            "02:00-00:00:00:01",
            "80:00:00:00:fe:80:00:00:00:00:00:00:02:00:00:00:00:00:00:01",
        ] {
            for extra in [
                json!({ "mac": mac }),
                json!({"runtimeConfig": {"mac": mac}}),
                json!({"args": {"cni": {"mac": mac}}}),
            ] {
                let error = scene.call("ADD", &extra).run().error_naming(&["mac", mac]);
                assert_eq!(error["code"], 7, "{extra}: {error}");
            }
        }
        let call = scene.call("ADD", &json!({})).set("CNI_ARGS", "MAC=zz:00:00:00:00:01");
        assert_eq!(call.run().error_naming(&["MAC", "zz:00"])["code"], 7);
    });
}

/// Fields whose value is wrong whatever the device is: the error has the field and the value.
#[test]
fn c39_a_wrong_value_is_refused_with_its_field() {
    let scene = Scene::new("c39");
    let rows = [
        (json!({"vlan": -1}), "vlan", "-1"),
        (json!({"vlan": 4095}), "vlan", "4095"),
        (json!({"vlan": 5000}), "vlan", "5000"),
        (json!({"vlan": "10"}), "vlan", "10"),
        (json!({"vlan": 1.5}), "vlan", "1.5"),
        (json!({"vlanQoS": 3}), "vlanQoS", "vlan"),
        (json!({"vlan": 0, "vlanQoS": 1}), "vlanQoS", "1"),
        (json!({"vlan": 100, "vlanQoS": 10}), "vlanQoS", "10"),
        (json!({"vlan": 100, "vlanProto": "802"}), "vlanProto", "802"),
        (json!({"vlan": 0, "vlanProto": "802.1ad"}), "vlanProto", "802.1ad"),
        (json!({"vlanProto": "802.1ad"}), "vlanProto", "vlan"),
        (json!({"min_tx_rate": -1}), "min_tx_rate", "-1"),
        (json!({"max_tx_rate": -1}), "max_tx_rate", "-1"),
        (json!({"max_tx_rate": "100"}), "max_tx_rate", "100"),
        (json!({"min_tx_rate": 200, "max_tx_rate": 100}), "min_tx_rate", "200"),
        (json!({"spoofchk": "true"}), "spoofchk", "true"),
        (json!({"spoofchk": true}), "spoofchk", "true"),
        (json!({"trust": "yes"}), "trust", "yes"),
        (json!({"link_state": "up"}), "link_state", "up"),
        (json!({"mtu": "9000"}), "mtu", "9000"),
        (json!({"mtu": 10}), "mtu", "10"),
        (json!({"mtu": -1}), "mtu", "-1"),
        (json!({"device": "a/b"}), "device", "a/b"),
        (json!({"device": 3}), "device", "3"),
        (
            json!({"device": null, "deviceID": "../../etc"}),
            "deviceID",
            "../../etc",
        ),
        (json!({"device": null, "hwaddr": "zz"}), "hwaddr", "zz"),
        (json!({"device": null, "kernelpath": "/etc"}), "kernelpath", "/etc"),
        (
            json!({"device": null, "kernelpath": "devices/x"}),
            "kernelpath",
            "devices/x",
        ),
        (
            json!({"device": null, "kernelpath": "/sys/devices/../../etc"}),
            "kernelpath",
            "/sys/devices/",
        ),
        (json!({"runtimeConfig": "x"}), "runtimeConfig", "x"),
        (json!({"runtimeConfig": {"mac": 3}}), "mac", "3"),
        (json!({"dns": {"nameservers": "10.0.0.1"}}), "nameservers", "10.0.0.1"),
    ];
    scene.unchanged_by(|| {
        for (extra, field, value) in rows {
            let error = scene.call("ADD", &extra).run().error_naming(&[field, value]);
            assert!(matches!(error["code"].as_u64(), Some(6 | 7)), "{extra}: {error}");
        }
    });
}

#[test]
fn c39_a_near_miss_of_a_known_field_is_refused_with_what_would_be_right() {
    let scene = Scene::new("c39n");
    let rows = [
        (json!({"max-tx-rate": 100}), "max-tx-rate", "max_tx_rate"),
        (json!({"min-tx-rate": 100}), "min-tx-rate", "min_tx_rate"),
        (json!({"maxTxRate": 100}), "maxTxRate", "max_tx_rate"),
        (json!({"spoof_check": "on"}), "spoof_check", "spoofchk"),
        (json!({"spoofcheck": "on"}), "spoofcheck", "spoofchk"),
        (json!({"linkState": "auto"}), "linkState", "link_state"),
        (json!({"link-state": "auto"}), "link-state", "link_state"),
        (json!({"vlan_qos": 3}), "vlan_qos", "vlanQoS"),
        (json!({"device_id": "0000:3b:02.1"}), "device_id", "deviceID"),
    ];
    scene.unchanged_by(|| {
        for (extra, field, right) in rows {
            let error = scene.call("ADD", &extra).run().error_naming(&[field, right]);
            assert_eq!(error["code"], 7, "{extra}: {error}");
        }
    });
}

#[test]
fn c39_a_field_that_only_a_vf_has_is_refused_for_another_device() {
    let scene = Scene::new("c39v");
    scene.unchanged_by(|| {
        for extra in [
            json!({"vlan": 100}),
            json!({"vlan": 0}),
            json!({"spoofchk": "on"}),
            json!({"trust": "on"}),
            json!({"link_state": "auto"}),
            json!({"min_tx_rate": 10}),
            json!({"max_tx_rate": 10}),
        ] {
            let field = extra
                .as_object()
                .and_then(|fields| fields.keys().next())
                .expect("a field");
            let error = scene.call("ADD", &extra).run().error_naming(&[field, "hwc39v"]);
            assert_eq!(error["code"], 7, "{extra}: {error}");
        }
    });
}

/// A NIC of which there is something to restore, and a configuration that changes all of it.
fn remarkable(name: &str) -> (Scene, Value) {
    let scene = Scene::new(name);
    scene.nic.set(&[
        "mtu",
        "1450",
        "alias",
        "spare-nic",
        "address",
        "02:00:00:00:42:01",
        "up",
    ]);
    (scene, json!({"mtu": 1300, "mac": "02:00:00:00:42:02"}))
}

fn with_ipam(extra: &Value, ipam: &FakeIpam) -> Value {
    let mut extra = extra.clone();
    extra["ipam"] = ipam.conf();
    extra
}

#[test]
fn c42_an_ipam_plugin_that_is_not_there_is_named_with_the_path_and_nothing_changes() {
    let (scene, mut extra) = remarkable("c42");
    extra["ipam"] = json!({"type": "nosuch"});
    scene.unchanged_by(|| {
        let call = scene.call("ADD", &extra).set("CNI_PATH", "/a:/b");
        let error = call.run().error();
        assert_eq!(error["msg"], "failed to find plugin \"nosuch\" in path [/a /b]");
    });
}

#[test]
fn c42_an_ipam_type_is_a_name_and_no_path() {
    let (scene, mut extra) = remarkable("c42p");
    extra["ipam"] = json!({"type": "../static"});
    scene.unchanged_by(|| {
        let error = scene.call("ADD", &extra).run().error();
        assert_eq!(error["msg"], "invalid plugin name: ../static");
    });
}

#[test]
fn c42_ipam_none_is_a_plugin_name_like_any_other() {
    let (scene, mut extra) = remarkable("c42n");
    extra["ipam"] = json!({"type": "none"});
    scene.unchanged_by(|| {
        scene
            .call("ADD", &extra)
            .run()
            .error_naming(&["failed to find plugin", "none"])
    });
}

#[test]
fn c43_ipam_is_found_in_the_first_directory_that_has_a_file_of_that_name() {
    let mut scene = Scene::new("c43");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let root = scene.plugin.directory().to_owned();
    let (folder, linked, later) = (root.join("with-folder"), root.join("with-link"), root.join("later"));
    fs::create_dir_all(folder.join("wanted")).expect("a folder named like the plugin");
    fs::create_dir_all(&linked).expect("a folder");
    std::os::unix::fs::symlink(root.join("plugins/addresses"), linked.join("wanted")).expect("a link");
    fs::create_dir_all(&later).expect("a folder");
    std::os::unix::fs::symlink("/bin/false", later.join("wanted")).expect("a link");
    let path = format!(
        "/nonexistent::{}:{}:{}",
        folder.display(),
        linked.display(),
        later.display()
    );
    let extra = json!({"ipam": {"type": "wanted"}});
    let call = |command| scene.call(command, &extra).set("CNI_PATH", &path);
    assert_eq!(call("ADD").run().success()["ips"][0]["address"], "10.77.0.5/24");
    call("DEL").run().silence();
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}

#[test]
fn c44_ipam_gets_our_stdin_byte_for_byte_and_our_environment() {
    let mut scene = Scene::new("c44");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let stdin = concat!(
        r#" {"name":"net-a",  "cniVersion":"1.0.0","device":"hwc44", "IPAM":{"type":"addresses", "x":"\u003c\u00e9"},"#,
        "\n",
        r#""runtimeConfig":{"ips":["10.77.0.5/24"],"mac":"02:00:00:00:44:01"},"args":{"cni":{"ips":[]}},"#,
        r#""big":12345678901234567890,"float":1.0e0,"dup":1,"dup":2}"#,
        "\n\n"
    );
    let call = |command: &str| {
        let call = scene.call(command, &json!({})).stdin(stdin);
        let call = call
            .set("CNI_ARGS", "IgnoreUnknown=1;IP=10.77.0.5;X")
            .set("TRACEPARENT", "00-4-4-01");
        call.set("CNI_NETNS_OVERRIDE", "0")
    };
    call("ADD").run().success();
    call("DEL").run().silence();
    for command in ["ADD", "DEL"] {
        assert_eq!(
            ipam.stdin(command).map(String::from_utf8),
            Some(Ok(stdin.to_owned())),
            "{command}"
        );
        let environment = ipam.environment(command);
        let expected = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", scene.pod.name()),
            ("CNI_NETNS", &scene.pod.path()),
            ("CNI_IFNAME", "net1"),
            ("CNI_PATH", &scene.plugin.path),
            ("CNI_ARGS", "IgnoreUnknown=1;IP=10.77.0.5;X"),
            ("CNI_NETNS_OVERRIDE", "0"),
            ("TRACEPARENT", "00-4-4-01"),
        ];
        for (name, value) in expected {
            assert_eq!(
                environment.get(name).map(String::as_str),
                Some(value),
                "{command} {name}"
            );
        }
    }
}

#[test]
fn c44_ipam_runs_on_the_host_when_the_interface_is_in_the_pod_under_its_final_name_and_mac() {
    let mut scene = Scene::new("c44n");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.on(
        "ADD",
        "readlink /proc/self/ns/net > $here/netns\npwd > $here/cwd\n\
         ip -netns \"${CNI_NETNS##*/}\" -json link show dev $CNI_IFNAME > $here/link\n\
         echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.77.0.5/24\"}]}'\n",
    );
    let extra = json!({"ipam": ipam.conf(), "mac": "02:00:00:00:44:02", "mtu": 1400});
    scene.add(&extra);
    let own = fs::read_link("/proc/self/ns/net").expect("our own namespace");
    assert_eq!(ipam.kept("netns").expect("ran").trim(), own.to_str().expect("UTF-8"));
    let link: Value = serde_json::from_str(&ipam.kept("link").expect("ran")).expect("JSON of ip");
    assert_eq!(
        (&link[0]["ifname"], &link[0]["address"], &link[0]["mtu"]),
        (&json!("net1"), &json!("02:00:00:00:44:02"), &json!(1400))
    );
    scene.del(&extra);
}

#[test]
fn c45_an_error_of_ipam_is_ours_to_the_letter_and_everything_is_undone() {
    let (mut scene, extra) = remarkable("c45");
    let ipam = scene.plugin.fake_ipam("failing");
    for error in [
        json!({"code": 11, "msg": "try later", "details": "d"}),
        json!({"cniVersion": "0.3.1", "code": 123, "msg": "own \"code\""}),
    ] {
        ipam.fails("ADD", &error);
        scene.unchanged_by(|| {
            let ours = scene.call("ADD", &with_ipam(&extra, &ipam)).run().error();
            for key in ["code", "msg"] {
                assert_eq!(ours[key], error[key]);
            }
            // An absent text and an empty one are the same to every reader.
            let details = |error: &Value| error["details"].as_str().unwrap_or_default().to_owned();
            assert_eq!(details(&ours), details(&error));
        });
    }
    assert_eq!(ipam.commands(), ["ADD", "DEL", "ADD", "DEL"]);
}

#[test]
fn c46_what_ipam_prints_on_stderr_is_on_ours_and_stdout_stays_clean() {
    let mut scene = Scene::new("c46");
    let ipam = scene.plugin.fake_ipam("chatty");
    ipam.on(
        "ADD",
        "echo chatter of ipam >&2\necho '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.77.0.5/24\"}]}'\n",
    );
    ipam.on("DEL", "echo more chatter >&2\necho 'not JSON at all'\n");
    let extra = json!({ "ipam": ipam.conf() });
    let outcome = scene.call("ADD", &extra).run();
    outcome.success();
    assert!(outcome.stderr.contains("chatter of ipam"), "{}", outcome.stderr);
    let outcome = scene.call("DEL", &extra).run();
    outcome.silence();
    assert!(outcome.stderr.contains("more chatter"), "{}", outcome.stderr);
}

#[test]
fn c47_an_answer_of_ipam_that_is_none_is_an_error_and_everything_is_undone() {
    let (mut scene, extra) = remarkable("c47");
    let ipam = scene.plugin.fake_ipam("broken");
    let rows = [
        ("", ""),
        ("echo null", "IPAM plugin returned missing IP config"),
        ("echo '{}'", "IPAM plugin returned missing IP config"),
        ("echo not JSON", ""),
        ("echo '[]'", ""),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5/24"}]}{}'"#,
            "",
        ),
        (
            r#"echo '{"cniVersion":"7.0.0","ips":[{"address":"10.77.0.5/24"}]}'"#,
            "7.0.0",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[]}'"#,
            "IPAM plugin returned missing IP config",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","routes":[]}'"#,
            "IPAM plugin returned missing IP config",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5"}]}'"#,
            "10.77.0.5",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"010.77.0.5/24"}]}'"#,
            "010.77.0.5/24",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5/33"}]}'"#,
            "10.77.0.5/33",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5/24"}],"routes":[{"dst":"x"}]}'"#,
            "x",
        ),
        ("exit 3", "netplugin failed with no error message: exit status 3"),
        ("echo lost >&2; exit 3", "netplugin failed"),
        (
            "echo garbage; exit 3",
            "netplugin failed but error parsing its diagnostic message",
        ),
        ("kill -9 $$", "netplugin failed"),
    ];
    let count = rows.len();
    scene.unchanged_by(|| {
        for (script, part) in rows {
            ipam.on("ADD", &format!("{script}\n"));
            scene.call("ADD", &with_ipam(&extra, &ipam)).run().error_naming(&[part]);
        }
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"].repeat(count));
}

#[test]
fn c48_a_result_of_ipam_is_read_by_its_own_version_and_printed_in_ours() {
    let mut scene = Scene::new("c48");
    let ipam = scene.plugin.fake_ipam("old");
    let rows = [
        (
            json!({"cniVersion": "0.2.0",
                   "ip4": {"ip": "10.48.0.5/24", "gateway": "10.48.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
                   "ip6": {"ip": "FD48::5/64", "routes": [{"dst": "fd91::/64"}]}}),
            json!([{"dst": "0.0.0.0/0"}, {"dst": "fd91::/64"}]),
        ),
        (
            json!({"ips": [{"address": "10.48.0.5/24", "gateway": "10.48.0.1"}, {"address": "fd48::5/64"}]}),
            json!(null),
        ),
        (
            json!({"cniVersion": "0.3.1", "interfaces": [{"name": "x"}, {"name": "y"}],
                   "ips": [{"version": "4", "address": "10.48.0.5/24", "gateway": "10.48.0.1"},
                           {"version": "6", "address": "fd48::5/64"}], "dns": {}}),
            json!(null),
        ),
        (
            json!({"CNIVersion": "1.1.0", "IPs": [{"Address": "10.48.0.5/24", "Gateway": "10.48.0.1"},
                                                  {"address": "fd48::5/64", "gateway": ""}], "routes": null}),
            json!(null),
        ),
    ];
    for (given, routes) in rows {
        ipam.gives(&given);
        let extra = json!({ "ipam": ipam.conf() });
        let result = scene.add(&extra);
        assert_eq!(result["cniVersion"], "1.0.0");
        assert_eq!(
            result["ips"],
            json!([{"interface": 0, "address": "10.48.0.5/24", "gateway": "10.48.0.1"},
                   {"interface": 0, "address": "fd48::5/64"}]),
            "{given}"
        );
        assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(1), "{given}");
        assert_eq!(result["routes"], routes, "{given}");
        scene.del(&extra);
    }
}

#[test]
fn c48_an_ipv4_address_in_ipv6_clothes_is_ipv4() {
    let mut scene = Scene::new("c48m");
    let ipam = scene.plugin.fake_ipam("mapped");
    ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": "::ffff:10.48.0.5/120"}]}));
    let extra = json!({"cniVersion": "0.4.0", "ipam": ipam.conf()});
    let result = scene.add(&extra);
    assert_eq!(result["ips"][0]["version"], "4");
    assert_eq!(addresses(&inside(&scene.pod, "net1")), ["10.48.0.5/24"]);
    scene.del(&extra);
}

#[test]
fn c49_an_address_given_twice_is_an_error_and_everything_is_undone() {
    let (mut scene, extra) = remarkable("c49");
    let ipam = scene.plugin.fake_ipam("twice");
    for address in ["10.77.0.5/24", "fd77::5/64"] {
        ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": address}, {"address": address}]}));
        scene.unchanged_by(|| {
            let bare = address.split('/').next().expect("an address");
            scene
                .call("ADD", &with_ipam(&extra, &ipam))
                .run()
                .error_naming(&[bare, "EEXIST"]);
        });
    }
    assert_eq!(ipam.commands(), ["ADD", "DEL", "ADD", "DEL"]);
}

#[test]
fn c49_a_route_given_twice_is_set_once() {
    let mut scene = Scene::new("c49r");
    let ipam = scene.plugin.fake_ipam("twice");
    let route = json!({"dst": "10.91.0.0/16", "gw": "10.77.0.1"});
    let other = json!({"dst": "fd91::/64", "gw": "fd77::1"});
    ipam.gives(
        &json!({"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.5/24"}, {"address": "fd77::5/64"}],
                       "routes": [route, other, route, other]}),
    );
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    one_route_with(&routes(&scene.pod, "-4"), &["10.91.0.0/16"]);
    let v6 = routes(&scene.pod, "-6");
    one_route_with(&v6, &["fd91::/64"]);
    assert!(!v6.iter().any(|route| route.contains("nexthop")), "{v6:#?}");
    scene.del(&extra);
}

#[test]
fn c49_a_route_that_cannot_be_set_is_named_and_everything_is_undone() {
    let (mut scene, extra) = remarkable("c49x");
    let ipam = scene.plugin.fake_ipam("far");
    ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.5/24"}],
                       "routes": [{"dst": "10.92.0.0/16"}, {"dst": "10.91.0.0/16", "gw": "172.31.0.1"}]}));
    scene.unchanged_by(|| {
        let error = scene.call("ADD", &with_ipam(&extra, &ipam)).run();
        error.error_naming(&["10.91.0.0/16", "172.31.0.1"]);
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}

#[test]
fn c50_the_error_of_add_is_reported_even_if_ipam_del_fails_too() {
    let (mut scene, extra) = remarkable("c50");
    let ipam = scene.plugin.fake_ipam("failing");
    ipam.fails("ADD", &json!({"code": 11, "msg": "first"}));
    ipam.fails("DEL", &json!({"code": 12, "msg": "second"}));
    scene.unchanged_by(|| {
        let error = scene.call("ADD", &with_ipam(&extra, &ipam)).run().error();
        assert_eq!((&error["code"], &error["msg"]), (&json!(11), &json!("first")));
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}

#[test]
fn a_failed_roll_back_of_ipam_is_no_reason_to_keep_an_address_of_host_local() {
    let scene = Scene::new("hostlocal");
    // The route's gateway is on no network of the pod, so that ADD fails after host-local gave an address.
    let mut ipam = scene.plugin.host_local("10.50.0.0/24");
    ipam["routes"] = json!([{"dst": "10.91.0.0/16", "gw": "172.31.0.1"}]);
    scene.unchanged_by(|| {
        scene.call("ADD", &json!({ "ipam": ipam })).run().error();
    });
    assert_eq!(scene.plugin.reservations("net-a"), Vec::<String>::new());
}

#[test]
fn c58_two_adds_of_different_devices_at_once_both_succeed() {
    let (first, second) = (Scene::new("c58a"), Scene::new("c58b"));
    let at_once = |scene: &Scene| {
        let conf = scene.conf(&json!({}));
        first.plugin.request("ADD", &scene.pod, &conf).start()
    };
    let children = [at_once(&first), at_once(&second)];
    for child in children {
        Outcome::of(child).success();
    }
    assert_eq!(
        (first.pod.link_names(), second.pod.link_names()),
        (
            vec!["lo".into(), "net1".into()],
            vec!["lo".to_owned(), "net1".to_owned()]
        )
    );
    for scene in [&first, &second] {
        let conf = scene.conf(&json!({}));
        first.plugin.request("DEL", &scene.pod, &conf).run().silence();
    }
}

#[test]
fn c58_of_two_adds_of_one_device_at_once_one_succeeds_and_the_other_is_to_try_later() {
    let scene = Scene::new("c58");
    let other = Pod::new("c58-other");
    let before = scene.seen();
    for _ in 0..3 {
        let conf = scene.conf(&json!({}));
        let children = [&scene.pod, &other].map(|pod| scene.plugin.request("ADD", pod, &conf).start());
        let [first, second] = children.map(Outcome::of);
        let (winner, loser) = if first.status == 0 {
            (&scene.pod, second)
        } else {
            second.success();
            (&other, first)
        };
        assert_eq!(loser.error_naming(&["hwc58", winner.name()])["code"], 11);
        assert!(winner.link("net1").is_some());
        for pod in [&scene.pod, &other] {
            scene.plugin.request("DEL", pod, &conf).run().silence();
        }
    }
    assert_eq!(scene.seen(), before);
}

#[test]
fn c59_an_add_that_is_killed_while_ipam_runs_is_undone_by_del() {
    let (mut scene, extra) = remarkable("c59");
    let ipam = scene.plugin.fake_ipam("deadly");
    ipam.on("ADD", "kill -9 $PPID\n");
    scene.unchanged_by(|| {
        let killed = scene.call("ADD", &with_ipam(&extra, &ipam)).run();
        assert_eq!((killed.status, killed.stdout.as_str()), (-1, ""));
        scene.del(&with_ipam(&extra, &ipam));
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}

#[test]
fn ipam_runs_without_the_plugins_files_but_the_lock_that_is_its_own() {
    let mut scene = Scene::new("files");
    let ipam = scene.plugin.fake_ipam("curious");
    ipam.on(
        "ADD",
        "ls -l /proc/self/fd > $here/files\necho '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.77.0.5/24\"}]}'\n",
    );
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    let files = ipam.kept("files").expect("ran");
    // One lock is meant for it: as long as it is held, a DEL after a kill knows that the addresses are still being given.
    let ours = |line: &&str| {
        ["socket:", "net:[", ".lock", "/attachments/"]
            .iter()
            .any(|part| line.contains(part))
    };
    assert_eq!(files.lines().find(ours), None, "{files}");
    scene.del(&extra);
}

#[test]
fn a_busy_ipam_plugin_is_tried_again() {
    let mut scene = Scene::new("busy");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let folder = scene.plugin.directory().join("busy");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("busy");
    fs::copy(format!("{REFERENCE_PLUGINS}/static"), &path).expect("a copy");
    let writer = fs::OpenOptions::new().append(true).open(&path).expect("a writer");
    let extra = json!({"ipam": {"type": "busy", "addresses": [{"address": "10.77.0.5/24"}]}});
    let call = |command| scene.call(command, &extra).set("CNI_PATH", folder.as_os_str());
    let child = call("ADD").start_with_stdout(Stdio::piped());
    let writing = thread::spawn(move || {
        thread::sleep(std::time::Duration::from_millis(1500));
        drop(writer);
    });
    let outcome = Outcome::of(child);
    writing.join().expect("the writer");
    outcome.success();
    call("DEL").run().silence();
}

#[test]
fn a_previous_result_is_passed_through_and_ours_appended() {
    let mut scene = Scene::new("chain");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let previous = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": scene.pod.path()}],
        "ips": [{"interface": 0, "address": "10.1.0.5/16", "gateway": "10.1.0.1"}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}],
        "dns": {"nameservers": ["10.1.0.53"]},
    });
    for given in [previous.clone(), {
        let mut without_version = previous.clone();
        without_version.as_object_mut().expect("an object").remove("cniVersion");
        without_version
    }] {
        let extra = json!({"prevResult": given, "ipam": ipam.conf()});
        let result = scene.add(&extra);
        assert_eq!(result["interfaces"][0], previous["interfaces"][0]);
        assert_eq!(result["interfaces"][1]["name"], "net1");
        assert_eq!(
            result["ips"],
            json!([previous["ips"][0], {"interface": 1, "address": "10.77.0.5/24"}])
        );
        assert_eq!(result["routes"], previous["routes"]);
        assert_eq!(result["dns"], previous["dns"]);
        scene.del(&extra);
    }
}

#[test]
fn a_previous_result_of_another_version_is_refused_before_anything_is_done() {
    let scene = Scene::new("chainv");
    let previous = json!({"cniVersion": "0.4.0", "interfaces": [], "ips": []});
    scene.unchanged_by(|| {
        let call = scene.call("ADD", &json!({ "prevResult": previous }));
        call.run().error_naming(&["prevResult", "0.4.0"]);
    });
}
