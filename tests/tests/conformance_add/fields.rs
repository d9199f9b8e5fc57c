//! The fields of the configuration: MACs in every notation, wrong values, near misses.

use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

use super::inside;

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
fn c39_a_typos_of_a_known_field_is_refused_with_what_would_be_right() {
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
