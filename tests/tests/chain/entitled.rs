//! A NAD that names a device of a pool: whose it is, and what may be asked of it.

use super::*;

impl Node {
    fn nad(&self, extra: &Value) -> Call {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": "hwa"});
        for (key, value) in extra.as_object().unwrap() {
            conf[key] = value.clone();
        }
        let args = format!("K8S_POD_NAMESPACE=red;K8S_POD_NAME=a;K8S_POD_UID={UID}");
        self.plugin.request("ADD", &self.pod, &conf).set("CNI_ARGS", args)
    }

    #[track_caller]
    fn is_refused(&self, call: &Call, code: u32, words: &[&str]) {
        let refused = call.run();
        let error: Value = serde_json::from_str(&refused.stdout).unwrap();
        assert_eq!(error["code"], code, "{error}");
        for word in words {
            assert!(refused.stdout.contains(word), "{word}: {error}");
        }
        self.is_as_before();
    }

    #[track_caller]
    fn is_attached(&self, call: &Call) {
        call.run().success();
        call.clone().set("CNI_COMMAND", "DEL").run().silence();
        self.is_as_before();
    }
}

fn pool(rules: &Value) -> Value {
    let mut pool = json!({"resource": RESOURCE, "devices": "net/hwa"});
    for (key, value) in rules.as_object().unwrap() {
        pool[key] = value.clone();
    }
    json!([pool])
}

#[test]
fn rule_9_a_nad_that_names_another_pods_device_is_refused_with_and_without_the_daemon() {
    on_a_node(|node| {
        node.plugin.pools_say(&pool(&json!({})));
        node.plugin.kubelet_gave(&[("theirs", RESOURCE, "net/hwa")]);
        let whose = "pod uid theirs, container main, as intel.com/vfs";
        let how = [
            "net/hwa of pool intel.com/vfs is not for pod red/a",
            whose,
            "limits: {intel.com/vfs: 1}",
            "requireAllocation: false",
        ];
        node.is_refused(&node.nad(&json!({})), 104, &how);
        let daemon = FakeDaemon::start(&node.plugin.state(), &[]);
        node.is_refused(&node.nad(&json!({})), 104, &["the fake daemon says so"]);
        assert_eq!(daemon.asked().len(), 1);
        node.plugin.kubelet_gave(&[(UID, RESOURCE, "net/hwa")]);
        node.is_attached(&node.nad(&json!({})));
        assert_eq!(daemon.asked().len(), 1, "the kubelet's word is enough");
    });
}

#[test]
fn a_call_that_names_no_pod_passes_unless_the_pool_says_always() {
    on_a_node(|node| {
        node.plugin.pools_say(&pool(&json!({})));
        node.plugin.kubelet_gave(&[]);
        let without_pod = node.nad(&json!({})).unset("CNI_ARGS");
        node.is_attached(&without_pod);
        node.is_refused(&node.nad(&json!({})), 104, &["given it to no pod"]);
        node.plugin.pools_say(&pool(&json!({"requireAllocation": "always"})));
        node.is_refused(&without_pod, 104, &["requireAllocation: always"]);
        node.plugin.pools_say(&pool(&json!({"requireAllocation": "off"})));
        node.is_attached(&node.nad(&json!({})));
    });
}

#[test]
fn what_is_not_known_is_refused_and_can_be_tried_again() {
    on_a_node(|node| {
        node.plugin.pools_say(&pool(&json!({})));
        std::fs::write(node.plugin.checkpoint(), "what").unwrap();
        node.is_refused(
            &node.nad(&json!({})),
            11,
            &["unknown form", "hardwired does not run", "has to run on this node"],
        );
        std::fs::remove_file(node.plugin.checkpoint()).unwrap();
        node.is_refused(&node.nad(&json!({})), 11, &["checkpoint is not where hardwired said"]);
        node.plugin.kubelet_gave(&[(UID, RESOURCE, "net/hwa")]);
        let without_uid = node
            .nad(&json!({}))
            .set("CNI_ARGS", "K8S_POD_NAMESPACE=red;K8S_POD_NAME=a");
        node.is_refused(&without_uid, 11, &["K8S_POD_UID"]);
        std::fs::write(node.plugin.policies(), "{").unwrap();
        node.is_refused(
            &node.nad(&json!({})),
            11,
            &["policies.json is not understood", "remove the file"],
        );
        std::fs::remove_file(node.plugin.policies()).unwrap();
        node.is_attached(&node.nad(&json!({})));
    });
}

#[test]
fn more_than_a_pool_allows_is_refused_naming_its_rule() {
    on_a_node(|node| {
        node.plugin.kubelet_gave(&[(UID, RESOURCE, "net/hwa")]);
        node.plugin.pools_say(&pool(&json!({"allow": {"mtu": 1400}})));
        node.is_attached(&node.nad(&json!({"mtu": 1400})));
        node.is_refused(
            &node.nad(&json!({"mtu": 1401})),
            7,
            &[
                "mtu: 1401 is more than pool intel.com/vfs allows",
                "its allow.mtu is 1400",
            ],
        );
        let with_mac = node.nad(&json!({"runtimeConfig": {"mac": "02:00:00:00:00:0a"}}));
        node.is_refused(&with_mac, 7, &["its allow.mac is not true"]);
        node.is_refused(
            &node.nad(&json!({"promisc": true})),
            7,
            &["its allow.promisc is not true"],
        );
    });
}

#[test]
fn a_nad_that_names_a_device_of_a_chained_pool_is_refused() {
    on_a_node(|node| {
        node.plugin.kubelet_gave(&[(UID, RESOURCE, "net/hwa")]);
        node.plugin
            .pools_say(&pool(&json!({"attach": "chain", "requireAllocation": "off"})));
        node.is_refused(
            &node.nad(&json!({})),
            7,
            &["attach: chain", "take the network off the pod"],
        );
    });
}

#[test]
fn rule_9_a_nad_that_says_attach_pod_is_no_list_of_the_nodes() {
    on_a_node(|node| {
        let _daemon = node.daemon(&json!({}));
        let entry = |name: &str, more: &Value| {
            let mut conf = json!({"cniVersion": "1.0.0", "name": name, "type": "hardwire", "attach": "pod"});
            for (key, value) in more.as_object().unwrap() {
                conf[key] = value.clone();
            }
            let args = format!("K8S_POD_NAMESPACE=red;K8S_POD_NAME=a;K8S_POD_UID={UID}");
            node.plugin.request("ADD", &node.pod, &conf).set("CNI_ARGS", args)
        };
        node.plugin.list_has_us("cluster", false, false);
        let previous = json!({"prevResult": node.previous()});
        let reporting = json!({"prevResult": node.previous(), "reportIps": true});
        for (name, more) in [
            ("net-a", &json!({})),
            ("net-a", &previous),
            ("cluster", &json!({})),
            ("cluster", &reporting),
        ] {
            node.is_refused(
                &entry(name, more),
                7,
                &["attach: pod is for the default network's list"],
            );
        }
        node.is_attached(&entry("cluster", &previous));
    });
}

#[test]
fn what_a_pod_asks_for_does_not_reach_a_chained_device() {
    on_a_node(|node| {
        let _daemon = node.daemon(&json!({"mac": "02:00:00:00:00:0a", "ipam": node.plugin.host_local("10.80.0.0/24")}));
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=red;K8S_POD_NAME=a;K8S_POD_UID={UID};MAC=02:00:00:00:00:0b;IP=10.80.0.77"
        );
        let added = node
            .call("ADD", &json!({"prevResult": node.previous()}))
            .set("CNI_ARGS", args);
        added.run().success();
        assert_eq!(node.pod.link("net1").unwrap()["address"], "02:00:00:00:00:0a");
        assert!(
            !node
                .plugin
                .reservations("intel.com-vfs")
                .contains(&"10.80.0.77".to_owned())
        );
        node.call("DEL", &json!({})).run().silence();
        node.is_as_before();
    });
}

#[test]
fn a_nads_interface_of_a_chained_ones_name_takes_nothing_from_it() {
    on_a_node(|node| {
        let _daemon = node.daemon(&json!({}));
        node.call("ADD", &json!({"prevResult": node.previous()}))
            .run()
            .success();
        // Multus' `net-a@net1`: its ADD is refused, and its DEL comes.
        let theirs = node.nad(&json!({}));
        theirs.run().error();
        theirs.clone().set("CNI_COMMAND", "DEL").run().silence();
        assert_eq!(node.links(), ["net1", "net2"]);
        node.call("DEL", &json!({})).run().silence();
        node.is_as_before();
    });
}

#[test]
fn a_del_beside_its_add_leaves_all_or_nothing() {
    on_a_node(|node| {
        let _daemon = node.daemon(&json!({}));
        let add = node.call("ADD", &json!({"prevResult": node.previous()}));
        let del = node.call("DEL", &json!({}));
        for _ in 0..12 {
            std::thread::scope(|scope| {
                let adding = scope.spawn(|| add.run());
                del.run().silence();
                let added = adding.join().unwrap();
                let links = node.links();
                assert!(
                    links.is_empty() || added.status == 0 && links.len() == 2,
                    "{links:?}: {}",
                    added.stdout
                );
            });
            del.run().silence();
            node.is_as_before();
        }
    });
}
