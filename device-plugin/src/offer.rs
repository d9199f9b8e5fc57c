//! What a pool shows to the kubelet: its devices as `ListAndWatch` sends them, and what Allocate needs to know of each, made
//! beforehand, so that Allocate touches nothing on its way (pod admission on a node is serial).

use std::collections::BTreeMap;

use hardwire_pci::{Device, DeviceId};
use hardwire_proto::deviceplugin as api;

use crate::config::Pool;
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

// === impl Offer ===

impl Offer {
    /// The devices of a pool, all healthy.
    pub fn new<'a>(pool: &Pool, devices: impl IntoIterator<Item = &'a Device>) -> Self {
        let offered = |device: &Device| Offered {
            healthy: true,
            numa_node: device.numa_node.filter(|_| !pool.exclude_topology),
            info: info(pool, &device.id),
        };
        let devices = devices.into_iter();
        Self {
            devices: devices.map(|device| (device.id.to_string(), offered(device))).collect(),
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
