//! A pool's devices as the Container Device Interface describes them: the runtime, not the kubelet, looks up what a device is.
//!
//! Contract: CDI specification 0.5.0, the oldest whose device names may begin with a digit. Kinds are those of
//! sriov-network-device-plugin. A device has edits or its spec is no good, so that one without nodes says in a variable
//! which pool it is of. Two specs may describe devices of one kind, but not the same device.

use std::fmt;
use std::path::{Path, PathBuf};

use hardwire_pci::DeviceId;
use serde::Serialize;

use super::document;
use super::node::{Node, PERMISSIONS};
use super::{Document, Publisher};
use crate::config::{DeviceType, ResourceName};

pub(super) const VERSION: &str = "0.5.0";
/// Every class there is.
const CLASSES: [&str; 3] = ["net-pci", "net-sf", "net-accel"];
/// How the names of our specs begin. sriov-network-device-plugin, which removes what it takes for its own, takes none of them.
const OURS: &str = "hardwire_";
/// Longest name of an annotation, after its prefix.
const ANNOTATION_MAX: usize = 63;

/// `intel.com/net-pci`: vendor and class of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    vendor: String,
    class: &'static str,
}

/// How a pool's devices are called, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdiPool {
    kind: Kind,
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
    /// The pool's spec. `None` if its prefix is no name of a CDI vendor, and without devices: a spec has at least one.
    pub fn new<'a>(
        publisher: &Publisher,
        resource: &ResourceName,
        device_type: DeviceType,
        devices: impl IntoIterator<Item = (&'a str, &'a [Node])>,
    ) -> Option<Self> {
        if !is_vendor(resource.prefix()) {
            return None;
        }
        let class = match device_type {
            DeviceType::NetDevice => "net-pci",
            DeviceType::AuxNetDevice => "net-sf",
            DeviceType::Accelerator => "net-accel",
        };
        let kind = Kind {
            vendor: resource.prefix().to_owned(),
            class,
        };
        let name_of_resource = resource.to_string();
        let device = |(id, nodes): (&str, &[Node])| Device {
            name: name(id),
            container_edits: Edits::new(&name_of_resource, id, nodes),
        };
        let spec = Spec {
            cdi_version: VERSION,
            kind: &kind.to_string(),
            devices: devices.into_iter().map(device).collect(),
        };
        if spec.devices.is_empty() {
            return None;
        }
        let spec = Document {
            path: kind.spec(&publisher.cdi, resource),
            // Maps and lists of strings always have a JSON form.
            content: serde_json::to_string(&spec).ok()?,
        };
        Some(Self {
            annotation: annotation(resource),
            kind,
            spec,
        })
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What a runtime knows a device by.
    pub fn qualified(&self, id: &str) -> String {
        format!("{}={}", self.kind, name(id))
    }
}

impl Edits {
    fn new(resource: &str, id: &str, nodes: &[Node]) -> Self {
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

/// What is done to a container that gets a device.
pub(super) fn edits(resource: &str, id: &str, nodes: &[Node]) -> impl Serialize + use<> {
    Edits::new(resource, id, nodes)
}

/// A device's name has letters, digits and `_ - . :` only.
fn name(id: &str) -> String {
    id.replace('/', "_")
}

/// The id of a device with this name. Names on the auxiliary bus have a `_` of their own, and no id has a `/` and a `_`.
pub(super) fn id(name: &str) -> String {
    if name.parse::<DeviceId>().is_ok() {
        return name.to_owned();
    }
    name.replace('_', "/")
}

/// The name of a CDI vendor begins with a letter. One of a single letter ends runtimes with the CDI project's library up to
/// 1.0, which panics on it (`validateVendorOrClassName`, pkg/parser/parser.go).
pub(super) fn is_vendor(prefix: &str) -> bool {
    prefix.len() > 1 && prefix.starts_with(|first: char| first.is_ascii_alphabetic())
}

// === impl Kind ===

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vendor, self.class)
    }
}

impl Kind {
    /// The kinds that devices of a resource may be of.
    pub(super) fn all_of(resource: &ResourceName) -> impl Iterator<Item = Self> {
        let vendor = resource.prefix().to_owned();
        CLASSES.into_iter().map(move |class| Self {
            vendor: vendor.clone(),
            class,
        })
    }

    /// The kinds of which there is a spec of kept devices.
    pub(super) fn kept_in(folder: &Path) -> Vec<Self> {
        let kind = |name: String| {
            let (vendor, class) = name.strip_prefix(OURS)?.strip_suffix(".json")?.split_once('_')?;
            let class = CLASSES.into_iter().find(|known| *known == class)?;
            let vendor = vendor.to_owned();
            Some(Self { vendor, class })
        };
        document::names(folder).into_iter().filter_map(kind).collect()
    }

    /// The spec of a resource. A vendor has no `_`, and a class none, so no two resources share a file.
    pub(super) fn spec(&self, folder: &Path, resource: &ResourceName) -> PathBuf {
        folder.join(format!("{OURS}{}_{}_{}.json", self.vendor, resource.name(), self.class))
    }

    /// The specs of all resources.
    pub(super) fn specs(&self, folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
        let (begin, end) = (format!("{OURS}{}_", self.vendor), format!("_{}.json", self.class));
        let (folder, kept) = (folder.to_owned(), self.kept(folder));
        let names = document::names(&folder).into_iter();
        let ours = names.filter(move |name| name.starts_with(&begin) && name.ends_with(&end));
        ours.map(move |name| folder.join(name))
            .filter(move |path| *path != kept)
    }

    /// The spec of devices that no resource describes.
    pub(super) fn kept(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{OURS}{}_{}.json", self.vendor, self.class))
    }

    /// Where sriov-network-device-plugin leaves its spec of the resource if it is killed. Its devices are called as ours, and
    /// a device that is described twice cannot be used.
    pub(super) fn upstream_spec(&self, folder: &Path, resource: &ResourceName) -> PathBuf {
        folder.join(format!(
            "sriov-dp-{}-{}-{}.yaml",
            self.vendor,
            self.class,
            resource.name()
        ))
    }
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
