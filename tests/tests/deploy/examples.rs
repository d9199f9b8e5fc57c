//! The examples fit the pools, and each other.

use std::collections::BTreeMap;

use hardwire_cni::config::{Base, NetConf};
use hardwire_cni::protocol::{CniArgs, SpecVersion};

use super::*;

const RESOURCE: &str = "k8s.v1.cni.cncf.io/resourceName";
const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
const DEFAULT_NETWORK: &str = "v1.multus-cni.io/default-network";

/// Every object of a kind in the examples, by name.
fn examples(kind: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for file in files(&path("examples")) {
        let name = file.display().to_string();
        for object in documents(&name, &std::fs::read_to_string(&file).unwrap()) {
            if object["kind"] == kind {
                let own = object["metadata"]["name"].as_str().unwrap().to_owned();
                assert!(found.insert(own, object).is_none(), "{name}: a name twice");
            }
        }
    }
    found
}

/// The resources of a configuration.
fn resources(config: &str) -> Vec<String> {
    let config: Value = serde_json::from_str(config).unwrap();
    let part = |pool: &Value, key: &str| pool[key].as_str().unwrap().to_owned();
    let pools = list(&config["resourceList"]).iter();
    pools
        .map(|pool| format!("{}/{}", part(pool, "resourcePrefix"), part(pool, "resourceName")))
        .collect()
}

/// The base's configuration, or that of the overlay with the pools of all examples.
fn pools(config_map: &Value) -> Vec<String> {
    resources(config_map["data"]["config.json"].as_str().unwrap())
}

fn pools_of_the_examples() -> Vec<String> {
    let overlay = yaml("examples/pools/kustomization.yaml");
    pools(&parse("the patch", overlay["patches"][0]["patch"].as_str().unwrap()))
}

/// Configurations of ours in a network: the plugins of a list, or the one.
fn ours(network: &Value) -> Vec<Value> {
    let conf: Value = serde_json::from_str(network["spec"]["config"].as_str().unwrap()).unwrap();
    let plugins = match &conf["plugins"] {
        Value::Null => vec![conf.clone()],
        plugins => list(plugins).to_vec(),
    };
    let ours = plugins.into_iter().filter(|plugin| plugin["type"] == "hardwire");
    ours.map(|mut plugin| {
        for key in ["cniVersion", "name"] {
            plugin[key] = conf[key].clone();
        }
        plugin
    })
    .collect()
}

#[test]
fn the_base_has_the_first_pool_of_the_examples() {
    let (base, all) = (pools(&yaml("base/configmap.yaml")), pools_of_the_examples());
    assert_eq!(base, ["intel.com/vfs"]);
    assert_eq!(all[0], base[0]);
    let Some(objects) = kustomized("examples/pools") else {
        return;
    };
    assert_eq!(pools(of_kind(&objects, "ConfigMap")), all);
}

#[test]
fn every_network_is_one_that_the_plugin_takes_and_of_a_pool_that_there_is() {
    let (networks, pools) = (examples("NetworkAttachmentDefinition"), pools_of_the_examples());
    let mut parsed = 0;
    for (name, network) in &networks {
        for mut conf in ours(network) {
            let resource = network["metadata"]["annotations"][RESOURCE].as_str().unwrap();
            assert!(pools.iter().any(|pool| pool == resource), "{name}: {resource}");
            assert_eq!(conf["name"], name.as_str());
            // As Multus does with the device of the pod.
            conf["deviceID"] = "0000:01:10.0".into();
            let base = Base::parse(conf.to_string().as_bytes()).unwrap();
            let version: SpecVersion = base.required_version().unwrap();
            let read = NetConf::parse(base, version, &CniArgs::parse(""));
            read.unwrap_or_else(|error| panic!("{name}: {error}"));
            parsed += 1;
        }
    }
    assert!(parsed >= 6, "{parsed} networks");
}

/// The networks that a pod names, each as often as it does.
fn wanted(pod: &Value) -> Vec<String> {
    let annotations = &pod["metadata"]["annotations"];
    let bare = |name: &str| {
        let name = name.trim().split('@').next().unwrap();
        name.rsplit('/').next().unwrap().to_owned()
    };
    let mut names: Vec<String> = annotations[DEFAULT_NETWORK].as_str().map(bare).into_iter().collect();
    match annotations[NETWORKS].as_str() {
        Some(text) if text.trim_start().starts_with('[') => {
            let selected: Value = serde_json::from_str(text).unwrap();
            names.extend(
                list(&selected)
                    .iter()
                    .map(|element| bare(element["name"].as_str().unwrap())),
            );
        }
        Some(text) => names.extend(text.split(',').map(bare)),
        None => {}
    }
    names
}

#[test]
fn every_pod_asks_for_as_many_devices_as_its_networks_need() {
    let (networks, pods) = (examples("NetworkAttachmentDefinition"), examples("Pod"));
    for (name, pod) in &pods {
        let mut needed: BTreeMap<&str, usize> = BTreeMap::new();
        for network in wanted(pod) {
            let network = networks
                .get(&network)
                .unwrap_or_else(|| panic!("{name}: no network {network}"));
            assert_eq!(pod["metadata"]["namespace"], network["metadata"]["namespace"]);
            if let Some(resource) = network["metadata"]["annotations"][RESOURCE].as_str() {
                *needed.entry(resource).or_default() += 1;
            }
        }
        assert!(!needed.is_empty(), "{name}");
        let container = &pod["spec"]["containers"][0];
        for kind in ["requests", "limits"] {
            let asked = container["resources"][kind].as_object().unwrap();
            assert_eq!(asked.len(), needed.len(), "{name}: {kind}");
            for (resource, count) in &needed {
                assert_eq!(asked[*resource], count.to_string(), "{name}: {kind}");
            }
        }
        assert_eq!(container["imagePullPolicy"], "IfNotPresent", "{name}");
    }
    assert!(pods.len() >= 7, "{} pods", pods.len());
}

#[test]
fn a_pod_may_ask_its_network_for_a_rate() {
    let pod = &examples("Pod")["limited"];
    let text = pod["metadata"]["annotations"][NETWORKS].as_str().unwrap();
    let selected: Value = serde_json::from_str(text).unwrap();
    let networks = examples("NetworkAttachmentDefinition");
    let conf = &ours(&networks[selected[0]["name"].as_str().unwrap()])[0];
    assert_eq!(conf["capabilities"]["bandwidth"], true);
    assert!(
        selected[0]["bandwidth"]["egressRate"]
            .as_u64()
            .is_some_and(|rate| rate > 0)
    );
}
