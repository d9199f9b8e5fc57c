//! What is read of a claim and of slices, and no more: a claim has what others wrote, and comes over the network.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::cluster::measure::cut;
use crate::cluster::messages::{LONGEST_TEXT, SliceFound};
use crate::cluster::slices::{DIGEST, POOL_GENERATION};
use crate::dra::Allocated;
use crate::dra::allocated::{Allocation, Configured};

/// Pods that a claim may be reserved for, and devices that it may have (resource.k8s.io/v1).
const PODS: usize = 256;
const RESULTS: usize = 32;

/// A claim, as the API has it.
#[derive(Deserialize)]
pub(super) struct Claim {
    #[serde(default)]
    metadata: ClaimMetadata,
    #[serde(default)]
    status: ClaimStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimMetadata {
    uid: String,
    owner_references: Vec<Owner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    controller: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimStatus {
    allocation: Option<AllocationStatus>,
    reserved_for: Vec<Reserved>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reserved {
    resource: String,
    uid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AllocationStatus {
    devices: Devices,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Devices {
    results: Vec<OfDriver<Allocation>>,
    config: Vec<Config>,
}

#[derive(Deserialize)]
struct OfDriver<T> {
    #[serde(default)]
    driver: String,
    #[serde(flatten)]
    what: T,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    source: String,
    requests: Vec<String>,
    opaque: Option<Opaque>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Opaque {
    driver: String,
    parameters: Value,
}

// === impl Claim ===

impl Claim {
    /// What it has of a driver.
    pub(super) fn of_driver(self, driver: &str) -> Allocated {
        let is_pod = |owner: &Owner| owner.kind == "Pod" && owner.controller;
        let is_allocated = self.status.allocation.is_some();
        let devices = self.status.allocation.unwrap_or_default().devices;
        let results = devices.results.into_iter().filter(|result| result.driver == driver);
        let configured = devices.config.into_iter().filter_map(|config| {
            let opaque = config.opaque.filter(|opaque| opaque.driver == driver)?;
            Some(Configured {
                requests: config.requests,
                is_of_class: config.source == "FromClass",
                parameters: opaque.parameters,
            })
        });
        let pods = self.status.reserved_for.into_iter();
        let pods = pods.filter(|reserved| reserved.resource == "pods" && !reserved.uid.is_empty());
        Allocated {
            uid: self.metadata.uid,
            is_owned: self.metadata.owner_references.iter().any(is_pod),
            is_allocated,
            reserved_for: pods.map(|reserved| reserved.uid).take(PODS).collect(),
            results: results.map(|result| result.what).take(RESULTS).collect(),
            config: configured.take(2 * RESULTS).collect(),
        }
    }
}

/// A slice, as far as it is read.
#[derive(Deserialize)]
pub(super) struct Slice {
    #[serde(default)]
    metadata: SliceMetadata,
    #[serde(default)]
    spec: Option<SliceSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SliceMetadata {
    name: String,
    generation: Option<i64>,
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SliceSpec {
    devices: Vec<SliceDevice>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SliceDevice {
    taints: Vec<serde::de::IgnoredAny>,
}

/// A list of them.
#[derive(Deserialize)]
pub(super) struct SliceList {
    #[serde(default)]
    pub(super) items: Vec<Slice>,
}

// === impl Slice ===

impl Slice {
    pub(super) fn found(self) -> SliceFound {
        let annotation = |name: &str| {
            self.metadata
                .annotations
                .get(name)
                .map(|text| cut(text, LONGEST_TEXT).into_owned())
        };
        let is_tainted = |device: &&SliceDevice| !device.taints.is_empty();
        SliceFound {
            digest: annotation(DIGEST),
            pool_generation: annotation(POOL_GENERATION).and_then(|text| text.parse().ok()),
            generation: self.metadata.generation,
            tainted: self.spec.map(|spec| spec.devices.iter().filter(is_tainted).count()),
            name: cut(&self.metadata.name, LONGEST_TEXT).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_claim_is_read_what_is_the_drivers() {
        let claim = json!({
            "metadata": {"uid": "c-1", "ownerReferences": [{"kind": "Pod", "controller": true, "uid": "u1"}]},
            "spec": {"devices": {}},
            "status": {
                "allocation": {"devices": {
                    "results": [
                        {"request": "vf", "driver": "hardwire.dev", "pool": "node1", "device": "0000-3b-02-1",
                         "tolerations": []},
                        {"request": "gpu", "driver": "gpu.example.com", "pool": "node1", "device": "gpu-0"},
                    ],
                    "config": [
                        {"source": "FromClass", "opaque": {"driver": "hardwire.dev", "parameters": {"a": 1}}},
                        {"source": "FromClaim", "requests": ["vf"], "opaque": {"driver": "hardwire.dev", "parameters": {"a": 2}}},
                        {"source": "FromClaim", "requests": ["gpu"], "opaque": {"driver": "gpu.example.com", "parameters": {}}},
                    ],
                }},
                "reservedFor": [{"resource": "pods", "name": "web", "uid": "u1"}, {"resource": "jobs", "name": "x", "uid": "u2"}],
            },
        });
        let read: Claim = serde_json::from_value(claim).unwrap();
        let found = read.of_driver("hardwire.dev");
        assert!(found.is_owned && found.is_allocated);
        assert_eq!(found.reserved_for, ["u1"]);
        assert_eq!(found.results.len(), 1);
        assert_eq!(found.results[0].device, "0000-3b-02-1");
        assert!(!found.results[0].admin_access);
        let config: Vec<(bool, &Value)> = found
            .config
            .iter()
            .map(|config| (config.is_of_class, &config.parameters["a"]))
            .collect();
        assert_eq!(config, [(true, &json!(1)), (false, &json!(2))]);
        assert!(found.config[1].is_for("vf") && found.config[1].is_for("vf/first") && !found.config[1].is_for("other"));
    }

    #[test]
    fn a_claim_without_an_allocation_and_without_an_owner_says_so() {
        let read: Claim = serde_json::from_value(json!({"metadata": {"uid": "c-1"}})).unwrap();
        let found = read.of_driver("hardwire.dev");
        assert!(!found.is_allocated && !found.is_owned && found.results.is_empty());
    }

    #[test]
    fn of_a_slice_is_read_who_wrote_it_and_what_was_kept() {
        let slice = json!({
            "metadata": {"name": "s", "generation": 3, "annotations": {DIGEST: "x", POOL_GENERATION: "7"}},
            "spec": {"devices": [{"name": "a", "taints": [{"key": "k"}]}, {"name": "b"}]},
        });
        let found = serde_json::from_value::<Slice>(slice).unwrap().found();
        assert_eq!(
            (found.digest.as_deref(), found.pool_generation, found.generation),
            (Some("x"), Some(7), Some(3))
        );
        assert_eq!(found.tainted, Some(1));
        let bare = serde_json::from_value::<Slice>(json!({"metadata": {"name": "s"}}))
            .unwrap()
            .found();
        assert_eq!((bare.digest, bare.tainted), (None, None));
    }
}
