//! Each version's shape, and what is read back.

use serde_json::{Value, json};

use super::*;
use crate::protocol::version::SpecVersion;

fn sample() -> Success {
    Success {
        interfaces: vec![Interface {
            name: "net1".into(),
            mac: "02:00:00:00:00:aa".into(),
            mtu: 1500,
            sandbox: "/run/netns/pod1".into(),
            socket_path: String::new(),
            pci_id: "0000:3b:02.1".into(),
        }],
        ips: vec![
            IpConfig {
                interface: Some(0),
                address: "10.1.0.5/16".parse().unwrap(),
                gateway: Some("10.1.0.1".parse().unwrap()),
            },
            IpConfig {
                interface: Some(0),
                address: "fd00::5/64".parse().unwrap(),
                gateway: None,
            },
        ],
        routes: vec![Route {
            dst: "10.9.0.0/16".parse().unwrap(),
            gw: Some("10.1.0.9".parse().unwrap()),
            mtu: 1400,
            advmss: 1360,
            priority: 50,
            table: Some(0),
            scope: Some(0),
        }],
        dns: Dns::default(),
    }
}

#[test]
fn the_newest_shape_has_everything() {
    assert_eq!(
        sample().to_json(SpecVersion::V1_1_0).unwrap(),
        json!({
            "cniVersion": "1.1.0",
            "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:aa", "mtu": 1500, "sandbox": "/run/netns/pod1",
                            "pciID": "0000:3b:02.1"}],
            "ips": [{"interface": 0, "address": "10.1.0.5/16", "gateway": "10.1.0.1"},
                    {"interface": 0, "address": "fd00::5/64"}],
            "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.9", "mtu": 1400, "advmss": 1360, "priority": 50,
                        "table": 0, "scope": 0}],
        })
    );
}

#[test]
fn before_one_there_is_a_version_in_each_ip_and_no_mtu() {
    let json = sample().to_json(SpecVersion::V0_4_0).unwrap();
    assert_eq!(json["ips"][0]["version"], "4");
    assert_eq!(json["ips"][1]["version"], "6");
    assert_eq!(json["dns"], json!({}));
    let interface = json["interfaces"][0].as_object().unwrap();
    assert_eq!(interface.keys().collect::<Vec<_>>(), ["mac", "name", "sandbox"]);
    assert_eq!(json["routes"][0]["advmss"], 1360);
}

#[test]
fn the_first_format_holds_one_address_of_each_family() {
    assert_eq!(
        sample().to_json(SpecVersion::V0_2_0).unwrap(),
        json!({
            "cniVersion": "0.2.0",
            "ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1", "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.9"}]},
            "ip6": {"ip": "fd00::5/64"},
            "dns": {},
        })
    );
    assert_eq!(
        Success::default().to_json(SpecVersion::V0_1_0),
        Err(ResultError::NoAddresses)
    );
}

#[test]
fn what_is_written_is_read_back() {
    for version in [SpecVersion::V1_1_0, SpecVersion::V1_0_0] {
        let json = sample().to_json(version).unwrap();
        assert_eq!(Success::from_json(&json, SpecVersion::V0_1_0).unwrap(), sample());
    }
    let old = Success::from_json(&sample().to_json(SpecVersion::V0_2_0).unwrap(), SpecVersion::V1_0_0).unwrap();
    assert_eq!((old.ips.len(), old.ips[0].interface, old.routes.len()), (2, None, 1));
}

#[test]
fn a_result_without_version_is_of_the_configurations() {
    let ips = json!({"ips": [{"address": "10.0.0.5/24"}]});
    assert_eq!(Success::from_json(&ips, SpecVersion::V1_0_0).unwrap().ips.len(), 1);
    assert_eq!(
        Success::from_json(&Value::Null, SpecVersion::V1_0_0).unwrap(),
        Success::default()
    );
    let unknown = json!({"cniVersion": "7.0.0"});
    assert_eq!(
        Success::from_json(&unknown, SpecVersion::V1_0_0),
        Err(ResultError::Version("7.0.0".into()))
    );
}
