//! Fields of a selector that are refused, and what the messages say.

use serde_json::json;

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
        (json!({"auxTypes": ["sf"]}), "auxNetDevice"),
        (json!({"vendors": "8086"}), "list of strings"),
        (json!({"vendors": [8086]}), "put it in quotes"),
        (json!([1]), "expected an object"),
    ] {
        let error = parse(value.clone()).unwrap_err().to_string();
        assert!(error.contains(field), "{value}: {error}");
    }
}

#[test]
fn fields_that_a_device_type_does_not_have_are_refused_where_they_would_filter() {
    use DeviceType::{Accelerator, AuxNetDevice};
    for (kind, value, reason) in [
        (Accelerator, json!({"pfNames": ["ens1"]}), "rootDevices"),
        (Accelerator, json!({"linkTypes": ["ether"]}), "no link"),
        (
            AuxNetDevice,
            json!({"auxTypes": ["sf"], "pciAddresses": ["0000:03:00.0"]}),
            "rootDevices",
        ),
        (AuxNetDevice, json!({"auxTypes": ["sf"], "acpiIndexes": ["1"]}), "ACPI"),
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
    assert!(
        parse_as(
            Accelerator,
            json!({"pfNames": [], "linkTypes": null, "acpiIndexes": ["1"]})
        )
        .is_ok()
    );
    assert!(parse(json!({"isRdma": false, "linkTypes": [], "vdpaType": "", "rootDevices": null})).is_ok());
}

#[test]
fn a_misspelt_field_is_told() {
    let mut warnings = Vec::new();
    Selector::parse(
        "selectors",
        json!({"pfName": ["ens1"]}),
        DeviceType::NetDevice,
        &mut warnings,
    )
    .unwrap();
    assert_eq!(
        warnings,
        ["selectors.pfName is no field of a selector and filters nothing"]
    );
}
