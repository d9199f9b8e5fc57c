//! DEL when namespace, attachment or names are no longer what ADD left.

use std::fs;

use hardwire_tests::node::{Pod, Veth, host_links, run};
use hardwire_tests::plugin::Scene;
use serde_json::json;

#[test]
fn del_releases_the_address_and_the_device_without_a_namespace() {
    let scene = Scene::new("nons");
    let extra = json!({"ipam": scene.plugin.host_local("10.53.0.0/24")});
    scene.unchanged_by(|| {
        scene.add(&extra);
        assert_eq!(scene.plugin.reservations("net-a").len(), 1);
        scene.call("DEL", &extra).unset("CNI_NETNS").run().silence();
        assert!(scene.plugin.reservations("net-a").is_empty());
    });
}

#[test]
fn del_succeeds_when_the_namespaces_path_is_gone_or_names_none() {
    let scene = Scene::new("nopath");
    let file = scene.plugin.directory().join("file");
    fs::write(&file, "").expect("a file");
    let extra = json!({"ipam": scene.plugin.host_local("10.54.0.0/24")});
    let below_a_file = file.join("below");
    let long = "x".repeat(300);
    for path in [
        "/run/netns/hw-nosuch",
        "relative",
        file.to_str().expect("UTF-8"),
        below_a_file.to_str().expect("UTF-8"),
        long.as_str(),
        "/run",
        "/dev/null",
        "/proc/self/ns/mnt",
        "/proc/self/status",
    ] {
        scene.unchanged_by(|| {
            scene.add(&extra);
            let del = scene.call("DEL", &extra).set("CNI_NETNS", path);
            del.run().silence();
            // Without a record there is nothing to be looked for in what is no namespace.
            del.run().silence();
        });
        assert!(scene.plugin.reservations("net-a").is_empty(), "{path}");
    }
}

/// A runtime repeats a DEL until it succeeds, and the ADD before it was refused for the same field.
#[test]
fn del_of_what_was_never_attached_succeeds_whatever_an_optional_field_holds() {
    let scene = Scene::new("optional");
    scene.unchanged_by(|| {
        for extra in [
            json!({"vlan": "x"}),
            json!({"mtu": -1}),
            json!({"mac": "x"}),
            json!({"vlna": 5}),
            json!({"pkey": "0x8001"}),
            json!({"bandwidth": {"egressRate": 1}}),
            json!({"runtimeConfig": 5}),
            json!({"runtimeConfig": {"mac": 5, "deviceID": 5, "bandwidth": 5, "CNIDeviceInfoFile": "/etc/x"}}),
            json!({"args": 5}),
            json!({"args": {"cni": 5}}),
            json!({"dns": 5}),
            json!({"ipam": 5}),
            json!({"device": 5}),
            json!({"device": "a/b"}),
            json!({"device": null}),
            json!({"deviceID": "0000:zz:00.0"}),
            json!({"pciBusID": []}),
            json!({"hwaddr": "x"}),
            json!({"kernelpath": "/etc"}),
            json!({"prevResult": 5}),
            json!({"prevResult": {"cniVersion": "9.9.9"}}),
            json!({"allowNodeDevice": "yes"}),
            json!({"vlanTrunk": 5}),
        ] {
            let refused = scene.call("ADD", &extra).run().error();
            assert!(
                [6, 7].contains(&refused["code"].as_u64().expect("a code")),
                "{extra}: {refused}"
            );
            scene.del(&extra);
            scene.del(&extra);
        }
    });
}

#[test]
fn del_after_the_end_of_the_namespace_releases_what_is_left() {
    let mut scene = Scene::new("nsend");
    let extra = json!({"ipam": scene.plugin.host_local("10.55.0.0/24")});
    scene.add(&extra);
    let call = scene.call("DEL", &extra);
    let gone = std::mem::replace(&mut scene.pod, Pod::new("nsend-next"));
    gone.delete();
    // The kernel destroys a veth with its namespace, in its own time.
    call.run().silence();
    call.run().silence();
    assert!(scene.plugin.reservations("net-a").is_empty());
    assert!(
        scene.plugin.state_files().is_empty(),
        "{:?}",
        scene.plugin.state_files()
    );
}

#[test]
fn a_late_del_does_not_touch_the_next_pods_attachment() {
    let scene = Scene::new("late");
    let next = Pod::new("late-next");
    let conf = scene.conf(&json!({}));
    scene.add(&json!({}));
    scene.del(&json!({}));
    scene.plugin.add(&next, &conf);
    let link = next.link("net1");
    for _ in 0..2 {
        scene.del(&json!({}));
        scene.call("DEL", &json!({})).unset("CNI_NETNS").run().silence();
    }
    assert!(link.is_some());
    assert_eq!(next.link("net1"), link);
    scene.plugin.del(&next, &conf);
}

#[test]
fn del_is_for_one_interface_of_one_container() {
    let scene = Scene::new("two");
    let other = Veth::new("hwtwob");
    let before = host_links();
    let second = |command| {
        scene
            .call(command, &json!({"device": other.name()}))
            .set("CNI_IFNAME", "net2")
    };
    scene.add(&json!({}));
    second("ADD").run().success();
    scene.call("DEL", &json!({})).set("CNI_IFNAME", "net3").run().silence();
    assert_eq!(scene.pod.link_names(), ["lo", "net1", "net2"]);
    scene.del(&json!({}));
    assert_eq!(scene.pod.link_names(), ["lo", "net2"]);
    second("DEL").run().silence();
    assert_eq!(host_links(), before);
}

#[test]
fn del_works_from_the_record_and_not_from_the_device_of_the_configuration() {
    let scene = Scene::new("rec");
    let other = Veth::new("hwrecb");
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        scene.del(&json!({"device": other.name()}));
    });
}

#[test]
fn del_finds_the_interface_that_the_application_renamed_and_set_down() {
    let scene = Scene::new("ren");
    scene.nic.set(&["up"]);
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        scene.pod.run(&["ip", "link", "set", "net1", "down"]);
        scene.pod.run(&["ip", "link", "set", "net1", "name", "data0"]);
        scene.del(&json!({}));
    });
}

#[test]
fn del_takes_the_interface_out_of_a_bridge_that_the_application_made() {
    let scene = Scene::new("master");
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        scene.pod.run(&["ip", "link", "add", "br7", "type", "bridge"]);
        scene.pod.run(&["ip", "link", "set", "net1", "master", "br7"]);
        scene.del(&json!({}));
        scene.pod.run(&["ip", "link", "del", "br7"]);
    });
}

#[test]
fn a_host_name_that_was_taken_meanwhile_does_not_strand_the_device() {
    let scene = Scene::new("taken");
    let mac = scene.add(&json!({}))["interfaces"][0]["mac"].clone();
    run(&["ip", "link", "add", "hwtaken", "type", "bridge"]);
    let outcome = scene.call("DEL", &json!({})).run();
    let on_host = host_links().into_iter().filter(|link| link["address"] == mac).count();
    run(&["ip", "link", "del", "hwtaken"]);
    // It is back under another name, which is its name from then on, and that is said.
    outcome.silence();
    assert!(outcome.stderr.contains("hwtaken"), "{outcome:?}");
    assert_eq!((on_host, scene.pod.link_names().len()), (1, 1), "{outcome:?}");
    assert!(scene.plugin.state_files().is_empty());
}
