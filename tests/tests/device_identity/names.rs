//! Names of the device that something else has: on the host when it comes back, in the pod when it goes there.

use hardwire_cni::release::{fallback_name, is_fallback_name};
use hardwire_tests::node::{Pod, host_link, host_links, isolated, run, succeeds};
use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

fn altname(link: &str, name: &str) {
    run(&["ip", "link", "property", "add", "dev", link, "altname", name]);
}

fn bridge(name: &str) {
    run(&["ip", "link", "add", name, "type", "bridge"]);
}

fn altnames(link: &Value) -> Vec<&str> {
    let names = link["altnames"].as_array().map(Vec::as_slice).unwrap_or_default();
    names.iter().filter_map(Value::as_str).collect()
}

/// The name that an interface with this MAC has on the host.
fn named(mac: &Value) -> String {
    let links = host_links();
    let link = links
        .iter()
        .find(|link| link["address"] == *mac)
        .expect("it is on the host");
    link["ifname"].as_str().expect("a name").to_owned()
}

#[test]
fn rule_2_a_release_ends_with_a_fallback_name_where_the_host_name_is_taken() {
    isolated(|| {
        let scene = Scene::new("taken");
        scene.nic.set(&["mtu", "1400", "up"]);
        altname("hwtaken", "of-the-nic");
        let id = "net/hwtaken".parse().expect("an id");
        let expected = fallback_name(&id).expect("a name");
        let mac = scene.add(&json!({"mtu": 1300}))["interfaces"][0]["mac"].clone();
        bridge("hwtaken");
        let outcome = scene.call("DEL", &json!({})).run();
        outcome.silence();
        for name in ["hwtaken", expected.as_str()] {
            assert!(outcome.stderr.contains(name), "{name} is not in {}", outcome.stderr);
        }
        assert!(scene.plugin.state_files().is_empty(), "the record is gone");
        let back = host_link(expected.as_str());
        assert_eq!((&back["mtu"], &back["address"]), (&json!(1400), &mac));
        assert!(
            back["flags"].as_array().expect("flags").contains(&json!("UP")),
            "{back}"
        );
        assert_eq!(altnames(&back), ["of-the-nic"]);
        scene.del(&json!({}));

        // It is a device like any other under that name, and has it again when it comes back.
        let conf = json!({"device": expected.as_str()});
        scene.unchanged_by(|| {
            scene.add(&conf);
            scene.del(&conf);
        });
        run(&["ip", "link", "del", expected.as_str()]);
        run(&["ip", "link", "del", "hwtaken"]);
    });
}

#[test]
fn rule_2_the_next_add_frees_a_device_whose_name_is_taken() {
    isolated(|| {
        let (scene, next) = (Scene::new("nextadd"), Pod::new("next"));
        altname("hwnextadd", "of-the-nic");
        let mac = scene.add(&json!({}))["interfaces"][0]["mac"].clone();
        bridge("hwnextadd");
        // The same attachment again, as of a runtime that lost the first result.
        scene.pod.run(&["ip", "link", "set", "net1", "name", "moved"]);
        let conf = scene.conf(&json!({"device": "of-the-nic"}));
        let again = scene.plugin.request("ADD", &scene.pod, &conf).run();
        // Its name, and with it the id of a software interface, is another now.
        let fallback_name = fallback_name(&"net/hwnextadd".parse().expect("an id")).expect("a name");
        assert_eq!(
            again.error_naming(&["net/hwnextadd", fallback_name.as_str()])["code"],
            11
        );
        assert!(scene.plugin.state_files().is_empty(), "it was freed");
        let name = named(&mac);
        assert!(is_fallback_name(&"net/hwnextadd".parse().unwrap(), &name), "{name}");
        scene.plugin.add(&next, &conf);
        scene.plugin.del(&next, &conf);
        assert_eq!(named(&mac), name);
        run(&["ip", "link", "del", "hwnextadd"]);
        run(&["ip", "link", "del", &name]);
    });
}

#[test]
fn rule_7_a_fallback_name_that_is_taken_has_another_in_reserve() {
    isolated(|| {
        let scene = Scene::new("reserve");
        let mac = scene.add(&json!({}))["interfaces"][0]["mac"].clone();
        let id = "net/hwreserve".parse().expect("an id");
        let first = fallback_name(&id).expect("a name");
        bridge("hwreserve");
        bridge("other");
        altname("other", first.as_str());
        scene.call("DEL", &json!({})).run().silence();
        let name = named(&mac);
        assert!(is_fallback_name(&id, &name) && name != first.as_str(), "{name}");
        assert!(scene.plugin.state_files().is_empty());
    });
}

#[test]
fn an_altname_that_is_the_pods_interface_name_is_lifted_for_the_attachment() {
    isolated(|| {
        let scene = Scene::new("own");
        altname("hwown", "net1");
        altname("hwown", "kept");
        scene.unchanged_by(|| {
            scene.add(&json!({"mtu": 1300, "mac": "02:00:00:00:0a:01"}));
            let link = scene.pod.link("net1").expect("net1 is in the pod");
            assert_eq!((link["ifname"].as_str(), altnames(&link)), (Some("net1"), vec!["kept"]));
            scene.del(&json!({}));
        });
        assert_eq!(altnames(&host_link("hwown")), ["net1", "kept"]);
    });
}

#[test]
fn altnames_that_something_in_the_pod_has_are_lifted_for_the_attachment() {
    isolated(|| {
        let scene = Scene::new("others");
        for name in ["as-a-name", "kept", "a-name-of-more-than-15-bytes"] {
            altname("hwothers", name);
        }
        scene.pod.run(&["ip", "link", "add", "as-a-name", "type", "bridge"]);
        scene.pod.run(&["ip", "link", "add", "br7", "type", "bridge"]);
        let words = [
            "ip",
            "link",
            "property",
            "add",
            "dev",
            "br7",
            "altname",
            "a-name-of-more-than-15-bytes",
        ];
        scene.pod.run(&words);
        let mut before = host_link("hwothers");
        let names = |link: &mut Value| {
            let mut names = link["altnames"].take();
            names.as_array_mut().expect("names").sort_by_key(ToString::to_string);
            names
        };
        let altnames_before = names(&mut before);
        for _ in 0..2 {
            scene.add(&json!({}));
            let link = scene.pod.link("net1").expect("net1 is in the pod");
            assert_eq!(altnames(&link), ["kept"]);
            assert!(scene.pod.link("as-a-name").is_some());
            scene.del(&json!({}));
            let mut after = host_link("hwothers");
            assert_eq!(names(&mut after), altnames_before);
            assert!(scene.plugin.state_files().is_empty());
        }
        // What an ADD lifted that fails afterwards is given back too.
        let outcome = scene.call("ADD", &json!({"ipam": {"type": "nosuch"}})).run();
        outcome.error_naming(&["nosuch"]);
        assert_eq!(names(&mut host_link("hwothers")), altnames_before);
    });
}

#[test]
fn an_altname_that_is_taken_on_the_host_meanwhile_stops_nothing() {
    isolated(|| {
        let scene = Scene::new("both");
        altname("hwboth", "lent");
        scene.pod.run(&["ip", "link", "add", "lent", "type", "bridge"]);
        scene.add(&json!({}));
        bridge("lent");
        let outcome = scene.call("DEL", &json!({})).run();
        outcome.silence();
        assert!(outcome.stderr.contains("lent"), "{}", outcome.stderr);
        assert!(succeeds(&["ip", "link", "show", "dev", "hwboth"]));
        assert!(scene.plugin.state_files().is_empty());
    });
}
