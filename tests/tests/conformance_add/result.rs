//! What ADD prints: with IPAM and without, in each version, and after a previous plugin.

use hardwire_tests::plugin::Scene;
use serde_json::json;

use super::{addresses, dual_stack, has_flag, inside, mac_of};

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
