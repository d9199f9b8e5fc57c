//! The examples fit the base's configuration, and each other.

use hardwire_cni::config::{Base, NetConf};
use hardwire_cni::protocol::{CniArgs, SpecVersion};

use super::*;

fn resource() -> String {
    let config: Value = serde_json::from_str(yaml("configmap.yaml")["data"]["config.json"].as_str().unwrap()).unwrap();
    let pool = &config["resourceList"][0];
    let part = |key: &str| pool[key].as_str().unwrap().to_owned();
    format!("{}/{}", part("resourcePrefix"), part("resourceName"))
}

#[test]
fn the_network_is_one_that_the_plugin_takes() {
    let network = yaml("examples/network.yaml");
    let annotations = &network["metadata"]["annotations"];
    assert_eq!(annotations["k8s.v1.cni.cncf.io/resourceName"], resource().as_str());
    let mut conf: Value = serde_json::from_str(network["spec"]["config"].as_str().unwrap()).unwrap();
    assert_eq!(conf["type"], "hardwire");
    // As Multus does with the device of the pod.
    conf["deviceID"] = "0000:01:10.0".into();
    let base = Base::parse(conf.to_string().as_bytes()).unwrap();
    let version: SpecVersion = base.required_version().unwrap();
    let parsed = NetConf::parse(base, version, &CniArgs::parse("")).unwrap();
    assert!(parsed.vf.vlan.is_some(), "{parsed:?}");
}

#[test]
fn the_pod_asks_for_what_its_network_needs() {
    let (network, pod) = (yaml("examples/network.yaml"), yaml("examples/pod.yaml"));
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(annotations["k8s.v1.cni.cncf.io/networks"], network["metadata"]["name"]);
    assert_eq!(pod["metadata"]["namespace"], network["metadata"]["namespace"]);
    let resources = &pod["spec"]["containers"][0]["resources"];
    for kind in ["requests", "limits"] {
        assert_eq!(resources[kind][resource()], "1", "{kind}");
    }
}
