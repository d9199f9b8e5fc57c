//! While the daemon is away: who has no device starts, who has one waits.

use std::os::unix::net::UnixListener;

use super::*;

fn chained() -> Value {
    json!([{"resource": RESOURCE, "attach": "chain", "devices": ["net/hwa"]}])
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
        passes(node);
        node.plugin
            .kubelet_gave(&[("another", RESOURCE, "net/hwa"), (UID, "nvidia.com/gpu", "net/hwa")]);
        passes(node);
        node.plugin.kubelet_gave(&[(UID, RESOURCE, "net/hwa")]);
        refused(node, "it was given net/hwa of intel.com/vfs");
        // What a NAD attaches is no business of the list's.
        node.plugin
            .pools_say(&json!([{"resource": RESOURCE, "attach": "multus", "devices": ["net/hwa"]}]));
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
        passes(node);
        node.plugin.kubelet_gave(&[(UID, RESOURCE, "net/hwa")]);
        refused(node, "did not answer within 2s");
    });
}
