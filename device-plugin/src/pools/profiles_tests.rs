//! Whom the tool is asked about, and what an answer is worth.

use std::io;

use hardwire_pci::DeviceId;
use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Defaults, Details};
use crate::pools::{Assignment, PoolMatch, Reason, assign};

const PF: &str = "0000:3b:00.0";
const SECOND_PF: &str = "0000:3b:00.1";
const OTHER_PF: &str = "0000:af:00.0";

fn address(text: &str) -> PciAddress {
    text.parse().unwrap()
}

fn pf(id: &str, driver: Option<&str>) -> Device {
    Device {
        driver: driver.map(str::to_owned),
        vendor: "8086".to_owned(),
        function: Function::Pf {
            total_vfs: 64,
            num_vfs: 64,
            vfs: Vec::new(),
        },
        ..Device::unknown(id.parse().unwrap())
    }
}

fn vf(id: &str, pf: Option<&str>) -> Device {
    Device {
        driver: Some("iavf".to_owned()),
        vendor: "8086".to_owned(),
        function: Function::Vf {
            pf: pf.map(|pf| pf.parse().unwrap()),
            index: None,
        },
        ..Device::unknown(id.parse().unwrap())
    }
}

/// Two PFs of one adapter with 32 VFs each, and another adapter with one.
fn node() -> Arc<Hardware> {
    let mut devices = vec![
        pf(PF, Some("ice")),
        pf(SECOND_PF, Some("ice")),
        pf(OTHER_PF, Some("ice")),
        vf("0000:af:01.0", Some(OTHER_PF)),
    ];
    for n in 0..64 {
        let parent = if n < 32 { PF } else { SECOND_PF };
        devices.push(vf(&format!("0000:3b:{:02x}.{}", 1 + n / 8, n % 8), Some(parent)));
    }
    hardware(devices)
}

fn hardware(mut devices: Vec<Device>) -> Arc<Hardware> {
    devices.sort_by(|a, b| a.id.cmp(&b.id));
    let details = devices.iter().map(|device| (device.id.clone(), Details::default()));
    Arc::new(Hardware {
        details: details.collect(),
        inventory: Inventory {
            devices,
            skipped: Vec::new(),
        },
        ..Hardware::default()
    })
}

fn pools(list: &Value) -> Vec<Pool> {
    let defaults = Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let config = Config::from_json(json!({ "resourceList": list }), &defaults).unwrap();
    assert!(config.refused.is_empty(), "{:?}", config.refused);
    config.pools
}

fn gtp() -> Vec<Pool> {
    pools(&json!([{"resourceName": "gtp", "selectors": {"ddpProfiles": ["gtp"], "rootDevices": [PF, SECOND_PF]}}]))
}

fn to_ask(profiles: &mut Profiles, hardware: &Hardware, pools: &[Pool]) -> Vec<String> {
    let functions = profiles.to_ask(hardware, pools);
    functions.iter().map(ToString::to_string).collect()
}

fn in_pool(assignment: &Assignment, pool: usize) -> usize {
    assignment.devices(pool).count()
}

#[test]
fn an_adapter_is_asked_once_whatever_it_has_of_functions_and_vfs() {
    let (hardware, pools, mut profiles) = (node(), gtp(), Profiles::default());
    assert_eq!(
        to_ask(&mut profiles, &hardware, &pools),
        [PF],
        "the other one is not selected"
    );
    assert!(to_ask(&mut profiles, &hardware, &pools).is_empty(), "it is being asked");
    profiles.answered(address(PF), Ok("gtp".to_owned()));
    assert!(to_ask(&mut profiles, &hardware, &pools).is_empty());
    profiles.ask_again();
    assert_eq!(to_ask(&mut profiles, &hardware, &pools), [PF]);
}

#[test]
fn nobody_is_asked_where_no_pool_wants_to_know() {
    let plain = pools(&json!([{"resourceName": "x", "selectors": {}}]));
    assert!(to_ask(&mut Profiles::default(), &node(), &plain).is_empty());
}

#[test]
fn the_answer_is_that_of_all_functions_and_comes_while_others_are_given_out() {
    let (mut hardware, mut pools, mut profiles) = (node(), gtp(), Profiles::default());
    pools.extend(self::pools(&json!([{"resourceName": "rest", "selectors": {}}])));
    let _asked = to_ask(&mut profiles, &hardware, &pools);
    profiles.apply(&mut hardware);
    let before = assign(&hardware, &pools);
    assert_eq!(
        (in_pool(&before, 0), in_pool(&before, 1)),
        (0, 1),
        "the one that is not asked about"
    );
    let vf: DeviceId = "0000:3b:01.0".parse().unwrap();
    let waits = PoolMatch::Unmatched(Reason::AwaitsProfile(pools[0].resource.clone()));
    assert_eq!(before.matches[&vf], waits);
    profiles.answered(address(PF), Ok("gtp".to_owned()));
    profiles.apply(&mut hardware);
    let after = assign(&hardware, &pools);
    assert_eq!((in_pool(&after, 0), in_pool(&after, 1)), (64, 1));
}

#[test]
fn without_an_answer_the_next_pool_has_the_devices() {
    let (mut hardware, mut pools, mut profiles) = (node(), gtp(), Profiles::default());
    pools.extend(self::pools(&json!([{"resourceName": "rest", "selectors": {}}])));
    let _asked = to_ask(&mut profiles, &hardware, &pools);
    profiles.answered(address(PF), Err(DdpError::Late));
    profiles.apply(&mut hardware);
    let assignment = assign(&hardware, &pools);
    assert_eq!((in_pool(&assignment, 0), in_pool(&assignment, 1)), (0, 65));
    assert!(
        to_ask(&mut profiles, &hardware, &pools).is_empty(),
        "not again and again"
    );
}

#[test]
fn a_cause_is_told_once() {
    let mut profiles = Profiles::default();
    let missing = || Err(DdpError::Run(io::ErrorKind::NotFound.into()));
    for function in [PF, OTHER_PF] {
        profiles.answered(address(function), missing());
    }
    assert_eq!(profiles.told.len(), 1);
    profiles.answered(address(PF), Err(DdpError::Silent));
    assert_eq!(profiles.told.len(), 2);
}

#[test]
fn a_function_with_a_driver_is_asked_and_again_when_it_was_bound_anew() {
    let (pools, mut profiles) = (gtp(), Profiles::default());
    let with = |first: Option<&str>, second: Option<&str>| {
        hardware(vec![
            pf(PF, first),
            pf(SECOND_PF, second),
            vf("0000:3b:01.0", Some(SECOND_PF)),
        ])
    };
    assert_eq!(to_ask(&mut profiles, &with(None, Some("ice")), &pools), [SECOND_PF]);
    profiles.answered(address(SECOND_PF), Ok("gtp".to_owned()));
    let mut unbound = with(None, None);
    assert!(to_ask(&mut profiles, &unbound, &pools).is_empty());
    profiles.apply(&mut unbound);
    assert!(assign(&unbound, &pools).devices(0).next().is_none(), "nobody can tell");
    assert_eq!(to_ask(&mut profiles, &with(Some("ice"), Some("ice")), &pools), [PF]);
}

#[test]
fn in_a_virtual_machine_the_vf_itself_is_asked() {
    let pools = pools(&json!([{"resourceName": "gtp", "selectors": {"ddpProfiles": ["gtp"]}}]));
    let (mut hardware, mut profiles) = (hardware(vec![vf("0000:00:05.1", None)]), Profiles::default());
    assert_eq!(to_ask(&mut profiles, &hardware, &pools), ["0000:00:05.1"]);
    profiles.answered(address("0000:00:05.1"), Ok("gtp".to_owned()));
    profiles.apply(&mut hardware);
    assert_eq!(in_pool(&assign(&hardware, &pools), 0), 1);
}
