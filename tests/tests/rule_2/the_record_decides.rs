//! Device, IPAM plugin, its configuration and arguments are the record's, whatever the call says or lacks.

use hardwire_tests::node::{Pod, Veth, host_links, isolated};
use hardwire_tests::plugin::{Call, Plugin, Scene};
use serde_json::{Value, json};

use super::{NETWORK, with_addresses};

/// DELs of which each says something else than the ADD did.
fn careless(scene: &Scene) -> Vec<(&'static str, Call)> {
    let del = |extra: &Value| scene.call("DEL", extra);
    let whole = with_addresses(scene);
    let ipam = |ipam: Value| {
        let mut conf = whole.clone();
        conf["ipam"] = ipam;
        del(&conf)
    };
    let huge = format!("{{\"name\":\"net-a\",\"x\":\"{}\"}}", "x".repeat(300 << 10));
    vec![
        ("ipam absent", del(&json!({}))),
        ("ipam null", ipam(Value::Null)),
        ("ipam empty", ipam(json!({}))),
        ("ipam cut down", ipam(json!({"type": "host-local"}))),
        ("another plugin", ipam(json!({"type": "other"}))),
        ("a plugin that is not there", ipam(json!({"type": "nosuch"}))),
        ("a plugin that is a path", ipam(json!({"type": "../host-local"}))),
        ("ipam a number", ipam(json!(3))),
        ("ipam a text", ipam(json!("host-local"))),
        ("ipam a list", ipam(json!([1]))),
        ("ipam.type a number", ipam(json!({"type": 3}))),
        ("an unknown network", del(&json!({"name": "net-unknown"}))),
        ("no network", del(&json!({"name": null}))),
        ("a network that is a path", del(&json!({"name": "../x"}))),
        ("a network that is a number", del(&json!({"name": 3}))),
        ("a version that is a number", del(&json!({"cniVersion": 3}))),
        ("another device", del(&json!({"device": "lo"}))),
        ("nothing on stdin", del(&json!({})).stdin("")),
        ("no JSON", del(&json!({})).stdin("{{{")),
        ("no object", del(&json!({})).stdin("[1]")),
        ("null", del(&json!({})).stdin("null")),
        ("no UTF-8", del(&json!({})).stdin([b'{', 0xff, 0xfe])),
        ("too much", del(&json!({})).stdin(huge)),
        ("too deep", del(&json!({})).stdin("[".repeat(100_000))),
        ("no arguments", del(&whole).set("CNI_ARGS", "")),
        ("no namespace", del(&json!({})).unset("CNI_NETNS")),
    ]
}

#[test]
fn rule_2_a_del_releases_what_is_on_record_whatever_its_configuration_says() {
    isolated(|| {
        let mut scene = Scene::new("careless");
        let other = scene.plugin.fake_ipam("other");
        scene.nic.set(&["mtu", "1400", "up"]);
        for (what, del) in careless(&scene) {
            scene.unchanged_by(|| {
                scene.add(&with_addresses(&scene));
                assert_eq!(scene.plugin.reservations(NETWORK).len(), 1);
                let outcome = del.run();
                assert_eq!(
                    (outcome.status, outcome.stdout.as_str()),
                    (0, ""),
                    "{what}: {outcome:?}"
                );
            });
            assert!(scene.plugin.reservations(NETWORK).is_empty(), "{what}");
        }
        assert!(other.calls().is_empty(), "{:?}", other.calls());
    });
}

#[test]
fn rule_2_an_unspoken_version_is_code_1_and_releases_nothing() {
    isolated(|| {
        let scene = Scene::new("unspoken");
        scene.unchanged_by(|| {
            scene.add(&with_addresses(&scene));
            for extra in [
                json!({"cniVersion": "9.9.9"}),
                json!({"cniVersion": "9.9.9", "name": 3, "ipam": 3}),
            ] {
                scene.call("DEL", &extra).run().failure(1);
                assert!(scene.pod.link("net1").is_some());
                assert_eq!(scene.plugin.reservations(NETWORK).len(), 1);
            }
            scene.del(&json!({}));
        });
        assert!(scene.plugin.reservations(NETWORK).is_empty());
    });
}

#[test]
fn rule_2_ipam_gets_the_adds_configuration_and_arguments_at_del() {
    isolated(|| {
        let mut scene = Scene::new("args");
        let ipam = scene.plugin.fake_ipam("addresses");
        ipam.gives_an_address();
        let add = scene.call("ADD", &json!({"ipam": ipam.conf(), "x": [1, 2.50]}));
        let add = add.set("CNI_ARGS", "K8S_POD_NAMESPACE=red;K8S_POD_NAME=a");
        add.run().success();
        let del = scene.call("DEL", &json!({})).set("CNI_ARGS", "K8S_POD_NAME=b");
        del.run().silence();
        assert_eq!(ipam.commands(), ["ADD", "DEL"]);
        assert_eq!(ipam.stdin("DEL").as_deref(), Some(add.input()));
        let environment = ipam.environment("DEL");
        assert_eq!(
            environment.get("CNI_ARGS").map(String::as_str),
            Some("K8S_POD_NAMESPACE=red;K8S_POD_NAME=a")
        );
        assert_eq!(environment.get("CNI_NETNS"), Some(&scene.pod.path()));
    });
}

#[test]
fn rule_2_a_plugin_that_is_away_leaves_the_addresses_owed_and_the_device_free() {
    isolated(|| {
        let mut scene = Scene::new("away");
        let ipam = scene.plugin.fake_ipam("addresses");
        ipam.gives_an_address();
        let program = scene.plugin.directory().join("plugins/addresses");
        let away = program.with_extension("away");
        scene.add(&json!({"ipam": ipam.conf()}));
        std::fs::rename(&program, &away).expect("a rename");
        scene
            .call("DEL", &json!({}))
            .run()
            .error_naming(&["failed to find plugin", "addresses"]);
        assert!(scene.pod.link("net1").is_none(), "the device is back");
        let next = Pod::new("away-next");
        scene.plugin.add(&next, &scene.conf(&json!({})));
        // It is owed for as long as it is not released, whoever has the device.
        scene
            .call("DEL", &json!({}))
            .run()
            .error_naming(&["failed to find plugin", "addresses"]);
        assert!(next.link("net1").is_some());
        std::fs::rename(&away, &program).expect("a rename");
        scene.call("DEL", &json!({"ipam": 3})).run().silence();
        assert_eq!(
            ipam.calls(),
            ["ADD", "DEL"].map(|command| format!("{command} {} net1", scene.pod.name()))
        );
        scene.del(&json!({}));
        assert_eq!(ipam.calls().len(), 2, "it is not owed any more");
        scene.plugin.del(&next, &scene.conf(&json!({})));
    });
}

#[test]
fn rule_2_a_plugin_that_was_moved_is_found_where_the_del_looks() {
    isolated(|| {
        let mut scene = Scene::new("moved");
        let ipam = scene.plugin.fake_ipam("addresses");
        ipam.gives_an_address();
        let directory = scene.plugin.directory().to_owned();
        scene.add(&json!({"ipam": ipam.conf()}));
        std::fs::rename(directory.join("plugins"), directory.join("elsewhere")).expect("a rename");
        let del = scene
            .call("DEL", &json!({}))
            .set("CNI_PATH", directory.join("elsewhere"));
        del.run().silence();
        assert_eq!(ipam.commands(), ["ADD", "DEL"]);
    });
}

#[test]
fn rule_2_a_del_after_an_add_that_never_asked_ipam_needs_no_plugin() {
    isolated(|| {
        let scene = Scene::new("refused");
        scene.unchanged_by(|| {
            for ipam in [
                json!({"type": "nosuch"}),
                json!({"type": "../x"}),
                json!(3),
                json!({"type": 3}),
            ] {
                for more in [json!({}), json!({"device": "nosuch0"})] {
                    let mut extra = more;
                    extra["ipam"] = ipam.clone();
                    scene.call("ADD", &extra).run().error();
                    scene.del(&extra);
                    scene.del(&extra);
                }
            }
        });
    });
}

#[test]
fn rule_2_one_del_releases_every_device_of_its_container_and_name() {
    isolated(|| {
        let scene = Scene::new("several");
        let other = Veth::new("hwseveralb");
        let before = host_links();
        let second = json!({"device": other.name(), "name": "net-b", "ipam": scene.plugin.host_local("10.61.0.0/24")});
        scene.add(&with_addresses(&scene));
        scene.pod.run(&["ip", "link", "set", "net1", "down"]);
        scene.pod.run(&["ip", "link", "set", "net1", "name", "data0"]);
        scene.add(&second);
        assert_eq!(scene.pod.link_names().len(), 3);
        scene.del(&second);
        assert_eq!(host_links(), before);
        for network in [NETWORK, "net-b"] {
            assert!(scene.plugin.reservations(network).is_empty(), "{network}");
        }
        assert!(
            scene.plugin.state_files().is_empty(),
            "{:?}",
            scene.plugin.state_files()
        );
    });
}

#[test]
fn rule_2_without_a_record_the_calls_configuration_counts() {
    isolated(|| {
        let mut plugin = Plugin::new();
        let ipam = plugin.fake_ipam("addresses");
        let pod = Pod::new("norecord");
        let conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": "hwnone", "ipam": ipam.conf()});
        plugin.del(&pod, &conf);
        assert_eq!(ipam.calls(), [format!("DEL {} net1", pod.name())]);
    });
}
