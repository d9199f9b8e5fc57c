//! Fields of a selector that are refused, and what the messages say.

use serde_json::json;

use super::super::field_names::SELECTOR;
use super::*;

fn parse_as(kind: DeviceType, value: Value) -> Result<Selector, BadField> {
    Selector::parse("selectors", value, kind, &mut Vec::new())
}

fn parse(value: Value) -> Result<Selector, BadField> {
    parse_as(DeviceType::NetDevice, value)
}

#[test]
fn values_that_could_never_match_are_refused() {
    for (value, field) in [
        (json!({"vendors": ["intel"]}), "selectors.vendors[0] is \"intel\""),
        (json!({"vendors": ["!intel"]}), "selectors.vendors[0] is \"intel\""),
        (json!({"devices": ["0000:03:02.1"]}), "pciAddresses"),
        (json!({"pciAddresses": ["03:02.1"]}), "0000:3b:02.1"),
        (json!({"pciAddresses": ["net/eth0"]}), "0000:3b:02.1"),
        (json!({"pciAddresses": ["mlx5_core.sf.4"]}), "0000:3b:02.1"),
        (json!({"drivers": [""]}), "igbvf"),
        (json!({"pfNames": ["ens1", "ens1#x"]}), "selectors.pfNames[1]"),
        (json!({"pfAltNames": ["a#"]}), "eth0#0-3,5"),
        (json!({"pfMacs": ["ens1"]}), "02:00:00:00:00:0a"),
        (json!({"rootDevices": ["03:00.0"]}), "0000:3b:00.0"),
        (json!({"linkTypes": ["ethernet"]}), "ether or infiniband"),
        (json!({"ddpProfiles": [""]}), "ddptool"),
        (json!({"pKeys": ["7fff"]}), "0x7fff"),
        (json!({"pKeys": ["0x12345"]}), "0x7fff"),
        (json!({"acpiIndexes": ["0x1"]}), "acpi_index"),
        (
            json!({"vdpaType": "vduse"}),
            "selectors.vdpaType is \"vduse\": expected vhost or virtio",
        ),
        (json!({"isRdma": "true"}), "expected true or false"),
        (
            json!({"isRdma": true, "vdpaType": "vhost"}),
            "either for RDMA or for vDPA",
        ),
        (json!({"isRdma": true, "notRdma": true}), "no device is both"),
        (json!({"vfIndexes": ["3-0"]}), "3 or 0-3"),
        (json!({"vfIndexes": [-1]}), "3 or 0-3"),
        (json!({"functions": ["PF"]}), "vf, pf"),
        (json!({"numaNodes": [-2]}), "NUMA node"),
        (json!({"numaNodes": [true]}), "a number or a string"),
        (json!({"linkSpeeds": ["25G"]}), ">=25000"),
        (json!({"vendors": "8086"}), "list of strings"),
        (json!({"vendors": [8086]}), "put it in quotes"),
        (json!([1]), "expected an object"),
    ] {
        let error = parse(value.clone()).unwrap_err().to_string();
        assert!(error.contains(field), "{value}: {error}");
    }
}

fn warnings_of(kind: DeviceType, value: Value) -> Vec<String> {
    let mut warnings = Vec::new();
    Selector::parse("selectors", value, kind, &mut warnings).unwrap();
    warnings
}

#[test]
fn fields_that_a_device_type_does_not_have_are_refused_or_ignored_as_upstream_does() {
    use DeviceType::{Accelerator, AuxNetDevice, NetDevice};
    for (kind, value, reason) in [
        (Accelerator, json!({"pfAltNames": ["ens1"]}), "rootDevices"),
        (Accelerator, json!({"linkSpeeds": [25000]}), "no link"),
        (AuxNetDevice, json!({}), "selectors.auxTypes is null: expected [\"sf\"]"),
        (AuxNetDevice, json!({"auxTypes": []}), "expected [\"sf\"]"),
        (
            AuxNetDevice,
            json!({"auxTypes": ["sf", "eth"]}),
            "selectors.auxTypes[1] is \"eth\"",
        ),
    ] {
        let error = parse_as(kind, value.clone()).unwrap_err().to_string();
        assert!(error.contains(reason), "{value}: {error}");
    }
    for (kind, value, reason) in [
        (
            Accelerator,
            json!({"pfNames": ["ens1"]}),
            "selectors.pfNames filters nothing",
        ),
        (Accelerator, json!({"linkTypes": ["ether"]}), "no link"),
        (
            AuxNetDevice,
            json!({"auxTypes": ["sf"], "pciAddresses": ["0000:03:00.0"]}),
            "selectors.pciAddresses filters nothing, as in sriov-network-device-plugin: a subfunction has no PCI address; \
             rootDevices takes its parent's",
        ),
        (AuxNetDevice, json!({"auxTypes": ["sf"], "AcpiIndexes": ["1"]}), "ACPI"),
        // Not even its values are read.
        (
            AuxNetDevice,
            json!({"auxTypes": ["sf"], "pKeys": "any"}),
            "partition key",
        ),
        (NetDevice, json!({"auxTypes": ["sf"]}), "auxNetDevice"),
    ] {
        let warnings = warnings_of(kind, value.clone());
        assert_eq!(warnings.len(), 1, "{value}: {warnings:?}");
        assert!(warnings[0].contains(reason), "{value}: {warnings:?}");
    }
    // Templates leave each field that they know.
    let quiet =
        json!({"isRdma": false, "vdpaType": "", "rootDevices": null, "pfNames": [], "linkTypes": [], "pKeys": []});
    for kind in [NetDevice, Accelerator] {
        assert_eq!(warnings_of(kind, quiet.clone()), [""; 0]);
    }
    assert!(parse_as(Accelerator, json!({"pfNames": [], "acpiIndexes": ["1"]})).is_ok());
}

#[test]
fn the_list_of_fields_is_the_one_that_is_read() {
    let one_each: serde_json::Map<String, Value> = SELECTOR
        .map(|field| (field.to_owned(), json!({})))
        .into_iter()
        .collect();
    // Each is met, and is no object.
    let mut left = one_each;
    for field in SELECTOR
        .iter()
        .filter(|field| !IGNORED_IN_NET.iter().any(|(name, _)| name == *field))
    {
        let value = Value::Object([((*field).to_owned(), json!({}))].into_iter().collect());
        let error = parse(value).unwrap_err();
        assert!(
            error.field.ends_with(field) && error.expected.starts_with("expected"),
            "{error}"
        );
        left.remove(*field);
    }
    assert_eq!(left.len(), 1);
}

#[test]
fn a_misspelt_field_refuses_the_selector() {
    let error = parse(json!({"pfName": ["ens1"]})).unwrap_err().to_string();
    assert_eq!(
        error,
        "selectors.pfName is [\"ens1\"]: a selector has no such field and would take more devices without it; it is \
         almost pfNames: is that what is meant?"
    );
    let notes = json!({"_why": "x", "comment": "left port", "description": "x", "pfNames": ["ens1"]});
    assert_eq!(warnings_of(DeviceType::NetDevice, notes).len(), 3);
}
