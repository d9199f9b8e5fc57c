//! A CDI spec that lies in the folder of specs: which devices it describes, and taking some of them over into another.
//!
//! Ours are JSON. Those that sriov-network-device-plugin leaves behind are YAML, of which JSON is a part.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::Document;
use super::cdi::VERSION;

/// No spec of ours is near it: a thousand devices take a quarter of a megabyte.
const SPEC_MAX: u64 = 16 << 20;

/// Devices by name, each with what is done to a container that gets it.
pub(crate) type Described = BTreeMap<String, Value>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    cdi_version: &'static str,
    kind: &'a str,
    devices: Vec<Device<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Device<'a> {
    name: &'a str,
    container_edits: &'a Value,
}

/// The devices of a kind that a spec describes; none where there is no such spec, or no good one.
pub(super) fn described(path: &Path, kind: &str) -> Described {
    read(path, kind).unwrap_or_else(|error| {
        tracing::warn!("{}: {error}", path.display());
        Described::new()
    })
}

/// The same; an error where there is a spec, and nobody can tell what it says.
pub(super) fn read(path: &Path, kind: &str) -> io::Result<Described> {
    let text = match fs::metadata(path) {
        Ok(metadata) if metadata.len() <= SPEC_MAX => fs::read_to_string(path),
        Ok(_) => Err(io::ErrorKind::FileTooLarge.into()),
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => Ok(in_text(&text, kind)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Described::new()),
        Err(error) => Err(error),
    }
}

/// The same of a spec's text.
pub(crate) fn in_text(text: &str, kind: &str) -> Described {
    let parsed = serde_json::from_str(text).ok();
    let spec: Option<Value> = parsed.or_else(|| serde_saphyr::from_str(text).ok());
    let Some(spec) = spec.filter(|spec| spec["kind"] == kind) else {
        return Described::new();
    };
    let devices = spec["devices"].as_array().into_iter().flatten();
    let device = |device: &Value| {
        let edits = device["containerEdits"].as_object().filter(|edits| !edits.is_empty())?;
        Some((device["name"].as_str()?.to_owned(), Value::Object(edits.clone())))
    };
    devices.filter_map(device).collect()
}

/// A spec of these devices. `None` without any: the specification wants at least one.
pub(super) fn document(path: &Path, kind: &str, devices: &Described) -> Option<Document> {
    let spec = Spec {
        cdi_version: VERSION,
        kind,
        devices: devices
            .iter()
            .map(|(name, container_edits)| Device { name, container_edits })
            .collect(),
    };
    if spec.devices.is_empty() {
        return None;
    }
    Some(Document {
        path: path.to_owned(),
        // Values that were JSON have a JSON form.
        content: serde_json::to_string(&spec).ok()?,
    })
}
