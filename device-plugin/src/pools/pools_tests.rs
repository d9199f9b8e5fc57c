//! Assignment: first match wins, the node's own devices stay with the node, and each device outside has its reason.

use hardwire_pci::{Device, Function, Inventory, NodeUse};
use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Defaults, Pool};

fn device(id: &str, function: Function) -> Device {
    Device {
        vendor: "8086".to_owned(),
        device: "10ca".to_owned(),
        class: 0x02_0000,
        driver: Some("igbvf".to_owned()),
        function,
        ..Device::unknown(id.parse().unwrap())
    }
}

fn vf(id: &str, index: u32) -> Device {
    let pf = Some("0000:01:00.0".parse().unwrap());
    device(id, Function::Vf { pf, index: Some(index) })
}

fn hardware(devices: Vec<Device>) -> Hardware {
    let inventory = Inventory {
        devices,
        skipped: Vec::new(),
    };
    Hardware {
        inventory,
        ..Hardware::default()
    }
}

fn pools(list: &Value) -> Vec<Pool> {
    let defaults = Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let config = Config::from_json(json!({"resourceList": list}), &defaults).unwrap();
    assert!(config.refused.is_empty(), "{:?}", config.refused);
    config.pools
}

fn places(assignment: &Assignment) -> Vec<String> {
    let text = |place: &PoolMatch| match place {
        PoolMatch::Pool(index) => format!("pool {index}"),
        PoolMatch::Unmatched(reason) => reason.to_string(),
    };
    assignment.matches.values().map(text).collect()
}

#[test]
fn the_first_pool_that_selects_a_device_has_it() {
    let hardware = hardware(vec![vf("0000:01:10.0", 0), vf("0000:01:10.2", 1)]);
    let pools = pools(&json!([
        {"resourceName": "first", "selectors": {"pciAddresses": ["0000:01:10.2"]}},
        {"resourceName": "second", "selectors": {}},
        {"resourceName": "third", "selectors": {}},
    ]));
    let assignment = assign(&hardware, &pools);
    assert_eq!(places(&assignment), ["pool 1", "pool 0"]);
    assert_eq!(
        assignment.devices(1).map(ToString::to_string).collect::<Vec<_>>(),
        ["0000:01:10.0"]
    );
    assert_eq!(assignment.devices(2).count(), 0);
    let contests: Vec<String> = assignment
        .contests
        .iter()
        .map(|contest| format!("{} {} {}", contest.device, contest.winner, contest.loser))
        .collect();
    assert_eq!(
        contests,
        [
            "0000:01:10.0 a.com/second a.com/third",
            "0000:01:10.2 a.com/first a.com/second",
            "0000:01:10.2 a.com/first a.com/third",
        ]
    );
}

#[test]
fn what_cannot_be_given_away_says_why() {
    let pf = |num_vfs| Function::Pf {
        total_vfs: 7,
        num_vfs,
        vfs: Vec::new(),
    };
    let mut driverless = vf("0000:01:10.0", 0);
    driverless.driver = None;
    let mut other = device("0000:05:00.0", Function::Plain);
    other.vendor = "15b3".to_owned();
    let hardware = hardware(vec![
        device("0000:01:00.0", pf(7)),
        driverless,
        device("0000:02:00.0", pf(0)),
        device("0000:03:00.0", Function::Plain),
        other,
    ]);
    let pools = pools(&json!([{"resourceName": "x", "selectors": {"vendors": ["8086"]}}]));
    assert_eq!(
        places(&assign(&hardware, &pools)),
        [
            "PF with 7 VFs",
            "pool 0",
            "pool 0",
            "pool 0",
            "no selector matches: a.com/x differs in vendors"
        ]
    );
    assert_eq!(places(&assign(&hardware, &[]))[4], "no pools are configured");
}

#[test]
fn only_what_has_lost_its_driver_for_a_moment_is_taken_without_one() {
    let driverless = |mut device: Device| {
        device.driver = None;
        device
    };
    let hardware = hardware(vec![
        driverless(vf("0000:01:10.0", 0)),
        driverless(device("0000:03:00.0", Function::Plain)),
    ]);
    let any = pools(&json!([{"resourceName": "x", "selectors": {}}]));
    assert_eq!(places(&assign(&hardware, &any)), ["pool 0", "no driver is bound to it"]);
    let bound = pools(&json!([{"resourceName": "x", "selectors": {"drivers": ["igbvf"]}}]));
    assert_eq!(places(&assign(&hardware, &bound))[0], "no driver is bound to it");
    let other = pools(&json!([{"resourceName": "x", "selectors": {"drivers": ["igbvf"], "vendors": ["15b3"]}}]));
    assert_eq!(
        places(&assign(&hardware, &other))[0],
        "no selector matches: a.com/x differs in vendors"
    );
}

#[test]
fn a_pool_takes_devices_of_its_type_only() {
    let mut accelerator = device("0000:01:00.0", Function::Plain);
    accelerator.class = 0x12_0000;
    let mut crowded = accelerator.clone();
    crowded.id = "0000:02:00.0".parse().unwrap();
    crowded.function = Function::Pf {
        total_vfs: 1,
        num_vfs: 1,
        vfs: Vec::new(),
    };
    let sf = device(
        "mlx5_core.sf.4",
        Function::Sf {
            parent: Some("0000:03:00.0".parse().unwrap()),
            number: Some(88),
        },
    );
    let hardware = hardware(vec![accelerator, crowded, device("0000:03:00.0", Function::Plain), sf]);
    let net = json!({"resourceName": "net", "selectors": {}});
    let fpga = json!({"resourceName": "fpga", "deviceType": "accelerator", "selectors": {}});
    let sfs = json!({"resourceName": "sf", "deviceType": "auxNetDevice", "selectors": {"auxTypes": ["sf"]}});
    let no = "no selector matches";
    for (list, expected) in [
        (json!([net]), [no, no, "pool 0", no]),
        (json!([fpga]), ["pool 0", "pool 0", no, no]),
        (json!([sfs]), [no, no, no, "pool 0"]),
        (json!([net, fpga, sfs]), ["pool 1", "pool 1", "pool 0", "pool 2"]),
    ] {
        assert_eq!(places(&assign(&hardware, &pools(&list))), expected, "{list}");
    }
}

#[test]
fn the_object_that_matches_tells_what_is_needed() {
    let mut rdma = vf("0000:01:10.0", 0);
    rdma.rdma = vec!["mlx5_0".to_owned()];
    let hardware = hardware(vec![rdma, vf("0000:01:10.2", 1)]);
    let pools = pools(&json!([{"resourceName": "x", "selectors": [
        {"isRdma": true, "needVhostNet": true}, {"vendors": ["8086"]},
    ]}]));
    let assignment = assign(&hardware, &pools);
    let needs = hardware
        .inventory
        .devices
        .iter()
        .map(|device| assignment.needs(&device.id));
    let needs: Vec<(bool, bool)> = needs.map(|needs| (needs.rdma, needs.vhost_net)).collect();
    assert_eq!(needs, [(true, true), (false, false)]);
    assert_eq!(
        assignment.needs(&"0000:09:00.0".parse().unwrap()),
        crate::config::Needs::default()
    );
}

#[test]
fn what_keeps_a_device_out_is_told_for_each_pool_of_its_type() {
    let hardware = hardware(vec![vf("0000:01:10.0", 0)]);
    let pools = pools(&json!([
        {"resourceName": "a", "selectors": [{"vendors": ["15b3"]}, {"pfNames": ["ens1"]}, {"pfNames": ["ens2"]}]},
        {"resourceName": "b", "selectors": {"drivers": ["igbvf"], "notRdma": true, "vfIndexes": [1]}},
        {"resourceName": "c", "deviceType": "accelerator", "selectors": {}},
    ]));
    assert_eq!(
        places(&assign(&hardware, &pools)),
        ["no selector matches: a.com/a differs in vendors or pfNames, a.com/b differs in vfIndexes"]
    );
}

#[test]
fn spare_nics_are_in_by_default_and_out_on_request() {
    let pf = Function::Pf {
        total_vfs: 7,
        num_vfs: 0,
        vfs: Vec::new(),
    };
    let hardware = hardware(vec![
        vf("0000:01:10.0", 0),
        device("0000:02:00.0", pf),
        device("0000:03:00.0", Function::Plain),
    ]);
    let no = "no selector matches: a.com/x differs in functions";
    for (selector, expected) in [
        (json!({}), ["pool 0"; 3]),
        (json!({"functions": ["vf"]}), ["pool 0", no, no]),
        (json!({"functions": ["!pf"]}), ["pool 0", no, "pool 0"]),
        (json!({"functions": ["pf", "plain"]}), [no, "pool 0", "pool 0"]),
    ] {
        let pools = pools(&json!([{"resourceName": "x", "selectors": selector}]));
        assert_eq!(places(&assign(&hardware, &pools)), expected);
    }
}

#[test]
fn a_device_of_the_node_is_given_away_only_by_name() {
    let mut hardware = hardware(vec![device("0000:03:00.0", Function::Plain)]);
    let id = hardware.inventory.devices[0].id.clone();
    let host_use = HostUse::Used(NodeUse::DefaultRoute { v6: false, table: 254 });
    hardware.host_uses.insert(id, host_use.clone());
    let pools = pools(&json!([
        {"resourceName": "careless", "selectors": {}},
        {"resourceName": "deliberate", "selectors": {}, "allowNodeDevices": ["0000:03:00.0"]},
    ]));
    let refused = assign(&hardware, &pools[..1]);
    assert_eq!(
        places(&refused),
        ["the node's IPv4 default route (table 254) leads through it"]
    );
    let allowed = assign(&hardware, &pools);
    assert_eq!(places(&allowed), ["pool 1"]);
    assert_eq!(allowed.overrides.len(), 1);
    assert_eq!(allowed.overrides[0].host_use, host_use);
    assert!(allowed.contests.is_empty());
}

#[test]
fn what_is_not_known_to_be_spare_is_not_given_away() {
    let mut hardware = hardware(vec![device("0000:03:00.0", Function::Plain)]);
    let id = hardware.inventory.devices[0].id.clone();
    hardware.host_uses.insert(id, HostUse::Unknown("EPERM".to_owned()));
    let pools = pools(&json!([{"resourceName": "x", "selectors": {}}]));
    assert_eq!(
        places(&assign(&hardware, &pools)),
        ["whether the node uses it is not known (EPERM)"]
    );
}
