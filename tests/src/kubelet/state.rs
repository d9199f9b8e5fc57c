//! What the kubelet knows.

use std::collections::BTreeMap;

use hardwire_proto::deviceplugin as api;

use super::plugins::Connection;

/// What the kubelet knows.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Every call of Register, refused ones too.
    pub registrations: Vec<api::RegisterRequest>,
    /// By name.
    pub resources: BTreeMap<String, Resource>,
    /// What pods hold.
    pub allocations: Vec<Allocation>,
    /// What claims gave pods.
    pub claims: Vec<ClaimHeld>,
    /// The client that is registered under a resource's name.
    pub(super) connections: BTreeMap<String, Connection>,
}

/// An extended resource.
#[derive(Debug, Clone, Default)]
pub struct Resource {
    /// File name of its socket.
    pub endpoint: String,
    /// What the plugin wants to be asked.
    pub options: api::DevicePluginOptions,
    /// The latest list; all unhealthy once the stream has ended.
    pub devices: Vec<api::Device>,
    /// Whether its stream is open.
    pub connected: bool,
    /// How many lists came since the last registration.
    pub lists: usize,
}

/// Devices that a container holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    /// namespace/name.
    pub pod: String,
    /// Container of the pod.
    pub container: String,
    /// Resource.
    pub resource: String,
    /// Devices.
    pub devices: Vec<String>,
    /// What the plugin answered.
    pub response: api::ContainerAllocateResponse,
}

/// A device that a pod has by a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimHeld {
    /// namespace/name.
    pub pod: String,
    /// Name of the claim, which is of the pod's namespace.
    pub claim: String,
    /// The driver that has the device.
    pub driver: String,
    /// Its name.
    pub device: String,
}

// === impl State ===

impl State {
    /// As in a kubelet that starts: resources are remembered, their devices and plugins are not.
    pub(super) fn forget_plugins(&mut self) {
        self.connections.clear();
        for resource in self.resources.values_mut() {
            resource.connected = false;
            resource.lists = 0;
            resource.devices.clear();
        }
    }

    /// Whether a container holds a device.
    pub fn is_allocated(&self, resource: &str, id: &str) -> bool {
        let mut of_resource = self.allocations.iter().filter(|held| held.resource == resource);
        of_resource.any(|held| held.devices.iter().any(|device| device == id))
    }
}

// === impl Resource ===

impl Resource {
    /// How many devices it has, as in a node's capacity.
    pub fn capacity(&self) -> usize {
        self.devices.len()
    }

    /// How many of them are healthy, as in a node's allocatable.
    pub fn allocatable(&self) -> usize {
        self.devices
            .iter()
            .filter(|device| device.health == api::HEALTHY)
            .count()
    }

    pub(super) fn stop(&mut self) {
        self.connected = false;
        for device in &mut self.devices {
            api::UNHEALTHY.clone_into(&mut device.health);
        }
    }
}
