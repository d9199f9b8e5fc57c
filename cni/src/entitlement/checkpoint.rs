//! The kubelet's device checkpoint: which pod, by its uid, was given which devices.
//!
//! Contract: `kubelet_internal_checkpoint` in the kubelet's directory of device plugins
//! (pkg/kubelet/cm/devicemanager/checkpoint of Kubernetes 1.36): root's, mode 0600, replaced as a whole, written at admission
//! and so before the pod's sandbox. It is the only place that has the uid of the pod. Entries of ended pods stay until the
//! kubelet prunes them: it tells that *this* pod was given the device, not that no other was. It is the kubelet's own affair, and
//! is read leniently: `DeviceIDs` by NUMA node or as the plain list of before 1.20, `null` for what Go has none of; the
//! checksum, of a Go value as Go prints it, is nobody's to check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use crate::node::{Untrusted, read_trusted};

/// The name of the file.
pub const CHECKPOINT: &str = "kubelet_internal_checkpoint";
/// It holds the answers to all Allocates, too.
const LARGEST: u64 = 32 << 20;

/// What pods were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    given: Vec<Given>,
}

/// What one container was given of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The uid of its pod.
    pub pod_uid: String,
    /// Its name.
    pub container: String,
    /// Of which resource.
    pub resource: String,
    /// Which devices.
    pub devices: Vec<String>,
}

/// Why the checkpoint tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is not to be read, or not to be believed.
    #[error("the kubelet's device checkpoint {}: {source}", path.display())]
    Untrusted {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Untrusted,
    },
    /// It has a form that is not known here.
    #[error("the kubelet's device checkpoint {} has an unknown form: {reason}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    // Absent is another form; `null` is an empty list.
    #[serde(deserialize_with = "Option::deserialize")]
    pod_device_entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "PodUID")]
    pod_uid: String,
    #[serde(default)]
    container_name: String,
    resource_name: String,
    #[serde(rename = "DeviceIDs", deserialize_with = "device_ids")]
    device_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum DeviceIds {
    ByNode(BTreeMap<String, Option<Vec<String>>>),
    Plain(Vec<String>),
}

/// One with several NUMA nodes is there once for each.
fn device_ids<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    let mut ids = match Option::<DeviceIds>::deserialize(value)? {
        None => Vec::new(),
        Some(DeviceIds::Plain(ids)) => ids,
        Some(DeviceIds::ByNode(nodes)) => nodes.into_values().flatten().flatten().collect(),
    };
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The file's text. An ADD looks for its own pod's entries in it, and understands the rest only where they say nothing: it has
/// those of all pods of the node.
#[derive(Debug)]
pub struct CheckpointText {
    path: PathBuf,
    text: Vec<u8>,
}

// === impl CheckpointText ===

impl CheckpointText {
    /// Reads the file; `None` where there is none: of a kubelet that never heard of a device, or at another place.
    pub fn read(path: &Path) -> Result<Option<Self>, CheckpointError> {
        let text = read_trusted(path, LARGEST).map_err(|source| CheckpointError::Untrusted {
            path: path.to_owned(),
            source,
        })?;
        let path = path.to_owned();
        Ok(text.map(|text| Self { path, text }))
    }

    /// Whether an entry of the pod, written as the kubelet writes it, has the device. A no says nothing.
    pub fn gave(&self, pod_uid: &str, device: &str) -> bool {
        // Nothing that would have to be escaped: within a string no quote stands without a backslash, so what is found is an
        // entry's beginning.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if pod_uid.is_empty() || !pod_uid.bytes().all(is_plain) {
            return false;
        }
        let Ok(text) = std::str::from_utf8(&self.text) else {
            return false;
        };
        let begins = format!(r#"{{"PodUID":"{pod_uid}","#);
        text.match_indices(&begins).any(|(at, _)| {
            let rest = text.get(at..).unwrap_or_default();
            let entry = serde_json::Deserializer::from_str(rest).into_iter::<Entry>().next();
            entry.is_some_and(|entry| entry.is_ok_and(|entry| entry.device_ids.iter().any(|id| id == device)))
        })
    }

    /// All that it says.
    pub fn understood(&self) -> Result<Checkpoint, CheckpointError> {
        let file: File = serde_json::from_slice(&self.text).map_err(|error| CheckpointError::Form {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        let entries = file.data.pod_device_entries.unwrap_or_default().into_iter();
        let given = entries.map(|entry| Given {
            pod_uid: entry.pod_uid,
            container: entry.container_name,
            resource: entry.resource_name,
            devices: entry.device_ids,
        });
        Ok(Checkpoint { given: given.collect() })
    }
}

// === impl Checkpoint ===

impl Checkpoint {
    /// Reads the file, and understands all of it; `None` where there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, CheckpointError> {
        let text = CheckpointText::read(path)?;
        text.map(|text| text.understood()).transpose()
    }

    /// All that was given.
    pub fn all(&self) -> impl Iterator<Item = &Given> {
        self.given.iter()
    }

    /// What a pod was given.
    pub fn of<'a>(&'a self, pod_uid: &'a str) -> impl Iterator<Item = &'a Given> {
        self.given.iter().filter(move |given| given.pod_uid == pod_uid)
    }

    /// Whether a pod was given a device, as whichever resource.
    pub fn gave(&self, pod_uid: &str, device: &str) -> bool {
        self.of(pod_uid)
            .any(|given| given.devices.iter().any(|id| id == device))
    }

    /// Everybody who was given a device.
    pub fn holders<'a>(&'a self, device: &'a str) -> impl Iterator<Item = &'a Given> {
        let has = move |given: &&Given| given.devices.iter().any(|id| id == device);
        self.given.iter().filter(has)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const DEVICE: &str = "0000:3b:02.1";

    fn read(text: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(CHECKPOINT);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Checkpoint::read(&path)
    }

    #[test]
    fn devices_are_given_to_uids_in_both_forms_of_the_list() {
        let text = r#"{"Data":{"PodDeviceEntries":[
            {"PodUID":"u1","ContainerName":"c","ResourceName":"intel.com/vfs",
             "DeviceIDs":{"0":["0000:3b:02.1"],"1":["0000:3b:02.1"],"-1":null},"AllocResp":"Cg=="},
            {"PodUID":"u2","ContainerName":"c","ResourceName":"intel.com/vfs","DeviceIDs":["0000:3b:02.2"],"AllocResp":""}],
            "RegisteredDevices":{"intel.com/vfs":["0000:3b:02.1"]}},"Checksum":17}"#;
        let checkpoint = read(text).unwrap().unwrap();
        assert!(checkpoint.gave("u1", DEVICE) && checkpoint.gave("u2", "0000:3b:02.2"));
        assert!(!checkpoint.gave("u2", DEVICE) && !checkpoint.gave("", DEVICE));
        assert_eq!(checkpoint.of("u1").next().unwrap().devices, [DEVICE]);
        let holders: Vec<&str> = checkpoint.holders(DEVICE).map(|given| given.pod_uid.as_str()).collect();
        assert_eq!(holders, ["u1"]);
    }

    #[test]
    fn a_pods_own_entry_is_found_without_the_rest_and_nothing_else_is_taken_for_it() {
        let text = |text: &str| CheckpointText {
            path: PathBuf::new(),
            text: text.as_bytes().to_owned(),
        };
        let entry = |container: &str, ids: &str| {
            format!(
                r#"{{"PodUID":"u-1","ContainerName":"{container}","ResourceName":"r","DeviceIDs":{{"0":{ids}}},"AllocResp":""}}"#
            )
        };
        let two = format!(
            r#"{{"Data":{{"PodDeviceEntries":[{},{}]}}}}"#,
            entry("a", "null"),
            entry("b", &format!("[\"{DEVICE}\"]"))
        );
        assert!(text(&two).gave("u-1", DEVICE));
        for (uid, device) in [
            ("u-1", "0000:3b:02.2"),
            ("u", DEVICE),
            ("", DEVICE),
            ("u-1\",\"", DEVICE),
        ] {
            assert!(!text(&two).gave(uid, device), "{uid} {device}");
        }
        // A text within a string, and an entry that ends too early.
        let quoted = serde_json::to_string(&entry("b", &format!("[\"{DEVICE}\"]"))).unwrap();
        assert!(
            !text(&format!(
                r#"{{"Data":{{"PodDeviceEntries":null,"RegisteredDevices":{quoted}}}}}"#
            ))
            .gave("u-1", DEVICE)
        );
        assert!(
            !text(r#"{"Data":{"PodDeviceEntries":[{"PodUID":"u-1","DeviceIDs":["0000:3b:02.1"]"#).gave("u-1", DEVICE)
        );
    }

    #[test]
    fn no_entries_are_an_answer_and_another_form_is_none() {
        let empty = read(r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}},"Checksum":1}"#);
        assert_eq!(empty.unwrap(), Some(Checkpoint::default()));
        for text in [
            "",
            "{}",
            r#"{"Data":{}}"#,
            r#"{"Data":{"PodDeviceEntries":[{"PodUID":7}]}}"#,
        ] {
            assert!(matches!(read(text), Err(CheckpointError::Form { .. })), "{text}");
        }
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Checkpoint::read(&directory.path().join(CHECKPOINT)), Ok(None)));
        assert!(matches!(
            Checkpoint::read(directory.path()),
            Err(CheckpointError::Untrusted { .. })
        ));
    }
}
