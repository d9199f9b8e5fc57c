//! The kubelet's device checkpoint: which pod has a device, by the uid that its podresources API does not tell.
//!
//! Contract: `kubelet_internal_checkpoint` in the kubelet's device-plugin directory (pkg/kubelet/cm/devicemanager/checkpoint):
//! `{"Data": {"PodDeviceEntries": [{"PodUID": ..., "ResourceName": ..., "DeviceIDs": {NUMA: [ID]}}]}}`. It is the kubelet's own,
//! and has pods that have ended until it next gives out a device.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use hardwire_pci::DeviceId;
use serde::Deserialize;

/// Its name.
pub const FILE: &str = "kubelet_internal_checkpoint";
/// One of thousands of allocations is far below.
const LARGEST: u64 = 64 << 20;
/// Bytes of a uid.
const LONGEST: usize = 64;

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "Data")]
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "PodDeviceEntries", default)]
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "PodUID")]
    pod: String,
    #[serde(rename = "DeviceIDs", default)]
    devices: Option<BTreeMap<String, Option<Vec<String>>>>,
}

/// Every device that the checkpoint in this directory names, with the uid of a pod that has it; none where there is no checkpoint.
/// An error, in words, where there is one that cannot be read.
pub fn all(directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let path = directory.join(FILE);
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut text = String::new();
    match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        file => {
            let file = file.map_err(|error| failed(&error))?;
            let read = file.take(LARGEST).read_to_string(&mut text);
            read.map_err(|error| failed(&error))?;
        }
    }
    let written: Written = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let mut devices = BTreeMap::new();
    for entry in written.data.entries.into_iter().flatten() {
        for id in entry.devices.into_iter().flatten().filter_map(|(_, ids)| ids).flatten() {
            devices.insert(id, entry.pod.clone());
        }
    }
    Ok(devices)
}

/// The uid of the pod that has the device, by the checkpoint in this directory; none where it names none, or several, of which
/// all but one have ended.
pub fn pod_of(directory: &Path, device: &DeviceId) -> Option<String> {
    let mut text = String::new();
    let file = File::open(directory.join(FILE)).ok()?;
    file.take(LARGEST).read_to_string(&mut text).ok()?;
    let written: Written = serde_json::from_str(&text).ok()?;
    let device = device.to_string();
    let has_it = |entry: &&Entry| {
        let ids = entry.devices.iter().flat_map(BTreeMap::values).flatten().flatten();
        ids.into_iter().any(|id| *id == device)
    };
    let entries = written.data.entries.iter().flatten();
    let mut pods: BTreeSet<&str> = entries.filter(has_it).map(|entry| &*entry.pod).collect();
    let pod = pods.pop_first().filter(|_| pods.is_empty())?;
    let is_uid =
        (1..=LONGEST).contains(&pod.len()) && pod.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_uid.then(|| pod.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_of_a_device_is_known_unless_two_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let pod = |device: &str| pod_of(directory.path(), &device.parse().unwrap());
        assert_eq!(pod("0000:01:10.0"), None, "there is no checkpoint");
        let entry = |uid: &str, id: &str| serde_json::json!({"PodUID": uid, "ContainerName": "main", "ResourceName": "a.com/b", "DeviceIDs": {"0": [id]}, "AllocResp": "CgA="});
        let entries = [
            entry("u-0", "0000:01:10.0"),
            // Of another container of the pod.
            entry("u-0", "0000:01:10.0"),
            entry("u-1", "0000:01:10.1"),
            entry("u-2", "0000:01:10.1"),
            entry("../x", "0000:01:10.2"),
        ];
        let written =
            serde_json::json!({"Data": {"PodDeviceEntries": entries, "RegisteredDevices": {}}, "Checksum": 1});
        std::fs::write(directory.path().join(FILE), written.to_string()).unwrap();
        assert_eq!(pod("0000:01:10.0").as_deref(), Some("u-0"));
        assert_eq!(pod("0000:01:10.1"), None, "one of them has ended");
        assert_eq!(pod("0000:01:10.2"), None, "no uid looks like that");
        assert_eq!(pod("0000:01:10.3"), None);
        std::fs::write(directory.path().join(FILE), "{\"Data\":{\"PodDeviceEntries\":null}}").unwrap();
        assert_eq!(pod("0000:01:10.0"), None);
    }
}
