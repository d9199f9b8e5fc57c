//! A container runtime's part in the Container Device Interface: specs are read, names looked up, edits applied.
//!
//! As CDI's own library does it: a spec that is not valid counts for nothing, a device that two specs describe cannot be
//! used, and a device that is named more than once is applied once. The kubelet's part is merging what the plugins of
//! several resources answer for one container.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use hardwire_proto::deviceplugin::ContainerAllocateResponse;
use serde_json::Value;

use crate::binaries::peer;

/// The specs of a folder.
#[derive(Debug, Clone, Default)]
pub struct Specs {
    /// By qualified name, each description of the device.
    devices: BTreeMap<String, Vec<Value>>,
}

/// What is done to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// `HOST:PATH` of each node, in the order of application.
    pub nodes: Vec<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
}

// === impl Specs ===

impl Specs {
    /// Reads every spec in a folder.
    ///
    /// # Panics
    /// If one is not valid: ours all have to be.
    pub fn read(folder: &Path) -> Self {
        let mut specs = Self::default();
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        for path in entries.map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = fs::read_to_string(&path).expect("a spec");
                let spec = serde_json::from_str(&text).expect("JSON");
                specs
                    .add(&spec)
                    .unwrap_or_else(|error| panic!("{}: {error}: {text}", path.display()));
            }
        }
        specs
    }

    fn add(&mut self, spec: &Value) -> Result<(), String> {
        let fields = ["cdiVersion", "kind", "devices", "annotations", "containerEdits"];
        known_fields(spec, &fields)?;
        // 0.5.0 is where device names may begin with a digit, and where `hostPath` is from.
        if spec["cdiVersion"] != "0.5.0" {
            return Err("cdiVersion".to_owned());
        }
        let kind = spec["kind"].as_str().ok_or("kind")?;
        let (vendor, class) = kind.split_once('/').ok_or("kind")?;
        if !(is_name(vendor, "_-.") && is_name(class, "_-")) {
            return Err(format!("kind {kind}"));
        }
        let devices = spec["devices"].as_array().ok_or("devices")?;
        if devices.is_empty() {
            return Err("no devices".to_owned());
        }
        let mut names = BTreeSet::new();
        for device in devices {
            known_fields(device, &["name", "containerEdits"])?;
            let name = device["name"].as_str().ok_or("name")?;
            let ends = |c: char| c.is_ascii_alphanumeric();
            if !(name.starts_with(ends) && name.ends_with(ends) && only(name, "_-.:")) {
                return Err(format!("device name {name}"));
            }
            if !names.insert(name) {
                return Err(format!("two devices {name}"));
            }
            let edits = &device["containerEdits"];
            edits_are_good(edits).map_err(|fault| format!("device {name}: {fault}"))?;
            let qualified = format!("{kind}={name}");
            self.devices.entry(qualified).or_default().push(edits.clone());
        }
        Ok(())
    }

    /// Applies what the plugins answered for one container.
    pub fn apply(&self, answers: &[ContainerAllocateResponse]) -> Result<Edits, String> {
        let mut names = BTreeSet::new();
        let mut annotations = BTreeMap::new();
        for answer in answers {
            names.extend(answer.cdi_devices.iter().map(|device| device.name.clone()));
            for (key, value) in &answer.annotations {
                // The kubelet keeps the first.
                annotations.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        let of_cdi = annotations.iter().filter(|(key, _)| key.starts_with("cdi.k8s.io/"));
        names.extend(of_cdi.flat_map(|(_, value)| value.split(',').map(str::to_owned)));
        let mut edits = Edits::default();
        for name in names {
            match self.devices.get(&name).map(Vec::as_slice) {
                None => return Err(format!("unresolvable CDI device {name}")),
                Some([device]) => edits.add(device),
                Some(_) => return Err(format!("conflicting device {name}")),
            }
        }
        Ok(edits)
    }

    /// Has the library of the CDI project look at the folder too, where `hack/peers` could build a program with it.
    ///
    /// # Panics
    /// If it finds fault with a spec, or can use other devices than we think.
    pub fn check_with_the_projects_library(&self, folder: &Path) {
        let Some(program) = peer("cdi-specs") else { return };
        // Of a copy, in which nothing changes.
        let copy = tempfile::tempdir().expect("a directory");
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a file that stays");
        }
        let output = Command::new(program).arg(copy.path()).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let names = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(names.lines().collect::<Vec<_>>(), self.names());
    }

    /// The qualified names of all devices.
    pub fn names(&self) -> Vec<&str> {
        self.devices.keys().map(String::as_str).collect()
    }
}

impl Edits {
    fn add(&mut self, edits: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for node in edits["deviceNodes"].as_array().into_iter().flatten() {
            self.nodes
                .push(format!("{}:{}", text(&node["hostPath"]), text(&node["path"])));
        }
        self.env.extend(edits["env"].as_array().into_iter().flatten().map(text));
    }
}

/// What is done to a container: something, and each of it complete. Mounts and hooks are never ours.
fn edits_are_good(edits: &Value) -> Result<(), String> {
    known_fields(edits, &["env", "deviceNodes"])?;
    let list = |name: &str| edits[name].as_array().into_iter().flatten();
    for env in list("env") {
        let (name, _) = env.as_str().and_then(|env| env.split_once('=')).ok_or("env")?;
        if name.is_empty() {
            return Err("env without a name".to_owned());
        }
    }
    for node in list("deviceNodes") {
        // Of the fields that a node may have, those that 0.5.0 knows.
        let fields = [
            "path",
            "hostPath",
            "type",
            "major",
            "minor",
            "fileMode",
            "permissions",
            "uid",
            "gid",
        ];
        known_fields(node, &fields)?;
        for path in ["path", "hostPath"] {
            if node[path].as_str().is_none_or(|path| !path.starts_with('/')) {
                return Err(format!("{path} of a node: {node}"));
            }
        }
        let permissions = node["permissions"].as_str().unwrap_or_default();
        if !permissions.chars().all(|c| "rwm".contains(c)) {
            return Err(format!("permissions {permissions}"));
        }
    }
    if list("env").chain(list("deviceNodes")).next().is_none() {
        return Err("no edits".to_owned());
    }
    Ok(())
}

/// An unknown field is one of a later version.
fn known_fields(object: &Value, fields: &[&str]) -> Result<(), String> {
    let object = object.as_object().ok_or_else(|| format!("no object: {object}"))?;
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        None => Ok(()),
        Some(other) => Err(format!("field {other}")),
    }
}

fn only(text: &str, more: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

/// Two letters at least: versions of the project's library panic on one.
fn is_name(text: &str, more: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && only(text, more)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> Value {
        json!({"cdiVersion": "0.5.0", "kind": "a.b/class", "devices": [
            {"name": "0", "containerEdits": {"env": ["A=1"]}},
            {"name": "1", "containerEdits": {"deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/x", "permissions": "rw"}]}},
        ]})
    }

    #[test]
    fn a_spec_with_a_fault_is_none() {
        Specs::default().add(&spec()).expect("a good one");
        let faults: [(&str, Value); 13] = [
            ("/cdiVersion", json!("0.3.0")),
            ("/kind", json!("a.b")),
            ("/kind", json!("3com/class")),
            ("/kind", json!("a.b/")),
            ("/kind", json!("a/class")),
            ("/devices", json!([])),
            ("/devices/0/name", json!("")),
            ("/devices/0/name", json!("a/b")),
            ("/devices/0/name", json!("1")),
            ("/devices/0/containerEdits", json!({})),
            ("/devices/0/containerEdits", json!({"env": []})),
            ("/devices/0/containerEdits", json!({"intelRdt": {}})),
            ("/devices/1/containerEdits/deviceNodes/0/path", json!("x")),
        ];
        for (place, value) in faults {
            let mut spec = spec();
            *spec.pointer_mut(place).expect(place) = value.clone();
            assert!(Specs::default().add(&spec).is_err(), "{place} = {value}");
        }
    }
}
