//! From the slices that are there to those that should be there: the fewest writes that no consumer can misread.
//!
//! Consumers take the highest generation of a pool, and only as a whole. So one slice may be changed, or be put back as it was,
//! within its generation; whatever changes more is a new generation, in all of them.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::layout::Content;
use super::{DIGEST, POOL_GENERATION};
use crate::cluster::messages::SliceFound;

/// The longest name of an object.
const NAME_MAX: usize = 253;

/// Whose slices they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The driver.
    pub driver: String,
    /// The node's name, which is the pool's too.
    pub node: String,
    /// The node's uid.
    pub uid: String,
}

/// The slices that are there, by name.
pub type Known = BTreeMap<String, SliceFound>;

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The pool's generation afterwards.
    pub generation: i64,
    /// The slices that go.
    pub delete: Vec<String>,
    /// The slices that are written, by their places.
    pub write: Vec<usize>,
}

// === impl Owner ===

impl Owner {
    /// The name of a slice. Schedulers take slices in the order of their names, so the place comes first.
    pub fn name(&self, place: usize) -> String {
        let mut name = format!("{place:05x}-{}-{}", self.driver, self.node);
        name.truncate(NAME_MAX);
        name.truncate(name.trim_end_matches(['-', '.']).len());
        name
    }

    /// A slice as it is written.
    pub fn slice(
        &self,
        place: usize,
        content: &Content,
        generation: i64,
        count: usize,
    ) -> Result<Box<RawValue>, serde_json::Error> {
        let devices: &[Value] = &content.devices;
        to_raw_value(&json!({
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSlice",
            "metadata": {
                "name": self.name(place),
                "annotations": {DIGEST: stamp(content, count), POOL_GENERATION: generation.to_string()},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Node", "name": self.node, "uid": self.uid, "controller": true}
                ],
            },
            "spec": {
                "driver": self.driver,
                "nodeName": self.node,
                "pool": {"name": self.node, "generation": generation, "resourceSliceCount": count},
                "devices": devices,
            },
        }))
    }
}

/// What a slice says that it is: its devices, and how many slices there are, which each of them says.
pub fn stamp(content: &Content, count: usize) -> String {
    format!("{}-{count}", content.digest)
}

/// What is to be done. `trusted` tells whether a slice that is there is as its annotations say; no generation was higher than
/// `latest`.
pub fn plan(
    owner: &Owner,
    known: &Known,
    wanted: &[Content],
    latest: i64,
    trusted: impl Fn(&SliceFound) -> bool,
) -> Plan {
    let names: Vec<String> = (0..wanted.len()).map(|place| owner.name(place)).collect();
    let newest = known.values().filter_map(|found| found.pool_generation).max();
    let generation = newest.unwrap_or(1).max(latest);
    let delete: Vec<String> = known.keys().filter(|name| !names.contains(name)).cloned().collect();
    let (mut other, mut missing) = (Vec::new(), Vec::new());
    for (place, (name, content)) in names.iter().zip(wanted).enumerate() {
        let is_it = |found: &SliceFound| {
            let is_of_it = found.digest.as_deref() == Some(&stamp(content, wanted.len()));
            is_of_it && found.pool_generation == Some(generation) && trusted(found)
        };
        match known.get(name) {
            None => missing.push(place),
            Some(found) if is_it(found) => {}
            Some(_) => other.push(place),
        }
    }
    let write = match (other.len(), missing.len()) {
        (0, 0) if delete.is_empty() => Some(Vec::new()),
        // Its count is in its stamp, and nothing else has changed.
        (1, 0) if delete.is_empty() && (wanted.len() == 1 || newest == Some(generation)) => Some(other),
        // They were of this generation and this count, as those that are left say.
        (0, _) if delete.is_empty() => Some(missing),
        _ => None,
    };
    match write {
        Some(write) => Plan {
            generation,
            delete,
            write,
        },
        None => Plan {
            generation: generation + 1,
            delete,
            write: (0..wanted.len()).collect(),
        },
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
