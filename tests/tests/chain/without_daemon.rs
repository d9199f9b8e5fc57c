//! While the daemon is away: who has no device starts, who has one waits.

use std::os::unix::net::UnixListener;

use super::*;

fn chained() -> Value {
    json!([{"resource": RESOURCE, "attach": "chain", "devices": "net/hwa"}])
}

#[track_caller]
fn refused(node: &Node, expected: &str) {
    let refused = node.call("ADD", &json!({"prevResult": node.previous()})).run();
    let error: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(error["code"], 11, "{error}");
    assert!(error["msg"].as_str().unwrap().contains(expected), "{error}");
    assert!(
        error["details"].as_str().unwrap().contains("start it on this node"),
        "{error}"
    );
    node.is_as_before();
}

#[track_caller]
fn passes(node: &Node) {
    let result = node
        .call("ADD", &json!({"prevResult": node.previous()}))
        .run()
        .success();
    assert_eq!(result, node.previous());
}

#[test]
fn a_pod_with_a_device_of_ours_waits_and_every_other_pod_starts() {
    on_a_node(|node| {
        passes(node);
        node.plugin.pools_say(&chained());
        // A kubelet whose checkpoint is elsewhere may have given it one.
        refused(node, "kubelet_internal_checkpoint is not there");
        node.plugin
            .kubelet_gave(&[("another", RESOURCE, "net/hwa"), (UID, "nvidia.com/gpu", "GPU-1")]);
        passes(node);
        node.plugin.kubelet_gave(&[(UID, RESOURCE, "net/hwa")]);
        refused(node, "it was given net/hwa of intel.com/vfs");
        // The pool has another name by now.
        node.plugin.kubelet_gave(&[(UID, "intel.com/before", "net/hwa")]);
        refused(node, "it was given net/hwa of intel.com/before");
        // What a NAD attaches is no business of the list's.
        node.plugin
            .pools_say(&json!([{"resource": RESOURCE, "attach": "multus", "devices": "net/hwa"}]));
        passes(node);
    });
}

#[test]
fn what_cannot_be_told_is_refused() {
    on_a_node(|node| {
        node.plugin.pools_say(&chained());
        std::fs::write(node.plugin.checkpoint(), "{}").unwrap();
        refused(node, "has an unknown form");
        node.plugin.kubelet_gave(&[]);
        passes(node);
        std::fs::remove_file(node.plugin.policies()).unwrap();
        passes(node);
        std::fs::write(node.plugin.policies(), "{").unwrap();
        refused(node, "policies.json is not understood");
    });
}

#[test]
fn a_daemon_that_hangs_is_as_one_that_is_away() {
    on_a_node(|node| {
        std::fs::create_dir_all(node.plugin.state()).unwrap();
        let _silent = UnixListener::bind(node.plugin.state().join("pods.sock")).unwrap();
        node.plugin.pools_say(&chained());
        node.plugin.kubelet_gave(&[]);
        passes(node);
        node.plugin.kubelet_gave(&[(UID, RESOURCE, "net/hwa")]);
        refused(node, "did not answer within 2s");
    });
}

#[test]
fn a_runtime_that_names_no_uid_starts_pods_while_none_has_a_device_of_ours() {
    on_a_node(|node| {
        node.plugin.pools_say(&chained());
        node.plugin.kubelet_gave(&[("another", "nvidia.com/gpu", "GPU-1")]);
        let add = node
            .call("ADD", &json!({"prevResult": node.previous()}))
            .set("CNI_ARGS", "K8S_POD_NAMESPACE=red;K8S_POD_NAME=a");
        assert_eq!(add.run().success(), node.previous());
        node.plugin.kubelet_gave(&[("another", RESOURCE, "net/hwa")]);
        let error = add.run().failure_naming(11, &["K8S_POD_UID", RESOURCE]);
        assert_eq!(error["code"], 11);
        node.is_as_before();
    });
}

#[test]
fn a_living_daemon_that_does_not_know_is_not_overruled_by_a_file() {
    on_a_node(|node| {
        let _daemon = FakeDaemon::answering(&node.plugin.state(), Answer::Unknown("the kubelet is away".to_owned()));
        // The daemon could not write what its pools say.
        refused(node, "is not known, and cannot be attached now: the kubelet is away");
        node.plugin.pools_say(&chained());
        node.plugin.kubelet_gave(&[]);
        passes(node);
    });
}

#[test]
fn a_pod_that_can_never_be_attached_is_told_what_to_change_and_not_what_to_start() {
    on_a_node(|node| {
        let why = "two pools of the pod's devices call their interface data";
        let _daemon = FakeDaemon::answering(&node.plugin.state(), Answer::MayNot(why.to_owned()));
        let add = node.call("ADD", &json!({"prevResult": node.previous()}));
        let error = add.run().failure_naming(7, &[why]);
        assert!(!error.to_string().contains("start it on this node"), "{error}");
        node.is_as_before();
    });
}
