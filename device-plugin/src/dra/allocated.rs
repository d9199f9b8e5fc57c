//! A claim as the API has it, as far as a driver reads it.
//!
//! Contract: `ResourceClaim` of resource.k8s.io/v1: `status.allocation.devices` and `status.reservedFor`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

/// What was found of a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Allocated {
    /// `metadata.uid`.
    pub uid: String,
    /// A pod owns it: no other pod may share it.
    pub is_owned: bool,
    /// It has been allocated.
    pub is_allocated: bool,
    /// The uids of the pods that it is reserved for.
    pub reserved_for: Vec<String>,
    /// What was allocated of one driver.
    pub results: Vec<Allocation>,
    /// What was configured for that driver, in the order of the API.
    pub config: Vec<Configured>,
}

/// A device that was allocated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Allocation {
    /// `REQUEST` or `REQUEST/SUBREQUEST`.
    pub request: String,
    /// The driver's pool.
    pub pool: String,
    /// Its name in the pool.
    pub device: String,
    /// It is for looking after a device that others have.
    pub admin_access: bool,
    /// It is a share of a device.
    #[serde(rename = "shareID")]
    pub share_id: Option<String>,
}

/// What a class or a claim says of how devices are to be set up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Configured {
    /// For which requests; none: for all.
    pub requests: Vec<String>,
    /// An administrator's word, by a `DeviceClass`.
    pub is_of_class: bool,
    /// The driver's own language.
    pub parameters: Value,
}

/// Somebody wants to know of a claim.
#[derive(Debug)]
pub struct AboutClaim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whose allocations are meant.
    pub driver: String,
    /// Takes it; none where there is none, or why that is not known.
    pub reply: oneshot::Sender<Result<Option<Allocated>, String>>,
}

// === impl Configured ===

impl Configured {
    /// Whether it is for a request.
    pub fn is_for(&self, request: &str) -> bool {
        let main = request.split('/').next();
        let is_it = |named: &String| named == request || Some(named.as_str()) == main;
        self.requests.is_empty() || self.requests.iter().any(is_it)
    }
}
