//! Specs and names, and what a runtime makes of them.

use std::collections::BTreeMap;

use std::collections::BTreeSet;

use hardwire_proto::deviceplugin as api;
use serde_json::{Value, json};

use super::*;
use crate::config::Needs;
use crate::container::tests_tree::{Tree, pool, vf};
use crate::kubelet::allocate::allocate;
use crate::pools::offer::Offer;

const A: &str = "0000:3b:02.6";
const B: &str = "0000:3b:02.7";

fn answer(offer: &Offer, ids: &[&str]) -> api::ContainerAllocateResponse {
    let devices_ids = ids.iter().map(|&id| id.to_owned()).collect();
    let request = api::AllocateRequest {
        container_requests: vec![api::ContainerAllocateRequest { devices_ids }],
    };
    allocate(offer, &request).unwrap().container_responses.remove(0)
}

#[test]
fn the_spec_describes_every_device() {
    let tree = Tree::new(true);
    let offer = tree.offer(
        &pool(&json!({})),
        &[&vf(A, "vfio-pci"), &vf(B, "iavf")],
        Needs::default(),
    );
    let spec = &offer.cdi.as_ref().unwrap().spec;
    assert_eq!(spec.path, tree.path("cdi/hardwire_intel.com_x_net-pci.json"));
    let node = |path: &str| json!({"path": path, "hostPath": path, "permissions": "rw"});
    let expected = json!({
        "cdiVersion": "0.5.0",
        "kind": "intel.com/net-pci",
        "devices": [
            {"name": A, "containerEdits": {"deviceNodes": [node("/dev/vfio/169"), node("/dev/vfio/vfio")]}},
            {"name": B, "containerEdits": {"env": ["HARDWIRE_0000_3B_02_7=intel.com/x"]}},
        ],
    });
    assert_eq!(serde_json::from_str::<Value>(&spec.content).unwrap(), expected);
}

#[test]
fn kinds_are_those_of_the_replaced_plugin() {
    let tree = Tree::new(true);
    for (device_type, kind) in [
        (DeviceType::NetDevice, "net-pci"),
        (DeviceType::AuxNetDevice, "net-sf"),
        (DeviceType::Accelerator, "net-accel"),
    ] {
        let mut pool = pool(&json!({}));
        pool.device_type = device_type;
        let offer = tree.offer(&pool, &[&vf(A, "vfio-pci")], Needs::default());
        let qualified = offer.cdi.unwrap().qualified(A);
        assert_eq!(qualified, format!("intel.com/{kind}={A}"));
    }
}

#[test]
fn field_and_annotation_name_the_devices_and_nodes_are_left_to_the_runtime() {
    let tree = Tree::new(true);
    let offer = tree.offer(
        &pool(&json!({})),
        &[&vf(A, "vfio-pci"), &vf(B, "vfio-pci")],
        Needs::default(),
    );
    let answer = answer(&offer, &[B, A]);
    assert!(answer.devices.is_empty());
    let names = [B, A].map(|id| format!("intel.com/net-pci={id}"));
    let field: Vec<&str> = answer.cdi_devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(field, names);
    let annotations = BTreeMap::from([("cdi.k8s.io/intel.com_x".to_owned(), names.join(","))]);
    assert_eq!(answer.annotations, annotations);
    assert!(offer.cdi.unwrap().spec.is_there());
}

#[test]
fn where_no_spec_can_be_written_nodes_are_handed_out() {
    let tree = Tree::new(true);
    tree.file("cdi", "a file where the folder should be");
    let offer = tree.offer(&pool(&json!({})), &[&vf(A, "vfio-pci")], Needs::default());
    let answer = answer(&offer, &[A]);
    assert_eq!(answer.devices.len(), 2);
    assert!(answer.cdi_devices.is_empty() && answer.annotations.is_empty());
}

#[test]
fn a_prefix_that_is_no_vendor_means_no_cdi() {
    let tree = Tree::new(true);
    for prefix in ["3com.com", "x"] {
        let none = pool(&json!({"resourcePrefix": prefix}));
        let offer = tree.offer(&none, &[&vf(A, "vfio-pci")], Needs::default());
        assert_eq!(offer.cdi, None);
        assert_eq!(answer(&offer, &[A]).devices.len(), 2);
    }
}

#[test]
fn a_pool_without_devices_has_no_spec() {
    let tree = Tree::new(true);
    assert_eq!(tree.offer(&pool(&json!({})), &[], Needs::default()).cdi, None);
}

#[test]
fn ids_with_a_slash_are_names_too() {
    let tree = Tree::new(true);
    let port = vf("netdevsim10/pf0vf1", "netdevsim");
    let offer = tree.offer(&pool(&json!({})), &[&port], Needs::default());
    let cdi = offer.cdi.unwrap();
    assert_eq!(
        cdi.qualified("netdevsim10/pf0vf1"),
        "intel.com/net-pci=netdevsim10_pf0vf1"
    );
    assert!(cdi.spec.content.contains(r#""name":"netdevsim10_pf0vf1""#));
}

#[test]
fn annotations_of_resources_differ_and_are_short_enough() {
    let long = "l".repeat(60);
    let names = ["x", "x-y", &long, &format!("{long}l")];
    let keys: BTreeSet<String> = names
        .iter()
        .map(|name| annotation(&ResourceName::new("sriov.intel.com", name).unwrap()))
        .collect();
    assert_eq!(keys.len(), names.len());
    for key in keys {
        let name = key.strip_prefix("cdi.k8s.io/").unwrap();
        assert!(name.len() <= ANNOTATION_MAX, "{name}");
        assert!(name.ends_with(|last: char| last.is_ascii_alphanumeric()), "{name}");
    }
}
