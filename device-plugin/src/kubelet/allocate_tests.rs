//! The answers, to the byte: consumers read these variables with parsers of their own.

use hardwire_pci::Device;
use serde_json::{Value, json};

use super::*;
use crate::config::Needs;
use crate::container::tests_tree::{Tree, pool as pool_of};

fn offer(pool: &Value) -> Offer {
    let tree = Tree::new(false);
    let device = |id: &str, numa_node| Device {
        numa_node,
        ..Device::unknown(id.parse().unwrap())
    };
    let devices = [&device("0000:3b:02.7", Some(1)), &device("0000:3b:02.6", None)];
    tree.offer(&pool_of(pool), &devices, Needs::default())
}

fn request(containers: &[&[&str]]) -> api::AllocateRequest {
    let container = |ids: &&[&str]| api::ContainerAllocateRequest {
        devices_ids: ids.iter().map(|&id| id.to_owned()).collect(),
    };
    api::AllocateRequest {
        container_requests: containers.iter().map(container).collect(),
    }
}

#[test]
fn the_list_has_every_device_with_at_most_one_numa_node() {
    let list = offer(&json!({"resourceName": "x", "selectors": {}})).list();
    let devices: Vec<(&str, &str, Option<Vec<i64>>)> = list
        .devices
        .iter()
        .map(|device| {
            let nodes = device.topology.as_ref();
            let nodes = nodes.map(|topology| topology.nodes.iter().map(|node| node.id).collect());
            (device.id.as_str(), device.health.as_str(), nodes)
        })
        .collect();
    assert_eq!(
        devices,
        [
            ("0000:3b:02.6", "Healthy", None),
            ("0000:3b:02.7", "Healthy", Some(vec![1]))
        ]
    );
    let list = offer(&json!({"resourceName": "x", "selectors": {}, "excludeTopology": true})).list();
    assert!(list.devices.iter().all(|device| device.topology.is_none()));
}

#[test]
fn the_variables_are_those_of_sriov_network_device_plugin() {
    let offer = offer(&json!({"resourceName": "sriov_dpdk", "selectors": {}}));
    let response = allocate(&offer, &request(&[&["0000:3b:02.7", "0000:3b:02.6"]])).unwrap();
    let expected = BTreeMap::from([
        (
            "PCIDEVICE_INTEL_COM_SRIOV_DPDK".to_owned(),
            "0000:3b:02.7,0000:3b:02.6".to_owned(),
        ),
        (
            "PCIDEVICE_INTEL_COM_SRIOV_DPDK_INFO".to_owned(),
            concat!(
                r#"{"0000:3b:02.6":{"generic":{"deviceID":"0000:3b:02.6"}},"#,
                r#""0000:3b:02.7":{"generic":{"deviceID":"0000:3b:02.7"}}}"#
            )
            .to_owned(),
        ),
    ]);
    assert_eq!(response.container_responses.len(), 1);
    assert_eq!(response.container_responses[0].envs, expected);
}

#[test]
fn a_hyphen_gives_a_second_name_that_a_shell_can_read() {
    let offer = offer(&json!({"resourceName": "sriov-net", "selectors": {}}));
    let response = allocate(&offer, &request(&[&["0000:3b:02.6"]])).unwrap();
    let names: Vec<&str> = response.container_responses[0]
        .envs
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "PCIDEVICE_INTEL_COM_SRIOV-NET",
            "PCIDEVICE_INTEL_COM_SRIOV-NET_INFO",
            "PCIDEVICE_INTEL_COM_SRIOV_NET",
            "PCIDEVICE_INTEL_COM_SRIOV_NET_INFO",
        ]
    );
}

#[test]
fn additional_information_of_the_device_comes_over_that_of_all() {
    let offer = offer(&json!({
        "resourceName": "x", "selectors": {},
        "additionalInfo": {"*": {"a": "1", "b": "<2>"}, "0000:3b:02.6": {"b": "3"}}
    }));
    let info = |id: &str| offer.devices[id].given.info.clone();
    assert_eq!(
        info("0000:3b:02.6"),
        r#"{"extra":{"a":"1","b":"3"},"generic":{"deviceID":"0000:3b:02.6"}}"#
    );
    assert_eq!(
        info("0000:3b:02.7"),
        r#"{"extra":{"a":"1","b":"\u003c2\u003e"},"generic":{"deviceID":"0000:3b:02.7"}}"#
    );
}

#[test]
fn containers_are_answered_in_order_and_always_alike() {
    let offer = offer(&json!({"resourceName": "x", "selectors": {}}));
    let request = request(&[&["0000:3b:02.7"], &["0000:3b:02.6"]]);
    let response = allocate(&offer, &request).unwrap();
    let lists: Vec<&str> = response
        .container_responses
        .iter()
        .map(|container| container.envs["PCIDEVICE_INTEL_COM_X"].as_str())
        .collect();
    assert_eq!(lists, ["0000:3b:02.7", "0000:3b:02.6"]);
    assert_eq!(allocate(&offer, &request).unwrap(), response);
}

#[test]
fn what_the_pool_does_not_have_is_refused() {
    let offer = offer(&json!({"resourceName": "x", "selectors": {}}));
    let unknown = allocate(&offer, &request(&[&["0000:3b:02.6", "0000:3b:02.5"]]));
    assert_eq!(unknown, Err(AllocateError::Unknown("0000:3b:02.5".to_owned())));
    assert_eq!(allocate(&offer, &request(&[&[]])), Err(AllocateError::Empty));
}
