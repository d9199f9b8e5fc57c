//! Which device is taken, and under which name.

use hardwire_tests::node::{Veth, run};
use hardwire_tests::plugin::Scene;
use serde_json::json;

use super::{inside, mac_of};

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
