//! Selectors over devices: what matches, what is refused.

use hardwire_pci::{Netdev, Vdpa};
use serde_json::{Value, json};

use super::super::candidate::Details;
use super::super::object::BadField;
use super::super::policy::DeviceType;
use super::*;

fn vf(vendor: &str, driver: &str, index: u32) -> Device {
    Device {
        vendor: vendor.to_owned(),
        device: "10ca".to_owned(),
        class: 0x02_0000,
        driver: Some(driver.to_owned()),
        function: Function::Vf {
            pf: Some("0000:03:00.0".parse().unwrap()),
            index: Some(index),
        },
        ..Device::unknown(format!("0000:03:02.{index}").parse().unwrap())
    }
}

fn netdev(name: &str, link_type: LinkType) -> Netdev {
    Netdev {
        name: name.parse().unwrap(),
        index: 7,
        mac: "02:00:00:00:00:0a".parse().ok(),
        mtu: 1500,
        link_type,
        port: None,
        number: None,
        switch_id: None,
    }
}

/// The PF of [`vf`], named ens1.
fn pf() -> Device {
    Device {
        driver: Some("igb".to_owned()),
        netdevs: vec![netdev("ens1", LinkType::Ether)],
        function: Function::Pf {
            total_vfs: 8,
            num_vfs: 8,
            vfs: Vec::new(),
        },
        ..Device::unknown("0000:03:00.0".parse().unwrap())
    }
}

fn parse_as(kind: DeviceType, value: Value) -> Result<Selector, BadField> {
    Selector::parse("selectors", value, kind, &mut Vec::new())
}

fn parse(value: Value) -> Result<Selector, BadField> {
    parse_as(DeviceType::NetDevice, value)
}

fn matches(value: Value, device: &Device) -> bool {
    let pf = pf();
    parse(value).unwrap().matches(&Candidate::new(device, Some(&pf)))
}

#[test]
fn a_selector_without_conditions_matches_everything() {
    let device = vf("8086", "igbvf", 0);
    assert!(matches(json!({}), &device));
    assert!(matches(json!({"vendors": [], "drivers": null}), &device));
}

#[test]
fn fields_are_joined_with_and_values_with_or() {
    let device = vf("8086", "igbvf", 3);
    assert!(matches(
        json!({"vendors": ["15b3", "8086"], "devices": ["10ca"]}),
        &device
    ));
    assert!(!matches(json!({"vendors": ["8086"], "devices": ["1018"]}), &device));
    assert!(matches(json!({"drivers": ["vfio-pci", "igbvf"]}), &device));
    assert!(!matches(json!({"drivers": ["igb"]}), &device));
    assert!(matches(json!({"pciAddresses": ["0000:03:02.3"]}), &device));
    assert!(!matches(json!({"pciAddresses": ["0000:03:02.2"]}), &device));
    assert!(matches(json!({"pfNames": ["ens1#3"], "drivers": ["igbvf"]}), &device));
    assert!(!matches(json!({"pfNames": ["ens1#0-2"]}), &device));
}

#[test]
fn ids_match_in_any_case_of_their_digits() {
    let mut device = vf("15b3", "mlx5_core", 0);
    device.device = "101e".to_owned();
    assert!(matches(json!({"vendors": ["15B3"], "devices": ["101E"]}), &device));
    assert!(matches(json!({"vendors": ["0x15b3"]}), &device));
}

#[test]
fn a_selector_by_pf_excludes_devices_that_show_none() {
    let (device, pf) = (vf("8086", "igbvf", 0), pf());
    let mut silent = pf.clone();
    silent.netdevs.clear();
    for value in [
        json!({"pfNames": ["ens1"]}),
        json!({"pfNames": ["!eth0"]}),
        json!({"pfMacs": ["02:00:00:00:00:0a"]}),
    ] {
        let selector = parse(value).unwrap();
        assert!(selector.matches(&Candidate::new(&device, Some(&pf))));
        assert!(!selector.matches(&Candidate::new(&device, None)));
        assert!(!selector.matches(&Candidate::new(&device, Some(&silent))));
        assert!(!selector.matches(&Candidate::new(&pf, None)), "a PF has no PF");
    }
    // The address of the PF is known without it.
    let selector = parse(json!({"rootDevices": ["0000:03:00.0#0-3"]})).unwrap();
    assert!(selector.matches(&Candidate::new(&device, None)));
    assert!(!selector.matches(&Candidate::new(&vf("8086", "igbvf", 4), None)));
}

#[test]
fn the_operators_spelling_is_accepted() {
    let value = json!({"vendors": ["8086"], "PfNames": ["ens1#0-3"], "IsRdma": false, "NeedVhostNet": false});
    let mut warnings = Vec::new();
    let selector = Selector::parse("selectors", value, DeviceType::NetDevice, &mut warnings).unwrap();
    let (device, pf) = (vf("8086", "igbvf", 1), pf());
    assert!(selector.matches(&Candidate::new(&device, Some(&pf))));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn the_link_type_is_the_pfs_where_the_device_shows_none() {
    let (mut device, pf) = (vf("8086", "igbvf", 0), pf());
    let is = |value: Value, device: &Device, pf| parse(value).unwrap().matches(&Candidate::new(device, pf));
    let both = json!({"linkTypes": ["infiniband", "ether"]});
    assert!(is(both.clone(), &device, Some(&pf)) && is(json!({"linkTypes": ["ether"]}), &device, Some(&pf)));
    assert!(!is(both, &device, None), "nobody tells");
    device.netdevs = vec![netdev("ib0", LinkType::Infiniband)];
    assert!(is(json!({"linkTypes": ["infiniband"]}), &device, Some(&pf)));
    assert!(!is(json!({"linkTypes": ["ether"]}), &device, Some(&pf)));
}

#[test]
fn rdma_and_its_absence_can_be_asked_for() {
    let plain = vf("8086", "igbvf", 0);
    let mut rdma = plain.clone();
    rdma.rdma = vec!["mlx5_3".to_owned()];
    for (value, of_rdma, of_plain) in [
        (json!({"isRdma": true}), true, false),
        (json!({"notRdma": true}), false, true),
        (json!({"isRdma": false, "notRdma": false}), true, true),
    ] {
        assert_eq!(matches(value.clone(), &rdma), of_rdma, "{value}");
        assert_eq!(matches(value.clone(), &plain), of_plain, "{value}");
    }
    let hidden = Details {
        rdma: true,
        ..Details::default()
    };
    let candidate = Candidate {
        details: Some(&hidden),
        ..Candidate::new(&plain, None)
    };
    assert!(
        parse(json!({"isRdma": true})).unwrap().matches(&candidate),
        "it is in a pod"
    );
    assert!(!parse(json!({"notRdma": true})).unwrap().matches(&candidate));
}

#[test]
fn vdpa_devices_match_by_what_they_are_bound_to() {
    let mut device = vf("15b3", "mlx5_core", 0);
    assert!(!matches(json!({"vdpaType": "vhost"}), &device));
    device.vdpa = vec![Vdpa {
        name: "vdpa0".to_owned(),
        driver: Some(VdpaDriver::Vhost),
    }];
    assert!(matches(json!({"vdpaType": "vhost"}), &device));
    assert!(!matches(json!({"vdpaType": "virtio"}), &device));
}

#[test]
fn details_match_only_where_they_are_known() {
    let device = vf("8086", "igbvf", 2);
    let infiniband = Device {
        netdevs: vec![netdev("ib0", LinkType::Infiniband)],
        ..device.clone()
    };
    let pf = pf();
    let (of_pf, of_device) = (
        Details {
            altnames: vec!["uplink-left".to_owned()],
            permanent_mac: "02:00:00:00:00:0b".parse().ok(),
            speed: Some(25000),
            ..Details::default()
        },
        Details {
            pkeys: vec![0x7fff],
            ddp_profile: DdpProfile::Named("ICE COMMS Package".to_owned()),
            speed: Some(1000),
            ..Details::default()
        },
    );
    let known = |device| Candidate {
        device,
        pf: Some(&pf),
        details: Some(&of_device),
        pf_details: Some(&of_pf),
    };
    for (value, expected) in [
        (json!({"pfAltNames": ["uplink-*#0-2"]}), true),
        (json!({"pfAltNames": ["!uplink-right"]}), true),
        (json!({"pfAltNames": ["ens1"]}), false),
        (json!({"pfMacs": ["02:00:00:00:00:0B#2"]}), true),
        (json!({"pfMacs": ["02:00:00:00:00:0c"]}), false),
        (json!({"linkSpeeds": [">=25000"]}), true),
        (json!({"linkSpeeds": [1000, "<=10000"]}), false),
        (json!({"linkSpeeds": ["!25000"]}), false),
        (json!({"pKeys": ["0x7fff"]}), true),
        (json!({"pKeys": ["0x8001", "0x7FFF"]}), true),
        (json!({"pKeys": ["0xffff"]}), false),
        (json!({"ddpProfiles": ["ICE COMMS Package"]}), true),
        (json!({"ddpProfiles": ["*COMMS*"]}), true),
        (json!({"ddpProfiles": ["gtp"]}), false),
    ] {
        let selector = parse(value.clone()).unwrap();
        assert_eq!(selector.asks().len(), 1, "{value}");
        assert_eq!(selector.matches(&known(&infiniband)), expected, "{value}");
        let macs = value.get("pfMacs").is_some();
        assert!(
            macs || !selector.matches(&Candidate::new(&infiniband, Some(&pf))),
            "{value}"
        );
    }
    assert!(
        !parse(json!({"pKeys": ["0x7fff"]})).unwrap().matches(&known(&device)),
        "Ethernet"
    );
    assert!(parse(json!({"vendors": ["8086"]})).unwrap().asks().is_empty());
}

#[test]
fn places_in_the_machine_can_be_asked_for() {
    let mut device = vf("8086", "igbvf", 3);
    device.acpi_index = Some("101".to_owned());
    for (value, expected) in [
        (json!({"vfIndexes": ["0-3", 7]}), true),
        (json!({"vfIndexes": ["!3"]}), false),
        (json!({"vfIndexes": [4]}), false),
        (json!({"functions": ["vf"]}), true),
        (json!({"functions": ["pf", "plain"]}), false),
        (json!({"functions": ["!vf"]}), false),
        (json!({"numaNodes": [0, 1]}), false),
        (json!({"numaNodes": ["-1"]}), true),
        (json!({"numaNodes": ["!0"]}), true),
        (json!({"acpiIndexes": ["101"]}), true),
        (json!({"acpiIndexes": ["1"]}), false),
        (json!({"drivers": ["igb*", "!igb"]}), true),
        (json!({"drivers": ["!igb*"]}), false),
        (json!({"vendors": ["!15b3"]}), true),
        (json!({"pciAddresses": ["0000:03:*"]}), true),
        (json!({"pciAddresses": ["!0000:03:02.3"]}), false),
        (json!({"pfNames": ["ens*#3"]}), true),
        (json!({"pfNames": ["ens*", "!ens1#3"]}), false),
        (json!({"pfNames": ["!ens1#0-2"]}), true),
    ] {
        assert_eq!(matches(value.clone(), &device), expected, "{value}");
    }
    device.numa_node = Some(1);
    assert!(matches(json!({"numaNodes": [0, 1]}), &device) && !matches(json!({"numaNodes": [-1]}), &device));
    device.acpi_index = None;
    assert!(!matches(json!({"acpiIndexes": ["101"]}), &device));
}

#[test]
fn a_subfunction_is_selected_by_its_parent_and_number() {
    let mut sf = Device::unknown("mlx5_core.sf.4".parse().unwrap());
    sf.vendor = "15b3".to_owned();
    sf.driver = Some("mlx5_core.sf".to_owned());
    sf.function = Function::Sf {
        parent: Some("0000:03:00.0".parse().unwrap()),
        number: Some(88),
    };
    let pf = pf();
    for (fields, expected) in [
        (json!({}), true),
        (json!({"drivers": ["igb"]}), true),
        (json!({"drivers": ["mlx5_core.sf"]}), false),
        (json!({"pfNames": ["ens1#80-88"]}), true),
        (json!({"pfNames": ["ens1#4"]}), false),
        (json!({"rootDevices": ["0000:03:00.0#88"]}), true),
        (json!({"vendors": ["15b3"], "linkTypes": ["ether"]}), true),
        (json!({"functions": ["sf"], "vfIndexes": [88]}), true),
    ] {
        let mut value = fields;
        value["auxTypes"] = json!(["sf"]);
        let selector = parse_as(DeviceType::AuxNetDevice, value.clone()).unwrap();
        assert_eq!(selector.matches(&Candidate::new(&sf, Some(&pf))), expected, "{value}");
    }
}

#[test]
fn a_device_without_driver_matches_where_none_is_asked_for() {
    let mut device = vf("8086", "igbvf", 0);
    device.driver = None;
    let pf = pf();
    let candidate = Candidate::new(&device, Some(&pf));
    let selector = |value| parse(value).unwrap();
    assert!(selector(json!({"pfNames": ["ens1"]})).matches(&candidate));
    for drivers in [json!({"drivers": ["igbvf"]}), json!({"drivers": ["!vfio-pci"]})] {
        assert!(!selector(drivers.clone()).matches(&candidate));
        assert!(selector(drivers).awaits_driver(&candidate));
    }
    assert!(!selector(json!({"drivers": ["igbvf"], "vendors": ["15b3"]})).awaits_driver(&candidate));
}

#[test]
fn what_does_not_filter_tells_what_is_needed() {
    let needs = |value| parse(value).unwrap().needs();
    assert!(needs(json!({"isRdma": true, "needVhostNet": true})).vhost_net);
    assert!(needs(json!({"isRdma": true})).rdma && !needs(json!({"notRdma": true})).rdma);
    assert_eq!(needs(json!({"vdpaType": "virtio"})).vdpa, Some(VdpaDriver::Virtio));
    assert_eq!(needs(json!({"vdpaType": "", "isRdma": false})), Needs::default());
    assert!(matches(json!({"needVhostNet": true}), &vf("8086", "igbvf", 0)));
}
