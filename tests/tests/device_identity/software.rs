//! A software interface is known by the number that the kernel gave it, whatever a pod calls it and wherever it moves it.

use hardwire_tests::node::{Pod, Veth, host_link, isolated, run};
use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

/// The step of the one attachment on record; none if there is none.
fn step(scene: &Scene) -> Option<Value> {
    let path = scene
        .plugin
        .state()
        .join(format!("attachments/net_{}.json", scene.nic.name()));
    let record: Value = serde_json::from_slice(&std::fs::read(path).ok()?).expect("JSON");
    Some(record["step"].clone())
}

fn move_on(pod: &Pod, target: &str, name: &str) {
    pod.run(&["ip", "link", "set", "net1", "netns", target, "name", name]);
}

/// The test's own namespace, by a name: the tests' threads each have another.
struct Home(String);

impl Home {
    fn named(name: &str) -> Self {
        let tid = std::fs::read_link("/proc/thread-self").expect("a link");
        run(&[
            "ip",
            "netns",
            "attach",
            name,
            tid.file_name().and_then(|tid| tid.to_str()).expect("a thread"),
        ]);
        Self(name.to_owned())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        hardwire_tests::node::succeeds(&["ip", "netns", "del", &self.0]);
    }
}

#[test]
fn rule_2_a_software_interface_that_the_pod_moved_to_the_host_comes_back_whatever_its_name_and_mac() {
    isolated(|| {
        let home = Home::named("home");
        for (n, mac) in ["02:00:00:00:0a:77", "02:00:00:00:0b:77"].into_iter().enumerate() {
            let scene = Scene::new(&format!("back{n}"));
            scene.nic.set(&["mtu", "1500", "up"]);
            scene.unchanged_by(|| {
                scene.add(&json!({"mtu": 1400, "mac": "02:00:00:00:0a:77"}));
                scene.pod.run(&["ip", "link", "set", "net1", "address", mac]);
                move_on(&scene.pod, &home.0, "xx");
                assert_eq!(host_link("xx")["mtu"], 1400);
                scene.del(&json!({}));
            });
        }
    });
}

#[test]
fn rule_2_a_software_interface_in_another_namespace_is_not_forgotten() {
    isolated(|| {
        let (scene, other) = (Scene::new("moved"), Pod::new("inner"));
        scene.add(&json!({"mtu": 1400}));
        move_on(&scene.pod, other.name(), "xx");
        for _ in 0..2 {
            let outcome = scene.call("DEL", &json!({})).run();
            outcome.silence();
            assert!(outcome.stderr.contains("in network namespace"), "{}", outcome.stderr);
            assert_eq!(step(&scene), Some(json!("released")), "it is somewhere");
            assert!(other.link("xx").is_some(), "and stays there");
        }
        let next = Pod::new("next");
        let refused = scene.plugin.request("ADD", &next, &scene.conf(&json!({})));
        assert_eq!(refused.run().error()["code"], 11);
        // It ends with that namespace.
        other.delete();
        scene.del(&json!({}));
        assert!(
            scene.plugin.state_files().is_empty(),
            "{:?}",
            scene.plugin.state_files()
        );
    });
}

#[test]
fn rule_2_a_software_interface_that_left_and_came_back_to_the_pod_is_found_there() {
    isolated(|| {
        let (scene, other) = (Scene::new("round"), Pod::new("inner"));
        scene.unchanged_by(|| {
            scene.add(&json!({"mtu": 1400}));
            let index = scene.pod.link("net1").expect("a link")["ifindex"].to_string();
            move_on(&scene.pod, other.name(), "xx");
            scene
                .pod
                .run(&["ip", "link", "add", "dummy7", "index", &index, "type", "bridge"]);
            other.run(&["ip", "link", "set", "xx", "netns", scene.pod.name(), "name", "data0"]);
            scene.del(&json!({}));
            assert!(scene.pod.link("dummy7").is_some());
            scene.pod.run(&["ip", "link", "del", "dummy7"]);
        });
    });
}

#[test]
fn rule_2_a_software_interface_that_the_pod_deleted_is_gone_at_once() {
    isolated(|| {
        let scene = Scene::new("deleted");
        scene.add(&json!({}));
        scene.pod.run(&["ip", "link", "del", "net1"]);
        scene.del(&json!({}));
        assert!(
            scene.plugin.state_files().is_empty(),
            "{:?}",
            scene.plugin.state_files()
        );
    });
}

/// In the pod, on the host and elsewhere: what a pod can give a link of its own is what this one had.
#[test]
fn rule_9_a_look_alike_of_a_pod_is_nobodys_evidence() {
    isolated(|| {
        let home = Home::named("home");
        let (scene, other) = (Scene::new("alike"), Pod::new("inner"));
        let original = run(&["cat", "/sys/class/net/hwalike/ifindex"]);
        scene.add(&json!({"mac": "02:00:00:00:0a:77"}));
        let link = scene.pod.link("net1").expect("a link");
        scene.pod.run(&["ip", "link", "del", "net1"]);
        let make = |pod: &Pod, index: &str, peer: &str| {
            let words = [
                "ip",
                "link",
                "add",
                "net1",
                "index",
                index,
                "address",
                "02:00:00:00:0a:77",
                "type",
                "veth",
            ];
            pod.run(&[&words[..], &["peer", "name", peer, "index", &peer[4..]]].concat());
        };
        make(&other, &link["ifindex"].to_string(), "away770");
        make(&scene.pod, original.trim(), "away771");
        move_on(&scene.pod, &home.0, "hwalike");
        make(&scene.pod, &link["ifindex"].to_string(), "away772");
        scene.links_unchanged_by(|| scene.del(&json!({})));
        assert!(
            scene.plugin.state_files().is_empty(),
            "{:?}",
            scene.plugin.state_files()
        );
        assert!(other.link("net1").is_some());
        run(&["ip", "link", "del", "hwalike"]);
    });
}

/// As VLANs of one interface are: of one kind, with one MAC address.
#[test]
fn rule_2_a_sibling_is_not_taken_for_an_interface_that_is_gone() {
    isolated(|| {
        let (scene, sibling, second) = (Scene::new("sibling"), Veth::new("hwsecond"), Pod::new("second"));
        for nic in [&scene.nic, &sibling] {
            nic.set(&["address", "02:00:00:00:0a:77"]);
        }
        let of_sibling = scene.conf(&json!({"device": sibling.name()}));
        let before = host_link(sibling.name());
        scene.plugin.add(&second, &of_sibling);
        scene.add(&json!({}));
        scene.pod.run(&["ip", "link", "del", "net1"]);
        scene.del(&json!({}));
        assert!(second.link("net1").is_some(), "another pod's");
        scene.plugin.del(&second, &of_sibling);
        assert_eq!(host_link(sibling.name()), before);
        assert!(scene.plugin.state_files().is_empty());
    });
}
