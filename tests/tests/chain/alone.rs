//! Alone in the list: the pod's first device is its eth0.

use super::*;

#[test]
fn a_device_is_the_pods_only_nic_with_address_and_default_route() {
    on_a_node(|node| {
        let _daemon = node.daemon(&json!({"ipam": node.plugin.host_local_with_gateway("10.80.0.0/24")}));
        let result = node.call("ADD", &json!({})).run().success();
        assert_eq!(names(&result), ["eth0", "net2"]);
        assert_eq!(
            result["ips"].as_array().unwrap().len(),
            1,
            "the second NIC's are not the pod's own"
        );
        assert_eq!(result["ips"][0]["interface"], 0);
        assert_eq!(result["routes"][0]["dst"], "0.0.0.0/0");
        assert_eq!(node.links(), ["eth0", "net2"]);
        assert!(
            node.pod
                .run(&["ip", "route"])
                .contains("default via 10.80.0.1 dev eth0")
        );
        node.call("CHECK", &json!({"prevResult": result})).run().silence();
        node.call("DEL", &json!({})).run().silence();
        node.is_as_before();
    });
}

#[test]
fn a_pod_without_a_device_is_refused_with_what_to_write() {
    on_a_node(|node| {
        let _daemon = FakeDaemon::start(&node.plugin.state(), &[]);
        let refused = node.call("ADD", &json!({})).run();
        let error: Value = serde_json::from_str(&refused.stdout).unwrap();
        assert_eq!(error["code"], 104);
        assert!(error["msg"].as_str().unwrap().contains("pod red/a"), "{error}");
        assert!(
            error["details"].as_str().unwrap().contains("resources: {limits: "),
            "{error}"
        );
        node.is_as_before();
    });
}

#[test]
fn status_needs_the_daemon_only_where_nobody_else_gives_pods_an_interface() {
    on_a_node(|node| {
        let lists = node.plugin.directory().join("net.d");
        std::fs::create_dir_all(&lists).unwrap();
        let ours = json!({"type": "hardwire", "attach": "pod"});
        let list = |plugins: Value| {
            let list = json!({"cniVersion": "1.1.0", "name": "cluster", "plugins": plugins});
            std::fs::write(lists.join("10-cluster.conflist"), list.to_string()).unwrap();
        };
        let status = node
            .call("STATUS", &json!({"cniVersion": "1.1.0"}))
            .set("HARDWIRE_CNI_CONFIG_DIR", &lists);
        list(json!([{"type": "bridge"}, ours]));
        status.run().silence();
        list(json!([ours]));
        let away = status.run();
        assert!(away.stdout.contains("hardwired does not run"), "{}", away.stdout);
        assert_eq!(serde_json::from_str::<Value>(&away.stdout).unwrap()["code"], 50);
        let _daemon = FakeDaemon::start(&node.plugin.state(), &[]);
        status.run().silence();
    });
}
