//! What a pool shows to the kubelet: its devices as `ListAndWatch` sends them, and what Allocate needs to know of each, made
//! beforehand, so that Allocate touches nothing on its way (pod admission on a node is serial).

use std::collections::BTreeMap;

use hardwire_pci::{Device, DeviceId};
use hardwire_proto::deviceplugin as api;

use crate::config::{Needs, Pool};
use crate::go_json;

/// A pool as the kubelet sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// By id.
    pub devices: BTreeMap<String, Offered>,
    /// Names of the environment variables that list a container's devices; the second for shells.
    pub variables: Vec<String>,
}

/// A device as the kubelet sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Whether it may be given out.
    pub healthy: bool,
    /// Told to the kubelet, and at most one: podresources lists a device once per node.
    pub numa_node: Option<u32>,
    /// What containers are told of it, as JSON.
    pub info: String,
}

/// A device of a pool, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The device.
    pub device: &'a Device,
    /// Its PF, where it shows one.
    pub pf: Option<&'a Device>,
    /// What the selector that took it wants it to be given out with.
    pub needs: Needs,
    /// Whether it may be given out.
    pub healthy: bool,
}

// === impl Offer ===

impl Offer {
    /// The devices of a pool.
    pub fn new<'a>(pool: &Pool, members: impl IntoIterator<Item = Member<'a>>) -> Self {
        let offered = |member: Member<'a>| Offered {
            healthy: member.healthy,
            numa_node: member.device.numa_node.filter(|_| !pool.exclude_topology),
            info: info(pool, &member.device.id),
        };
        let members = members.into_iter();
        Self {
            devices: members
                .map(|member| (member.device.id.to_string(), offered(member)))
                .collect(),
            variables: pool.variables.clone(),
        }
    }

    /// The message of `ListAndWatch`.
    pub fn list(&self) -> api::ListAndWatchResponse {
        let device = |(id, offered): (&String, &Offered)| api::Device {
            id: id.clone(),
            health: if offered.healthy { api::HEALTHY } else { api::UNHEALTHY }.to_owned(),
            topology: offered.numa_node.map(|node| api::TopologyInfo {
                nodes: vec![api::NumaNode { id: node.into() }],
            }),
        };
        api::ListAndWatchResponse {
            devices: self.devices.iter().map(device).collect(),
        }
    }
}

/// The sections of the `_INFO` variable for one device.
fn info(pool: &Pool, id: &DeviceId) -> String {
    let id = id.to_string();
    let mut sections = BTreeMap::new();
    sections.insert("generic", BTreeMap::from([("deviceID", id.as_str())]));
    if let Some(additional) = &pool.additional_info {
        // What is said of the device itself comes over what is said of all.
        let said = ["*", &id].into_iter().filter_map(|key| additional.get(key));
        let extra = said.flatten().map(|(name, value)| (name.as_str(), value.as_str()));
        sections.insert("extra", extra.collect());
    }
    // Maps of strings always have a JSON form.
    go_json::to_string(&sections).unwrap_or_else(|_never| "{}".to_owned())
}
