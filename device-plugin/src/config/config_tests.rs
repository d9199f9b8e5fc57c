//! Whole configurations: what runs, what is refused, and what the messages say.

use serde_json::json;

use super::*;

fn defaults() -> Defaults {
    Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/var/lib/kubelet/device-plugins".into(),
    }
}

fn parse(document: Value) -> Config {
    Config::from_json(document, &defaults()).unwrap()
}

fn refusal(pool: &Value) -> String {
    let config = parse(json!({"resourceList": [pool]}));
    assert!(config.pools.is_empty(), "{config:?}");
    config.refused[0].to_string()
}

#[test]
fn what_the_operator_writes_is_read() {
    let config = parse(json!({"resourceList": [{
        "resourceName": "x",
        "selectors": {"vendors": ["15b3"], "pfNames": ["ens1#0-3"], "IsRdma": false, "NeedVhostNet": false},
        "SelectorObj": null
    }]}));
    assert_eq!(config.pools[0].resource.to_string(), "intel.com/x");
    assert!(config.refused.is_empty() && config.warnings.is_empty(), "{config:?}");
}

#[test]
fn a_node_without_pools_is_fine() {
    for document in [json!({"resourceList": null}), json!({"resourceList": []}), json!({})] {
        let config = parse(document);
        assert!(config.pools.is_empty() && config.refused.is_empty());
    }
}

#[test]
fn one_selector_and_a_list_of_one_are_the_same() {
    let pools = [json!({"vendors": ["8086"]}), json!([{"vendors": ["8086"]}])]
        .map(|selectors| parse(json!({"resourceList": [{"resourceName": "x", "selectors": selectors}]})).pools);
    assert_eq!(pools[0], pools[1]);
}

#[test]
fn all_fields_of_a_pool_are_read() {
    let config = parse(json!({"ResourceList": [{
        "resourcename": "x", "ResourcePrefix": "acme.org", "deviceType": "netDevice", "excludeTopology": true,
        "selectors": [{}], "additionalInfo": {"*": {"k": "v"}}, "allowNodeDevices": ["eth0", "0000:03:00.0"],
        "onChange": "adopt", "onCarrierLoss": "unhealthy", "preferredAllocation": "pairs"
    }]}));
    let pool = &config.pools[0];
    assert_eq!(pool.resource.to_string(), "acme.org/x");
    assert!(pool.exclude_topology);
    assert_eq!(pool.additional_info.as_ref().unwrap()["*"]["k"], "v");
    assert_eq!(pool.allow_node_devices.len(), 2);
    assert_eq!(
        (pool.on_change, pool.on_carrier_loss),
        (OnChange::Adopt, OnCarrierLoss::Unhealthy)
    );
    assert_eq!(
        (pool.placement, pool.device_type),
        (Placement::Pairs, DeviceType::NetDevice)
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn each_device_type_is_read() {
    for (word, kind, selectors) in [
        ("netDevice", DeviceType::NetDevice, json!({})),
        ("accelerator", DeviceType::Accelerator, json!({"devices": ["0b30"]})),
        ("auxNetDevice", DeviceType::AuxNetDevice, json!({"auxTypes": ["sf"]})),
    ] {
        let pool = json!({"resourceName": "x", "deviceType": word, "selectors": selectors});
        assert_eq!(parse(json!({"resourceList": [pool]})).pools[0].device_type, kind);
    }
}

#[test]
fn rdma_and_vdpa_are_told_apart_by_object() {
    let pool = |selectors: Value| json!({"resourceList": [{"resourceName": "x", "selectors": selectors}]});
    let apart = parse(pool(json!([{"isRdma": true}, {"vdpaType": "vhost"}])));
    assert_eq!((apart.pools.len(), apart.refused.len()), (1, 0));
    let mixed = parse(pool(json!([{"isRdma": true}, {"isRdma": true, "vdpaType": "vhost"}])));
    assert!(
        mixed.refused[0].to_string().contains("selectors[1].isRdma"),
        "{:?}",
        mixed.refused
    );
}

#[test]
fn what_containers_are_told_comes_from_all_parent_and_device() {
    let pool = parse(
        json!({"resourceList": [{"resourceName": "x", "selectors": {}, "additionalInfo": {
            "*": {"a": "all", "b": "all", "c": "all"},
            "0000:03:00.0": {"b": "parent", "c": "parent"},
            "mlx5_core.sf.4": {"c": "own"},
            "0000:03:02.0": {"b": "own"},
        }}]}),
    )
    .pools
    .remove(0);
    let mut sf = hardwire_pci::Device::unknown("mlx5_core.sf.4".parse().unwrap());
    let parent = Some("0000:03:00.0".parse().unwrap());
    sf.function = hardwire_pci::Function::Sf {
        parent: parent.clone(),
        number: Some(4),
    };
    let extra = |device| {
        let said = pool.extra(device).unwrap();
        said.into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(extra(&sf), ["a=all", "b=parent", "c=own"]);
    let mut vf = hardwire_pci::Device::unknown("0000:03:02.0".parse().unwrap());
    vf.function = hardwire_pci::Function::Vf {
        pf: parent,
        index: Some(0),
    };
    assert_eq!(
        extra(&vf),
        ["a=all", "b=own", "c=all"],
        "a VF is not told what its PF is"
    );
    let silent = parse(json!({"resourceList": [{"resourceName": "x", "selectors": {}}]}));
    assert_eq!(silent.pools[0].extra(&vf), None);
}

#[test]
fn a_bad_pool_does_not_stop_the_others() {
    let config = parse(json!({"resourceList": [
        {"resourceName": "bad name", "selectors": {}},
        {"resourceName": "good", "selectors": {}},
        {"resourceName": "good", "selectors": {}},
        {"resourceName": "good", "resourcePrefix": "acme.org", "selectors": {}},
        7,
    ]}));
    let good: Vec<String> = config.pools.iter().map(|pool| pool.resource.to_string()).collect();
    assert_eq!(good, ["intel.com/good", "acme.org/good"]);
    let refused: Vec<String> = config.refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        refused,
        [
            "resourceList[0] (bad name): resourceName is \"bad name\": expected 1 to 63 letters, digits, and - _ . \
             between them",
            "resourceList[2] (good): its resource is \"intel.com/good\": a pool before it has the same",
            "resourceList[4]: it is 7: expected an object",
        ]
    );
}

#[test]
fn messages_say_pool_field_value_and_what_would_be_right() {
    for (pool, expected) in [
        (json!({"selectors": {}}), "resourceName is \"\""),
        (json!({"resourceName": "x"}), "selectors is null: expected an object"),
        (json!({"resourceName": "x", "selectors": []}), "selectors is []"),
        (
            json!({"resourceName": "x", "selectors": [null]}),
            "selectors[0] is null: expected an object",
        ),
        (json!({"resourceName": "x", "selectors": "y"}), "expected an object"),
        (
            json!({"resourceName": "x", "selectors": [{}, {"vendors": ["q"]}]}),
            "selectors[1].vendors[0] is \"q\"",
        ),
        (
            json!({"resourceName": "x", "deviceType": "netdevice", "selectors": {}}),
            "deviceType is \"netdevice\": expected netDevice or accelerator or auxNetDevice",
        ),
        (
            json!({"resourceName": "x", "deviceType": "auxNetDevice", "selectors": [{"auxTypes": ["sf"]}, {}]}),
            "selectors[1].auxTypes is null",
        ),
        (
            json!({"resourceName": "x", "selectors": {}, "onChange": "ignore"}),
            "onChange is \"ignore\": expected unhealthy or adopt",
        ),
        (
            json!({"resourceName": "x", "selectors": {}, "onCarrierLoss": true}),
            "onCarrierLoss is true: expected a string",
        ),
        (
            json!({"resourceName": "x", "selectors": {}, "preferredAllocation": "pair"}),
            "preferredAllocation is \"pair\": expected spread or pack or pairs",
        ),
        (
            json!({"resourceName": "x", "selectors": [{}, {"pfName": ["ens1"]}]}),
            "selectors[1].pfName is [\"ens1\"]: a selector has no such field",
        ),
        (
            json!({"resourceName": "x", "selectors": {}, "pfNames": ["ens1"]}),
            "pfNames is [\"ens1\"]: pfNames filters nothing here: it belongs into selectors",
        ),
        (
            json!({"resourceName": "x", "resourcePrefix": "kubernetes.io", "selectors": {}}),
            "resourcePrefix is \"kubernetes.io\"",
        ),
        (
            json!({"resourceName": "x", "excludeTopology": "true", "selectors": {}}),
            "excludeTopology is \"true\": expected true or false",
        ),
        (
            json!({"resourceName": "x", "additionalInfo": {"*": {"a": 1}}, "selectors": {}}),
            "additionalInfo.*.a is 1",
        ),
        (
            json!({"resourceName": "x", "allowNodeDevices": ["a/b"], "selectors": {}}),
            "allowNodeDevices[0]",
        ),
        (json!({"resourceName": "n".repeat(64), "selectors": {}}), "1 to 63"),
        (
            json!({"resourceName": "n".repeat(63), "resourcePrefix": "p123456789", "selectors": {}}),
            "4 bytes too long",
        ),
    ] {
        let message = refusal(&pool);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_second_variable_never_hides_another_pools_first() {
    let pool = |name: &str| json!({"resourceName": name, "selectors": {}});
    let config = parse(json!({"resourceList": [pool("a-b"), pool("a_b"), pool("c-d"), pool("A_B")]}));
    let variables: Vec<&[String]> = config.pools.iter().map(|pool| pool.variables.as_slice()).collect();
    assert_eq!(
        variables,
        [
            ["PCIDEVICE_INTEL_COM_A-B"].as_slice(),
            &["PCIDEVICE_INTEL_COM_A_B"],
            &["PCIDEVICE_INTEL_COM_C-D", "PCIDEVICE_INTEL_COM_C_D"],
            &["PCIDEVICE_INTEL_COM_A_B"],
        ]
    );
    assert!(config.warnings[0].contains("intel.com/A_B"), "{:?}", config.warnings);
}

#[test]
fn fields_that_do_nothing_are_told() {
    let config = parse(json!({"resourceList": [{"resourceName": "x", "selector": {}, "selectors": {}}], "x": 1}));
    assert_eq!(
        config.warnings,
        [
            "x is no field of a configuration and does nothing",
            "resourceList[0] (x): selector is no field of a pool and does nothing; it is almost selectors",
        ]
    );
}

#[test]
fn a_document_without_a_list_of_pools_is_no_configuration() {
    for (document, found) in [
        (
            json!({"resourceLists": [{"resourceName": "x", "selectors": {}}]}),
            "found only resourceLists",
        ),
        (
            json!({"image": {}, "nodeSelector": {}}),
            "found only image, nodeSelector",
        ),
    ] {
        let error = Config::from_json(document, &defaults()).unwrap_err().to_string();
        assert!(
            error.starts_with("resourceList is null: expected a list of pools") && error.ends_with(found),
            "{error}"
        );
    }
    let empty = parse(json!({"_comment": "nothing here yet"}));
    assert!(empty.pools.is_empty());
    assert_eq!(empty.warnings, ["_comment is a note and does nothing"]);
}

#[test]
fn a_key_that_is_there_twice_refuses_its_pool_and_a_note_does_not() {
    let read = |text: &str| Config::from_text("f", text.to_owned(), &defaults());
    let config = read(
        r#"{"ResourceList": [
            {"resourceName": "lost", "selectors": {"pfNames": ["ens1"], "pfNames": ["ens2"]}},
            {"resourceName": "swapped", "selectors": {"vendors": ["8086"]}, "selectors": {}},
            {"resourceName": "notes", "_comment": 1, "_comment": 2, "selectors": {"_why": 1, "_why": 2}}
        ]}"#,
    )
    .unwrap();
    let refused: Vec<String> = config.refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        refused,
        [
            "resourceList[0] (lost): selectors.pfNames is [\"ens2\"]: the field is there more than once, and only one of \
             them can count",
            "resourceList[1] (swapped): selectors is {}: the field is there more than once, and only one of them can count",
        ]
    );
    assert_eq!(config.pools.len(), 1);
    let twice = read(r#"{"resourceList": [{"resourceName": "x", "selectors": {}}], "resourceList": []}"#);
    assert!(
        twice
            .unwrap_err()
            .to_string()
            .contains("resourceList is []: the field is there more than once")
    );
    assert!(read("resourceList: []\nresourceList: []\n").is_err());
}

#[test]
fn every_field_of_the_replaced_plugin_loads() {
    let pool = |name: &str, kind: &str, selectors: Value| json!({"resourceName": name, "deviceType": kind, "selectors": selectors});
    let net = json!({
        "vendors": ["8086", "15b3"], "devices": ["154c", "1889"], "drivers": ["iavf", "vfio-pci"],
        "pciAddresses": ["0000:3b:02.1"], "pfNames": ["ens1f0#0-3,7"], "rootDevices": ["0000:3b:00.0#1"],
        "linkTypes": ["ether", "infiniband"], "isRdma": true, "acpiIndexes": ["101"], "needVhostNet": true,
        "ddpProfiles": ["GTPv1-C/U IPv4/IPv6 payload"], "vdpaType": "", "pKeys": ["0x1", "0xABCD"],
    });
    let accelerator = json!({
        "vendors": ["8086"], "devices": ["0d90"], "drivers": ["vfio-pci"], "pciAddresses": ["0000:3b:02.1"],
        "acpiIndexes": ["101"],
    });
    let aux = json!({
        "vendors": ["15b3"], "devices": ["a2d6"], "drivers": ["mlx5_core"], "pfNames": ["p0#1-5"],
        "rootDevices": ["0000:03:00.0"], "linkTypes": ["ether"], "isRdma": true, "needVhostNet": true, "auxTypes": ["sf"],
    });
    let config = parse(json!({"resourceList": [
        pool("net", "netDevice", json!([net, {"vdpaType": "vhost"}, {"vdpaType": "virtio"}])),
        pool("object", "netDevice", net),
        pool("fec", "accelerator", json!([accelerator])),
        pool("sf", "auxNetDevice", json!([aux])),
    ]}));
    assert_eq!(
        (config.pools.len(), &config.refused[..], &config.warnings[..]),
        (4, &[][..], &[][..])
    );
    // What it reads and does nothing with.
    let config = parse(json!({"resourceList": [
        {"resourceName": "sf", "deviceType": "auxNetDevice", "SelectorObjs": [1], "additionalInfo": {"ens1": {"a": "b"}},
         "selectors": [{"auxTypes": ["sf"], "pciAddresses": ["0000:03:00.0"], "acpiIndexes": ["1"], "ddpProfiles": ["x"],
                        "pKeys": ["0x1"]}]},
        {"resourceName": "fec", "deviceType": "accelerator",
         "selectors": {"pfNames": ["ens1"], "linkTypes": ["ether"], "ddpProfiles": ["x"], "pKeys": ["0x1"]}},
    ]}));
    assert_eq!((config.pools.len(), &config.refused[..]), (2, &[][..]));
    assert_eq!(config.warnings.len(), 9, "{:#?}", config.warnings);
}

#[test]
fn a_file_is_refused_as_a_whole_only_if_nothing_in_it_is_good() {
    let directory = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let path = directory.path().join("config.json");
        fs::write(&path, text).unwrap();
        Config::read(&path, &defaults()).map_err(|error| error.to_string())
    };
    assert!(read("junk").unwrap_err().contains("config.json: not JSON"));
    assert!(read("[]").unwrap_err().contains("expected an object"));
    assert!(
        read(r#"{"resourceList": {}}"#)
            .unwrap_err()
            .contains("expected a list of pools")
    );
    assert!(
        read(r#"{"resourceList": [{}]}"#)
            .unwrap_err()
            .contains("no good pool: resourceList[0]")
    );
    assert!(read(r#"{"resourceList": [{}, {"resourceName": "x", "selectors": {}}]}"#).is_ok());
    let missing = Config::read(&directory.path().join("none"), &defaults());
    assert!(matches!(missing, Err(ConfigError::Read { .. })));
}

#[test]
fn the_example_in_the_readme_is_good() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    fs::write(&path, example).unwrap();
    let config = Config::read(&path, &defaults()).unwrap();
    assert!(config.refused.is_empty() && config.warnings.is_empty(), "{config:?}");
    assert_eq!(config.pools.len(), 4);
}
