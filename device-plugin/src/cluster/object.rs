//! The object: which devices this node offers, in which state each is, and who has it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::conditions::Condition;
use super::facts::Facts;
use super::measure::{LARGEST, Measure};
use super::row::Row;

/// Group and version, as `deploy/base/crd.yaml` has them.
pub const API_VERSION: &str = "hardwire.dev/v1alpha1";
/// Room for everything but the status: a node's name, twice, and its uid.
const REST: usize = 2 << 10;

/// Where the object says which status its writer wrote: an annotation.
pub const DIGEST: &str = "hardwire.dev/digest";

/// The status, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    json: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    version: &'static str,
    counts: Counts,
    conditions: &'a [Condition],
    #[serde(skip_serializing_if = "Option::is_none")]
    shortened: Option<String>,
    devices: &'a [Row<'a>],
}

/// How many there are of what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Counts {
    devices: usize,
    allocated: usize,
    attached: usize,
    unhealthy: usize,
}

// === impl Status ===

impl Status {
    /// What these facts make of it; at most so large that the object keeps its bound. What had to be shortened is said.
    pub fn new(facts: &Facts, conditions: &[Condition]) -> Result<Self, serde_json::Error> {
        let counts = Counts::of(facts);
        let [.., least] = Measure::ALL;
        for measure in Measure::ALL {
            let mut is_cut = false;
            let rows = rows(facts, &measure, &mut is_cut);
            let json = json(counts, conditions, &rows, is_cut.then(|| measure.words()))?;
            if json.len() <= LARGEST - REST {
                return Ok(Self { json });
            }
        }
        let rows = rows(facts, &least, &mut true);
        let mut listed = rows.len();
        loop {
            listed = listed * 7 / 8;
            let shortened = format!("{}; {listed} of {} devices", least.words(), rows.len());
            let json = json(counts, conditions, &rows[..listed], Some(shortened))?;
            if json.len() <= LARGEST - REST || listed == 0 {
                return Ok(Self { json });
            }
        }
    }

    /// Tells it from another one, as far as that is of this program.
    pub fn digest(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.json.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// The object of a node, which goes when the node does.
    pub fn of_node(&self, node: &str, uid: &str) -> Result<Box<RawValue>, serde_json::Error> {
        let head = json!({
            "apiVersion": API_VERSION,
            "kind": "NodeNetworkDevices",
            "metadata": {
                "name": node,
                "annotations": {DIGEST: self.digest()},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}],
            },
        });
        let head = head.to_string();
        // What is large is written once, and copied once.
        let head = head.strip_suffix('}').unwrap_or(&head);
        RawValue::from_string([head, ",\"status\":", &self.json, "}"].concat())
    }
}

fn rows<'a>(facts: &'a Facts, measure: &Measure, is_cut: &mut bool) -> Vec<Row<'a>> {
    let devices = facts.snapshot.view.devices.iter();
    devices.map(|device| Row::new(facts, device, measure, is_cut)).collect()
}

fn json(
    counts: Counts,
    conditions: &[Condition],
    devices: &[Row<'_>],
    shortened: Option<String>,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Fields {
        version: env!("CARGO_PKG_VERSION"),
        counts,
        conditions,
        shortened,
        devices,
    })
}

// === impl Counts ===

impl Counts {
    fn of(facts: &Facts) -> Self {
        let devices = &facts.snapshot.view.devices;
        Self {
            devices: devices.len(),
            allocated: facts.snapshot.held.len(),
            attached: devices.keys().filter(|id| facts.attached().contains_key(*id)).count(),
            unhealthy: devices.values().filter(|seen| !seen.healthy).count(),
        }
    }
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
