//! The device-info file, by which Multus and others learn what a pod's device is.
//!
//! Contract: device-info-spec 1.1.0 of the Network Plumbing Working Group, section "Device Plugin". PCI network devices have
//! one: the specification knows no other that is ours.

use std::path::Path;

use hardwire_cni::attach::pci_section;
use hardwire_cni::node::AttachBy;
use hardwire_pci::{DeviceId, VdpaDriver};
use serde_json::{Map, Value, json};

use super::Member;
use super::characters::VHOST_NET;
use super::{Characters, Document};
use crate::config::{DeviceType, Pool, ResourceName};

const VERSION: &str = "1.1.0";
const SUFFIX: &str = "-device.json";

/// The file of a device.
pub fn device_info(folder: &Path, pool: &Pool, member: &Member<'_>, characters: &Characters) -> Option<Document> {
    // Multus is no part of how others reach pods.
    if pool.device_type != DeviceType::NetDevice || pool.attachment.by == AttachBy::Chain {
        return None;
    }
    // As readers of it make the name of a device (`GetDPDeviceInfo` of the Network Plumbing Working Group's utilities).
    let address = member
        .device
        .id
        .pci()
        .map(|_address| member.device.id.to_string().replace('/', "-"))?;
    let pci = pci_section(member.device, member.pf)?;
    let content = match &characters.vdpa {
        None => json!({ "type": "pci", "version": VERSION, "pci": with_files(pci, member, characters) }),
        Some(vdpa) => {
            let mut section = pci;
            let mut set = |key: &str, value: &str| section.insert(key.to_owned(), json!(value));
            set("parent-device", &vdpa.name);
            set(
                "driver",
                match vdpa.driver {
                    VdpaDriver::Vhost => "vhost",
                    VdpaDriver::Virtio => "virtio",
                },
            );
            if let Some(file) = &vdpa.file {
                set("path", &format!("/dev/{file}"));
            }
            json!({ "type": "vdpa", "version": VERSION, "vdpa": section })
        }
    };
    Some(Document {
        path: folder.join(format!("{}{address}{SUFFIX}", stem(&pool.resource))),
        content: content.to_string(),
    })
}

fn with_files(mut pci: Map<String, Value>, member: &Member<'_>, characters: &Characters) -> Map<String, Value> {
    let given = characters.rdma.iter().map(|rdma| rdma.device.as_str());
    let mut rdma: Vec<&str> = given.collect();
    if rdma.is_empty() {
        rdma = member.device.rdma.iter().map(String::as_str).collect();
    }
    if !rdma.is_empty() {
        pci.insert("rdma-device".to_owned(), json!(rdma.join(",")));
    }
    if characters.vhost_net {
        pci.insert("vhost-net".to_owned(), json!(VHOST_NET));
    }
    pci
}

/// The device whose file of this resource has this name. Resources may be called alike up to a hyphen.
pub(super) fn device(resource: &ResourceName, file: &str) -> Option<String> {
    let name = file.strip_prefix(&stem(resource))?.strip_suffix(SUFFIX)?;
    let id: DeviceId = name.replacen('-', "/", 1).parse().ok()?;
    id.pci().map(|_address| id.to_string())
}

fn stem(resource: &ResourceName) -> String {
    format!("{}-{}-", resource.prefix(), resource.name())
}
