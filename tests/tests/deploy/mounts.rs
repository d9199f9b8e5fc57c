//! Mounts: every name has its volume, and what is the node's has the node's path.

use std::collections::BTreeSet;

use super::*;

/// What the daemon, its children and the plugin on the node must see under the same path.
const SHARED: [&str; 13] = [
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet/pod-resources",
    "/run/hardwire",
    "/var/lib/hardwire",
    "/run/netns",
    "/var/run/netns",
    "/var/run/k8s.cni.cncf.io/devinfo/dp",
    "/var/run/cdi",
    "/sys",
    "/opt/cni/bin",
    "/var/lib/cni",
    "/run/cni",
    "/etc/cni",
];

fn named<'a>(list: &'a [Value], name: &Value) -> Option<&'a Value> {
    list.iter().find(|entry| &entry["name"] == name)
}

#[test]
fn mounts_and_volumes_are_pairs() {
    let spec = pod_spec();
    let volumes = list(&spec["volumes"]);
    let containers = list(&spec["initContainers"]).iter().chain(list(&spec["containers"]));
    let mounts: Vec<&Value> = containers
        .flat_map(|container| list(&container["volumeMounts"]))
        .collect();
    for mount in &mounts {
        assert!(named(volumes, &mount["name"]).is_some(), "no volume for {mount}");
    }
    let mounted: BTreeSet<&str> = mounts.iter().map(|mount| mount["name"].as_str().unwrap()).collect();
    let there: BTreeSet<&str> = volumes.iter().map(|volume| volume["name"].as_str().unwrap()).collect();
    assert_eq!(mounted, there);
    assert_eq!(there.len(), volumes.len(), "a name twice");
}

#[test]
fn the_nodes_directories_have_their_own_paths() {
    let spec = pod_spec();
    let volumes = list(&spec["volumes"]);
    let container = container();
    let mut shared = BTreeSet::new();
    for mount in list(&container["volumeMounts"]) {
        let host = &named(volumes, &mount["name"]).unwrap()["hostPath"]["path"];
        let Some(host) = host.as_str() else { continue };
        let inside = mount["mountPath"].as_str().unwrap();
        if host == "/dev" {
            assert_eq!((inside, &mount["readOnly"]), ("/host/dev", &true.into()));
            continue;
        }
        // /var/run is a link to /run on nodes.
        assert_eq!(
            inside.trim_start_matches("/var"),
            host.trim_start_matches("/var"),
            "{mount}"
        );
        shared.insert(inside);
        assert!(mount["subPath"].is_null());
    }
    assert_eq!(shared, BTreeSet::from(SHARED));
}

#[test]
fn namespaces_that_come_later_are_seen() {
    let container = container();
    let netns: Vec<&Value> = list(&container["volumeMounts"])
        .iter()
        .filter(|mount| mount["mountPath"].as_str().unwrap().ends_with("run/netns"))
        .collect();
    assert_eq!(netns.len(), 2);
    for mount in netns {
        // Without it a namespace looks like a file that is none, and its pod would lose its device.
        assert_eq!(mount["mountPropagation"], "HostToContainer");
        assert_ne!(mount["readOnly"], true);
    }
}
