//! A claim that was prepared.

use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ask::Claim;
use crate::node::{AttachBy, InterfacePattern};

/// A claim that was prepared, with its devices of our driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRecord {
    /// Layout of the record.
    pub version: u32,
    /// Which claim, and for which pods it was reserved when it was prepared.
    pub claim: Claim,
    /// Whether other pods may share it: no pod owns it.
    pub is_shareable: bool,
    /// The driver that it was prepared by.
    pub driver: String,
    /// Its devices.
    pub devices: Vec<ClaimedDevice>,
}

/// A device of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedDevice {
    /// Which device.
    pub device: DeviceId,
    /// The resource of the pool that had it when it was prepared.
    pub resource: String,
    /// The request of the claim, with its subrequest where it has one.
    pub request: String,
    /// What its `ResourceSlice` calls it.
    pub name: String,
    /// The driver's pool that it is of, in the words of the API.
    pub pool: String,
    /// Who attaches it.
    pub attach: AttachBy,
    /// How: the pool's network with what the claim asks for.
    #[serde(default)]
    pub network: Map<String, Value>,
    /// What its interface is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<InterfacePattern>,
    /// What the runtime knows it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cdi: Vec<String>,
}

// === impl ClaimRecord ===

impl ClaimRecord {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;

    /// Whether it was reserved for a pod when it was prepared.
    pub fn is_for(&self, pod_uid: &str) -> bool {
        !pod_uid.is_empty() && self.claim.reserved_for.iter().any(|uid| uid == pod_uid)
    }

    /// `NAMESPACE/NAME`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.claim.namespace, self.claim.name)
    }

    /// Those of its devices that are for our entry in the default network's list to attach.
    pub fn chained(&self) -> impl Iterator<Item = &ClaimedDevice> {
        self.devices.iter().filter(|device| device.attach == AttachBy::Chain)
    }
}

impl ClaimedDevice {
    /// The request without its subrequest, as the kubelet knows it.
    pub fn main_request(&self) -> &str {
        self.request.split('/').next().unwrap_or(&self.request)
    }
}
