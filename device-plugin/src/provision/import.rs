//! What sriov-network-operator wants of a node, as our configuration: its `SriovNetworkNodeState`.
//!
//! Contract: `spec.interfaces[]` of `sriovnetwork.openshift.io/v1` (api/v1 of sriov-network-operator): `pciAddress`, `name`, `numVfs`,
//! `mtu`, `eSwitchMode`, `externallyManaged`, `linkType`, and `vfGroups[]` with `deviceType`, `vfRange` (`NAME#FIRST-LAST`), `mtu`,
//! `isRdma`, `vdpaType`, `policyName`, `resourceName`. What has no word here is told, never guessed.

use serde_json::{Map, Value, json};

/// The kind of its object.
pub const KIND: &str = "SriovNetworkNodeState";

/// Entries of `pfs`, and what could not be taken over.
#[derive(Debug, Default, PartialEq)]
pub struct Imported {
    /// The entries.
    pub pfs: Vec<Value>,
    /// What is left out, and why.
    pub left_out: Vec<String>,
}

/// Reads an object. An error, in words, where it is no such object.
pub fn import(object: &Map<String, Value>) -> Result<Imported, String> {
    let spec = object.get("spec").and_then(Value::as_object);
    let spec = spec.ok_or("spec: expected an object with interfaces")?;
    let interfaces = match spec.get("interfaces") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(interfaces)) => interfaces,
        Some(other) => return Err(format!("spec.interfaces is {other}: expected a list")),
    };
    let mut imported = Imported::default();
    for (index, interface) in interfaces.iter().enumerate() {
        let at = format!("spec.interfaces[{index}]");
        let entry = entry(interface, &at, &mut imported.left_out)?;
        imported.pfs.push(entry);
    }
    for key in ["bridges", "system"] {
        if spec.get(key).is_some_and(|value| !is_empty(value)) {
            imported.left_out.push(format!("spec.{key}: nothing here sets it"));
        }
    }
    Ok(imported)
}

fn entry(interface: &Value, at: &str, left_out: &mut Vec<String>) -> Result<Value, String> {
    let text = |key: &str| {
        interface
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let number = |key: &str| interface.get(key).and_then(Value::as_u64).filter(|number| *number > 0);
    let address = text("pciAddress").ok_or_else(|| format!("{at}.pciAddress: expected the PF's address"))?;
    let mut entry = Map::new();
    if let Some(name) = text("name") {
        entry.insert("_name".to_owned(), name.into());
    }
    entry.insert("selectors".to_owned(), json!({"rootDevices": [address]}));
    entry.insert("numVfs".to_owned(), number("numVfs").unwrap_or_default().into());
    if let Some(mtu) = number("mtu") {
        entry.insert("mtu".to_owned(), mtu.into());
    }
    let is_external = interface.get("externallyManaged") == Some(&Value::Bool(true));
    if is_external {
        entry.insert("externallyManaged".to_owned(), true.into());
    }
    if let Some(mode) = text("eSwitchMode").filter(|_| !is_external) {
        entry.insert("eswitchMode".to_owned(), mode.into());
    }
    if let Some(kind) = text("linkType").filter(|kind| !kind.eq_ignore_ascii_case("eth")) {
        left_out.push(format!(
            "{at}.linkType {kind}: the card's firmware has it, and nothing here sets it"
        ));
    }
    let groups = interface.get("vfGroups").and_then(Value::as_array);
    let mut vfs = Vec::new();
    for (index, group) in groups.into_iter().flatten().enumerate() {
        vfs.push(vf_group(group, &format!("{at}.vfGroups[{index}]"), left_out)?);
    }
    if !vfs.is_empty() {
        entry.insert("vfs".to_owned(), vfs.into());
    }
    Ok(entry.into())
}

fn vf_group(group: &Value, at: &str, left_out: &mut Vec<String>) -> Result<Value, String> {
    let text = |key: &str| group.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let range = text("vfRange").ok_or_else(|| format!("{at}.vfRange: expected VFs, as in ens1f0#0-3"))?;
    let indices = range.rsplit('#').next().unwrap_or_default();
    let is_range = !indices.is_empty() && indices.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if !is_range {
        return Err(format!("{at}.vfRange is {range}: expected VFs, as in ens1f0#0-3"));
    }
    let is_for_user_space = text("deviceType") == Some("vfio-pci");
    let mut vfs = Map::new();
    vfs.insert("indices".to_owned(), indices.into());
    let driver = if is_for_user_space { "vfio-pci" } else { "default" };
    vfs.insert("driver".to_owned(), driver.into());
    let mtu = group.get("mtu").and_then(Value::as_u64);
    if let Some(mtu) = mtu.filter(|mtu| *mtu > 0 && !is_for_user_space) {
        vfs.insert("mtu".to_owned(), mtu.into());
    }
    if let Some(kind) = text("vdpaType") {
        left_out.push(format!("{at}.vdpaType {kind}: vDPA devices are not made here"));
    }
    if let Some(resource) = text("resourceName") {
        vfs.insert("_resourceName".to_owned(), resource.into());
    }
    Ok(vfs.into())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Defaults};

    /// What is imported is a configuration, notes and all.
    #[test]
    fn a_state_becomes_entries_that_can_be_read() {
        let state = json!({
            "apiVersion": "sriovnetwork.openshift.io/v1",
            "kind": KIND,
            "metadata": {"name": "worker-1", "namespace": "sriov-network-operator"},
            "spec": {
                "bridges": {},
                "interfaces": [
                    {"pciAddress": "0000:86:00.0", "name": "ens803f0", "numVfs": 6, "mtu": 9000, "linkType": "eth", "vfGroups": [
                        {"deviceType": "netdevice", "resourceName": "left", "policyName": "p", "vfRange": "ens803f0#0-3", "mtu": 9000},
                        {"deviceType": "vfio-pci", "resourceName": "dpdk", "policyName": "q", "vfRange": "ens803f0#4-5", "mtu": 9000}]},
                    {"pciAddress": "0000:86:00.1", "numVfs": 4, "eSwitchMode": "switchdev", "vfGroups": [
                        {"vfRange": "x#0-3", "vdpaType": "vhost"}]},
                    {"pciAddress": "0000:87:00.0", "numVfs": 2, "externallyManaged": true},
                ],
                "system": {"rdmaMode": "exclusive"},
            },
        });
        let imported = import(state.as_object().unwrap()).unwrap();
        assert_eq!(
            imported.left_out,
            [
                "spec.interfaces[1].vfGroups[0].vdpaType vhost: vDPA devices are not made here",
                "spec.system: nothing here sets it"
            ]
        );
        let defaults = Defaults {
            resource_prefix: "a.com".to_owned(),
            plugin_directory: "/p".into(),
        };
        let config = Config::from_json(json!({"pfs": imported.pfs}), &defaults).unwrap();
        assert_eq!(config.pfs.refused, []);
        let settings: Vec<_> = config.pfs.entries.iter().map(|entry| &entry.settings).collect();
        assert_eq!((settings[0].num_vfs, settings[0].mtu), (Some(6), Some(9000)));
        assert!(settings[0].vf(4).unwrap().driver.as_ref().unwrap().is_vfio());
        assert_eq!(settings[0].vf(0).unwrap().mtu, Some(9000));
        assert_eq!(settings[1].eswitch_mode.unwrap().word(), "switchdev");
        assert!(settings[2].externally_managed);
    }

    #[test]
    fn what_is_no_such_state_is_said_to_be_none() {
        for (state, expected) in [
            (json!({}), "spec: expected an object"),
            (
                json!({"spec": {"interfaces": {}}}),
                "spec.interfaces is {}: expected a list",
            ),
            (
                json!({"spec": {"interfaces": [{}]}}),
                "spec.interfaces[0].pciAddress: expected",
            ),
            (
                json!({"spec": {"interfaces": [{"pciAddress": "0000:86:00.0", "vfGroups": [{"vfRange": "a#b"}]}]}}),
                "vfGroups[0].vfRange is a#b",
            ),
        ] {
            let error = import(state.as_object().unwrap()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(
            import(json!({"spec": {}}).as_object().unwrap()).unwrap(),
            Imported::default()
        );
    }
}
