//! A container runtime's part in the Container Device Interface: specs are read, names looked up, edits applied.
//!
//! As CDI's own library does it: a spec that is not valid counts for nothing, a device that two specs describe cannot be
//! used, and a device that is named more than once is applied once. The kubelet's part is merging what the plugins of
//! several resources answer for one container.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use hardwire_proto::deviceplugin::ContainerAllocateResponse;
use serde_json::Value;

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
        // 0.5.0 is where device names may begin with a digit.
        if spec["cdiVersion"] != "0.5.0" {
            return Err("cdiVersion".to_owned());
        }
        let kind = spec["kind"].as_str().ok_or("kind")?;
        let (vendor, class) = kind.split_once('/').ok_or("kind")?;
        if !(is_name(vendor, "_-.") && is_name(class, "_-")) {
            return Err(format!("kind {kind}"));
        }
        for device in spec["devices"].as_array().ok_or("devices")? {
            let name = device["name"].as_str().ok_or("name")?;
            let ends = |c: char| c.is_ascii_alphanumeric();
            if !(name.starts_with(ends) && name.ends_with(ends) && only(name, "_-.:")) {
                return Err(format!("device name {name}"));
            }
            let edits = &device["containerEdits"];
            if edits.as_object().is_none_or(serde_json::Map::is_empty) {
                return Err(format!("invalid device {name}, empty device edits"));
            }
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

fn only(text: &str, more: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn is_name(text: &str, more: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && only(text, more)
}
