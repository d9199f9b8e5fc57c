//! Behind another plugin: each device, all or nothing.

use super::*;

#[test]
fn each_device_of_a_pod_is_attached_and_one_del_gives_all_back() {
    on_a_node(|node| {
        let ipam = node.plugin.host_local("10.80.0.0/24");
        let _daemon = node.daemon(&json!({"mtu": 1400, "ipam": ipam}));
        let result = node
            .call("ADD", &json!({"prevResult": node.previous()}))
            .run()
            .success();
        assert_eq!(names(&result), ["eth0", "net1", "net2"]);
        assert_eq!(result["interfaces"][1]["sandbox"], node.pod.path());
        assert_eq!(result["ips"], node.previous()["ips"], "ours are not the pod's own");
        assert_eq!(result["vendor.example/x"], 1);
        assert_eq!(node.links(), ["net1", "net2"]);
        assert_eq!(node.pod.link("net2").unwrap()["mtu"], 1400);
        assert_eq!(node.plugin.reservations("intel.com-vfs").len(), 2);
        node.call("CHECK", &json!({"prevResult": result})).run().silence();
        node.pod.run(&["ip", "link", "set", "dev", "net2", "down"]);
        node.pod.run(&["ip", "link", "set", "dev", "net2", "name", "other"]);
        let refused = node.call("CHECK", &json!({"prevResult": result})).run();
        assert!(refused.stdout.contains("net2 is not in the pod"), "{}", refused.stdout);
        for _ in 0..2 {
            node.call("DEL", &json!({})).unset("CNI_ARGS").run().silence();
        }
        assert_eq!(node.plugin.reservations("intel.com-vfs"), [""; 0]);
        node.is_as_before();
    });
}

#[test]
fn check_compares_each_device_with_what_its_own_add_made() {
    isolated(|| {
        let mut node = Node::new();
        let ipam = node.plugin.fake_ipam("told");
        ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.5/24"}],
                           "routes": [{"dst": "10.99.0.0/16", "gw": "10.77.0.1"}]}));
        let _daemon = FakeDaemon::start(
            &node.plugin.state(),
            &[("net1", "net/hwa", json!({"ipam": ipam.conf()}))],
        );
        let result = node
            .call("ADD", &json!({"prevResult": node.previous()}))
            .run()
            .success();
        assert_eq!(result["ips"], node.previous()["ips"], "ours are not among them");
        let check = node.call("CHECK", &json!({"prevResult": result}));
        check.run().silence();
        assert_eq!(ipam.calls().last().unwrap(), &format!("CHECK {} net1", node.pod.name()));
        let asked: Value = serde_json::from_str(&ipam.kept("CHECK.stdin").unwrap()).unwrap();
        let own = &asked["prevResult"];
        assert_eq!(
            (own["ips"].as_array().unwrap().len(), &own["ips"][0]["address"]),
            (1, &json!("10.77.0.5/24"))
        );
        assert_eq!(own["interfaces"][0]["name"], "net1");
        let is_told = |call: &Call, what: &str| {
            let refused = call.run();
            assert!(
                refused.status != 0 && refused.stdout.contains(what),
                "{}",
                refused.stdout
            );
        };
        node.pod.run(&["ip", "route", "del", "10.99.0.0/16"]);
        is_told(&check, "route 10.99.0.0/16 via 10.77.0.1 is in no table");
        node.pod.run(&["ip", "address", "del", "10.77.0.5/24", "dev", "net1"]);
        is_told(&check, "address 10.77.0.5/24 is not on net1");
        ipam.fails(
            "CHECK",
            &json!({"cniVersion": "1.0.0", "code": 120, "msg": "the lease is gone"}),
        );
        is_told(&check, "the lease is gone");
        let without = node.call("CHECK", &json!({"prevResult": node.previous()}));
        ipam.on("CHECK", "");
        is_told(&without, "prevResult: it has no interface net1");
        node.call("DEL", &json!({})).run().silence();
        node.is_as_before();
    });
}

#[test]
fn addresses_are_reported_where_the_list_says_so() {
    on_a_node(|node| {
        let _daemon = node.daemon(&json!({"ipam": node.plugin.host_local("10.80.0.0/24")}));
        let conf = json!({"prevResult": node.previous(), "reportIps": true});
        let result = node.call("ADD", &conf).run().success();
        let of: Vec<i64> = result["ips"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ip| ip["interface"].as_i64().unwrap())
            .collect();
        assert_eq!(of, [0, 1, 2]);
        node.call("CHECK", &json!({"prevResult": result, "reportIps": true}))
            .run()
            .silence();
        node.call("DEL", &conf).run().silence();
        node.is_as_before();
    });
}

#[test]
fn a_pod_without_a_device_costs_one_question_and_what_was_there_is_passed_on() {
    on_a_node(|node| {
        let daemon = FakeDaemon::start(&node.plugin.state(), &[]);
        let result = node
            .call("ADD", &json!({"prevResult": node.previous()}))
            .run()
            .success();
        assert_eq!(result, node.previous());
        assert_eq!(daemon.asked().len(), 1);
        node.call("DEL", &json!({})).run().silence();
        assert_eq!(daemon.asked().len(), 1, "DEL goes by the records");
        node.is_as_before();
    });
}

#[test]
fn rule_3_all_of_a_pods_devices_or_none() {
    on_a_node(|node| {
        let both = [
            (
                "net1",
                "net/hwa",
                json!({"ipam": node.plugin.host_local("10.80.0.0/24")}),
            ),
            ("net2", "net/hwno", json!({})),
        ];
        let daemon = FakeDaemon::start(&node.plugin.state(), &both);
        let add = node.call("ADD", &json!({"prevResult": node.previous()}));
        let error = add.run();
        assert!(
            error.stdout.contains("net2 (net/hwno of intel.com/vfs): "),
            "{}",
            error.stdout
        );
        assert_eq!(node.plugin.reservations("intel.com-vfs"), [""; 0]);
        node.is_as_before();
        drop(daemon);
        // A name that is taken, after the first was made.
        let _daemon = node.daemon(&json!({}));
        node.pod
            .run(&["ip", "link", "add", "net2", "type", "veth", "peer", "name", "other"]);
        let error = add.run();
        assert!(error.stdout.contains("interface net2 exists"), "{}", error.stdout);
        assert_eq!(node.links(), ["net2", "other"]);
        node.pod.run(&["ip", "link", "del", "net2"]);
        node.is_as_before();
    });
}

#[test]
fn a_second_add_of_a_pod_takes_nothing_from_the_first() {
    on_a_node(|node| {
        let _daemon = node.daemon(&json!({}));
        let add = node.call("ADD", &json!({"prevResult": node.previous()}));
        add.run().success();
        let again = add.run();
        assert!(again.stdout.contains("interface net1 exists"), "{}", again.stdout);
        assert_eq!(node.links(), ["net1", "net2"]);
        node.call("DEL", &json!({})).run().silence();
        node.is_as_before();
    });
}

#[test]
fn gc_knows_an_attachment_by_the_call_that_made_it() {
    on_a_node(|node| {
        let _daemon = node.daemon(&json!({}));
        node.call("ADD", &json!({"prevResult": node.previous()}))
            .run()
            .success();
        let gc = |id: &str, ifname: &str| {
            let valid = json!([{"containerID": id, "ifname": ifname}]);
            let conf = json!({"cniVersion": "1.1.0", "cni.dev/valid-attachments": valid});
            node.call("GC", &conf).run().silence();
        };
        gc(node.pod.name(), "eth0");
        assert_eq!(node.links(), ["net1", "net2"]);
        gc("another", "eth0");
        node.is_as_before();
    });
}
