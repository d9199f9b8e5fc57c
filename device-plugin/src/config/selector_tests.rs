//! Selectors over devices: what matches, what is refused.

use hardwire_pci::Function;
use serde_json::json;

use super::*;

fn vf(vendor: &str, driver: &str, index: u32) -> Device {
    Device {
        id: format!("0000:03:02.{index}").parse().unwrap(),
        vendor: vendor.to_owned(),
        device: "10ca".to_owned(),
        class: 0x02_0000,
        driver: Some(driver.to_owned()),
        numa_node: None,
        iommu_group: None,
        acpi_index: None,
        rdma: Vec::new(),
        vdpa: Vec::new(),
        netdevs: Vec::new(),
        function: Function::Vf {
            pf: Some("0000:03:00.0".parse().unwrap()),
            index: Some(index),
        },
    }
}

fn parse(value: Value) -> Result<Selector, BadField> {
    Selector::parse("selectors", value, &mut Vec::new())
}

fn matches(value: Value, device: &Device) -> bool {
    parse(value).unwrap().matches(device, Some("ens1"))
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
    let device = vf("8086", "igbvf", 0);
    let selector = parse(json!({"pfNames": ["ens1"]})).unwrap();
    assert!(selector.matches(&device, Some("ens1")));
    assert!(!selector.matches(&device, None));
}

#[test]
fn the_operators_spelling_is_accepted() {
    let device = vf("8086", "igbvf", 1);
    let value = json!({"vendors": ["8086"], "PfNames": ["ens1#0-3"], "IsRdma": false, "NeedVhostNet": false});
    let mut warnings = Vec::new();
    let selector = Selector::parse("selectors", value, &mut warnings).unwrap();
    assert!(selector.matches(&device, Some("ens1")));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn fields_that_are_not_implemented_are_refused_only_where_they_would_filter() {
    for value in [
        json!({"isRdma": true}),
        json!({"needVhostNet": true}),
        json!({"rootDevices": ["0000:03:00.0"]}),
        json!({"linkTypes": ["ether"]}),
        json!({"ddpProfiles": ["x"]}),
        json!({"pKeys": ["0x1"]}),
        json!({"vdpaType": "vhost"}),
        json!({"acpiIndexes": ["1"]}),
        json!({"auxTypes": ["sf"]}),
    ] {
        let error = parse(value.clone()).unwrap_err().to_string();
        assert!(error.contains("does not have the field"), "{value}: {error}");
    }
    assert!(parse(json!({"isRdma": false, "linkTypes": [], "vdpaType": "", "rootDevices": null})).is_ok());
}

#[test]
fn values_that_could_never_match_are_refused() {
    for (value, field) in [
        (json!({"vendors": ["intel"]}), "selectors.vendors[0] is \"intel\""),
        (json!({"devices": ["0000:03:02.1"]}), "pciAddresses"),
        (json!({"pciAddresses": ["03:02.1"]}), "0000:3b:02.1"),
        (json!({"pciAddresses": ["net/eth0"]}), "0000:3b:02.1"),
        (json!({"pciAddresses": ["mlx5_core.sf.4"]}), "0000:3b:02.1"),
        (json!({"drivers": [""]}), "igbvf"),
        (json!({"pfNames": ["ens1", "ens1#x"]}), "selectors.pfNames[1]"),
        (json!({"vendors": "8086"}), "list of strings"),
        (json!([1]), "expected an object"),
    ] {
        let error = parse(value.clone()).unwrap_err().to_string();
        assert!(error.contains(field), "{value}: {error}");
    }
}

#[test]
fn a_misspelt_field_is_told() {
    let mut warnings = Vec::new();
    Selector::parse("selectors", json!({"pfName": ["ens1"]}), &mut warnings).unwrap();
    assert_eq!(
        warnings,
        ["selectors.pfName is no field of a selector and filters nothing"]
    );
}
