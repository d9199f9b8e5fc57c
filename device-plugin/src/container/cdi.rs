//! A pool's devices as the Container Device Interface describes them: the runtime, not the kubelet, looks up what a device is.
//!
//! Contract: CDI specification 0.5.0, the oldest whose device names may begin with a digit. Kinds are those of
//! sriov-network-device-plugin. A device has edits or its spec is no good, so that one without nodes says in a variable
//! which pool it is of. Two specs may describe devices of one kind, but not the same device.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::node::{Node, PERMISSIONS};
use super::{Document, Publisher};
use crate::config::{DeviceType, ResourceName};

const VERSION: &str = "0.5.0";
/// Every class there is.
pub(super) const CLASSES: [&str; 3] = ["net-pci", "net-sf", "net-accel"];
/// Longest name of an annotation, after its prefix.
const ANNOTATION_MAX: usize = 63;

/// How a pool's devices are called, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdiPool {
    /// `intel.com/net-pci`.
    kind: String,
    /// `cdi.k8s.io/intel.com_vfs`.
    pub annotation: String,
    /// The spec.
    pub spec: Document,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    cdi_version: &'static str,
    kind: &'a str,
    devices: Vec<Device>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    name: String,
    container_edits: Edits,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Edits {
    Env([String; 1]),
    DeviceNodes(Vec<DeviceNode>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceNode {
    path: String,
    host_path: String,
    permissions: &'static str,
}

// === impl CdiPool ===

impl CdiPool {
    /// The pool's spec. `None` if its prefix is no name of a CDI vendor, which begins with a letter.
    pub fn new<'a>(
        publisher: &Publisher,
        resource: &ResourceName,
        device_type: DeviceType,
        devices: impl IntoIterator<Item = (&'a str, &'a [Node])>,
    ) -> Option<Self> {
        let prefix = resource.prefix();
        if !prefix.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return None;
        }
        let class = match device_type {
            DeviceType::NetDevice => "net-pci",
            DeviceType::AuxNetDevice => "net-sf",
            DeviceType::Accelerator => "net-accel",
        };
        let kind = format!("{prefix}/{class}");
        let device = |(id, nodes): (&str, &[Node])| Device {
            name: name(id),
            container_edits: Edits::new(resource, id, nodes),
        };
        let spec = Spec {
            cdi_version: VERSION,
            kind: &kind,
            devices: devices.into_iter().map(device).collect(),
        };
        let spec = Document {
            path: path(&publisher.cdi, resource, class),
            // Maps and lists of strings always have a JSON form.
            content: serde_json::to_string(&spec).ok()?,
        };
        Some(Self {
            annotation: annotation(resource),
            kind,
            spec,
        })
    }

    /// What a runtime knows a device by.
    pub fn qualified(&self, id: &str) -> String {
        format!("{}={}", self.kind, name(id))
    }
}

impl Edits {
    fn new(resource: &ResourceName, id: &str, nodes: &[Node]) -> Self {
        if nodes.is_empty() {
            // One variable per device, so that those of several devices do not replace each other.
            let id = id.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_uppercase();
            return Self::Env([format!("HARDWIRE_{id}={resource}")]);
        }
        let node = |node: &Node| DeviceNode {
            path: node.path().to_owned(),
            host_path: node.host.clone(),
            permissions: PERMISSIONS,
        };
        Self::DeviceNodes(nodes.iter().map(node).collect())
    }
}

/// A device's name has letters, digits and `_ - . :` only.
fn name(id: &str) -> String {
    id.replace('/', "_")
}

/// A prefix has no `_`, and a class none, so no two resources share a file. Not sriov-network-device-plugin's name, which it
/// would remove when it ends.
pub(super) fn path(folder: &Path, resource: &ResourceName, class: &str) -> PathBuf {
    folder.join(format!(
        "hardwire_{}_{}_{class}.json",
        resource.prefix(),
        resource.name()
    ))
}

/// Where sriov-network-device-plugin leaves its spec of the resource if it is killed. Its devices are called as ours, and a
/// device that is described twice cannot be used.
pub(super) fn upstream_path(folder: &Path, resource: &ResourceName, class: &str) -> PathBuf {
    folder.join(format!(
        "sriov-dp-{}-{class}-{}.yaml",
        resource.prefix(),
        resource.name()
    ))
}

/// A key of its own per resource: a container may have devices of several. Too long ones are cut, and made different by a
/// number that stands for the whole.
fn annotation(resource: &ResourceName) -> String {
    let mut name = format!("{}_{}", resource.prefix(), resource.name());
    if name.len() > ANNOTATION_MAX {
        let number = format!("-{:016x}", fnv1a(&name));
        name.truncate(ANNOTATION_MAX - number.len());
        name.push_str(&number);
    }
    format!("cdi.k8s.io/{name}")
}

/// FNV-1a, 64 bits: the same in each release, which the standard library's hashes do not promise.
fn fnv1a(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
#[path = "cdi_tests.rs"]
mod tests;
