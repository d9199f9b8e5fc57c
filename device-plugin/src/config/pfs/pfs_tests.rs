use serde_json::json;

use super::super::{Config, Defaults};
use super::*;

fn config(value: Value) -> Config {
    let defaults = Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    Config::from_json(value, &defaults).unwrap()
}

fn one(entry: &Value) -> Result<PfEntry, String> {
    let mut config = config(json!({"pfs": [entry]}));
    match config.pfs.entries.pop() {
        Some(entry) => Ok(entry),
        None => Err(config.pfs.refused[0].to_string()),
    }
}

fn with(settings: &Value) -> Result<PfEntry, String> {
    let mut entry = json!({"selectors": {"pfNames": ["ens1f0"]}});
    entry
        .as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    one(&entry)
}

fn pf(name: &str) -> PfIdentity {
    PfIdentity {
        address: "0000:3b:00.0".to_owned(),
        name: Some(name.to_owned()),
        altnames: vec!["uplink-left".to_owned()],
        macs: vec!["02:00:00:00:00:01".to_owned()],
        vendor: "8086".to_owned(),
        device: "1572".to_owned(),
        driver: Some("i40e".to_owned()),
        numa_node: Some(1),
    }
}

#[test]
fn json_and_yaml_say_the_same_and_pools_need_not_be_there() {
    let defaults = Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let yaml = "\
provision: apply
pfs:
  - selectors: {pfNames: [ens1f0]}
    numVfs: 7
    mtu: 9000
    linkUp: true
    vfs:
      - {indices: 0-3, trust: on, mtu: 9000, vlan: 100, vlanQoS: 3}
      - {indices: '4-6', driver: vfio-pci, spoofchk: false}
";
    let read = Config::from_text("f", yaml.to_owned(), &defaults).unwrap();
    assert!(read.pools.is_empty() && read.warnings.is_empty(), "{:?}", read.warnings);
    assert_eq!(read.pfs.mode, ProvisionMode::Apply);
    let same = config(json!({"resourceList": [], "provision": "apply", "pfs": [{
        "selectors": {"pfNames": ["ens1f0"]}, "numVfs": 7, "mtu": 9000, "linkUp": true,
        "vfs": [{"indices": "0-3", "trust": "on", "mtu": 9000, "vlan": 100, "vlanQoS": 3},
                {"indices": "4-6", "driver": "vfio-pci", "spoofchk": false}],
    }]}));
    assert_eq!(read.pfs.entries, same.pfs.entries);
    let settings = &read.pfs.entries[0].settings;
    assert_eq!(
        (settings.num_vfs, settings.mtu, settings.link_up),
        (Some(7), Some(9000), Some(true))
    );
    let vf = settings.vf(3).unwrap();
    assert_eq!(
        (vf.trust, vf.vlan.map(|vlan| (vlan.id, vlan.qos))),
        (Some(true), Some((100, 3)))
    );
    assert!(settings.vf(4).unwrap().driver.as_ref().unwrap().is_vfio());
    assert_eq!(settings.vf(7), None);
    let off = Config::from_text("f", "provision: off\nresourceList: []\n".to_owned(), &defaults).unwrap();
    assert_eq!(off.pfs.mode, ProvisionMode::Off);
    assert_eq!(
        config(json!({})).pfs.mode,
        ProvisionMode::Verify,
        "what a daemon does by default"
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn each_error_names_the_field_the_value_and_what_would_be_right() {
    for (settings, expected) in [
        (json!({}), "numVfs is null: expected something that this PF should be"),
        (
            json!({"numVfs": -1}),
            "numVfs is -1: expected a number from 0 to 65535 (VFs)",
        ),
        (json!({"numVfs": "4"}), "numVfs is \"4\": expected a number"),
        (json!({"numvf": 4}), "numvf is 4: a PF has no such field"),
        (json!({"mtu": 60}), "mtu is 60: expected a number from 68"),
        (
            json!({"eswitchMode": "on"}),
            "eswitchMode is \"on\": expected legacy or switchdev",
        ),
        (json!({"linkUp": "yes"}), "linkUp is \"yes\": expected true or false"),
        (
            json!({"numVfs": 4, "guid": "x"}),
            "guid is \"x\": a PF has no such field",
        ),
        (json!({"numVfs": 4, "vfs": {}}), "vfs is {}: expected a list of groups"),
        (
            json!({"numVfs": 4, "vfs": [{"indices": "4", "trust": true}]}),
            "vfs[0].indices is 4: numVfs is 4: expected indices up to 3",
        ),
        (
            json!({"numVfs": 0, "vfs": [{"indices": "0", "trust": true}]}),
            "vfs[0].indices is 0: numVfs is 0: there are no VFs",
        ),
        (
            json!({"vfs": [{"trust": true}]}),
            "vfs[0].indices is null: expected indices",
        ),
        (
            json!({"vfs": [{"indices": "3-1", "trust": true}]}),
            "vfs[0].indices is \"3-1\": expected indices",
        ),
        (
            json!({"vfs": [{"indices": 0}]}),
            "vfs[0] is null: expected something that these VFs should be",
        ),
        (
            json!({"vfs": [{"indices": "0-3", "trust": true}, {"indices": "5,2", "mtu": 1400}]}),
            "vfs[1].indices is 2: VF 2 is in vfs[0] too",
        ),
        (
            json!({"vfs": [{"indices": 0, "trusted": true}]}),
            "vfs[0].trusted is true: VFs have no such field",
        ),
        (
            json!({"vfs": [{"indices": 0, "trust": 1}]}),
            "vfs[0].trust is 1: expected true or false",
        ),
        (
            json!({"vfs": [{"indices": 0, "driver": "../x"}]}),
            "vfs[0].driver is \"../x\": expected default, vfio-pci",
        ),
        (
            json!({"vfs": [{"indices": 0, "driver": "vfio-pci", "mtu": 1400}]}),
            "vfs[0].mtu is 1400: with vfio-pci a VF has no interface",
        ),
        (
            json!({"mtu": 1500, "vfs": [{"indices": 0, "mtu": 9000}]}),
            "vfs[0].mtu is 9000: expected at most the PF's, which is 1500",
        ),
        (
            json!({"vfs": [{"indices": 0, "vlan": 4095}]}),
            "vfs[0].vlan is 4095: expected a number from 0 to 4094",
        ),
        (
            json!({"vfs": [{"indices": 0, "vlanQoS": 3}]}),
            "vfs[0].vlanQoS is 3: expected a vlan beside it",
        ),
        (
            json!({"vfs": [{"indices": 0, "vlan": 0, "vlanQoS": 3}]}),
            "vfs[0].vlanQoS is 3: vlan is 0, which is none",
        ),
        (
            json!({"vfs": [{"indices": 0, "minTxRate": 20, "maxTxRate": 10}]}),
            "vfs[0].minTxRate is 20: expected at most maxTxRate, which is 10",
        ),
        (
            json!({"vfs": [{"indices": 0, "msixCount": 0}]}),
            "vfs[0].msixCount is 0: expected a number from 1 to 2048",
        ),
        (
            json!({"driversAutoprobe": false, "vfs": [{"indices": 0, "driver": "default"}]}),
            "vfs[0].driver is \"default\": driversAutoprobe is false",
        ),
        (
            json!({"externallyManaged": true, "eswitchMode": "legacy"}),
            "eswitchMode is \"set\": externallyManaged is true",
        ),
    ] {
        let error = with(&settings).unwrap_err();
        assert!(error.starts_with("pfs[0] (ens1f0): "), "{settings}: {error}");
        assert!(error.contains(expected), "{settings}: {error}");
    }
    for (entry, expected) in [
        (json!(3), "pfs[0]: it is 3: expected an object"),
        (
            json!({"numVfs": 4}),
            "selectors is null: expected an object that says of which PFs",
        ),
        (
            json!({"numVfs": 4, "selectors": {}}),
            "selectors is {}: expected an object that says of which PFs",
        ),
        (
            json!({"numVfs": 4, "selectors": {"pfNames": []}}),
            "expected an object that says of which PFs",
        ),
        (
            json!({"numVfs": 4, "selectors": {"pfNames": ["a#0-3"]}}),
            "selectors.pfNames[0] is \"a#0-3\": expected an interface name",
        ),
        (
            json!({"numVfs": 4, "selectors": {"linkSpeeds": [1]}}),
            "selectors.linkSpeeds is [1]: a PF is selected by vendors",
        ),
        (
            json!({"numVfs": 4, "selectors": {"rootDevices": ["ens1"]}}),
            "selectors.rootDevices[0] is \"ens1\": expected the full PCI address",
        ),
    ] {
        let error = one(&entry).unwrap_err();
        assert!(error.contains(expected), "{entry}: {error}");
    }
    let defaults = Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    for (document, expected) in [
        (
            json!({"provision": "yes", "pfs": []}),
            "provision is \"yes\": expected off, verify or apply",
        ),
        (json!({"pfs": {}}), "pfs is {}: expected a list of PFs"),
    ] {
        let error = Config::from_json(document, &defaults).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let twice = r#"{"pfs": [{"selectors": {"pfNames": ["a"]}, "numVfs": 1, "numVfs": 2}]}"#;
    let config = Config::from_text("f", twice.to_owned(), &defaults).unwrap();
    let refused = config.pfs.refused[0].to_string();
    assert!(
        refused.contains("numVfs is") && refused.contains("more than once"),
        "{refused}"
    );
}

#[test]
fn a_bad_entry_hides_no_good_one_and_no_pool() {
    let config = config(json!({
        "resourceList": [{"resourceName": "x", "selectors": {}}],
        "pfs": [{"selectors": {"pfNames": ["a"]}, "numVfs": "x"}, {"selectors": {"pfNames": ["b"]}, "numVfs": 1, "_why": ""}],
    }));
    assert_eq!(
        (config.pools.len(), config.pfs.entries.len(), config.pfs.refused.len()),
        (1, 1, 1)
    );
    assert_eq!(config.pfs.entries[0].at, "pfs[1] (b)");
    assert_eq!(config.warnings, ["pfs[1] (b): _why is a note and does nothing"]);
}

#[test]
fn a_pf_is_known_by_any_of_the_words_of_a_selector() {
    let matches = |selectors: &Value, pf: &PfIdentity| {
        let entry = one(&json!({"selectors": selectors, "numVfs": 1})).unwrap();
        entry.selection.matches(pf)
    };
    let right = pf("ens1f0");
    for selectors in [
        json!({"pfNames": ["ens*"]}),
        json!({"pfNames": ["!ens2"]}),
        json!({"pfAltNames": ["uplink-*"]}),
        json!({"pfMacs": ["02:00:00:00:00:01"]}),
        json!({"rootDevices": ["0000:3b:*"]}),
        json!({"vendors": ["0x8086"], "devices": ["1572"], "drivers": ["i40e", "ice"], "numaNodes": [1]}),
    ] {
        assert!(matches(&selectors, &right), "{selectors}");
    }
    for selectors in [
        json!({"pfNames": ["ens1"]}),
        json!({"vendors": ["8086"], "drivers": ["ice"]}),
        json!({"numaNodes": [-1]}),
        json!({"pfMacs": ["02:00:00:00:00:02"]}),
    ] {
        assert!(!matches(&selectors, &right), "{selectors}");
    }
    let nameless = PfIdentity { name: None, ..right };
    assert!(
        !matches(&json!({"pfNames": ["!ens2"]}), &nameless),
        "a name that is not known is chosen by none"
    );
}
