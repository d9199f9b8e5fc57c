//! Which slice each device is in. A device stays where it is, so that one that comes or goes changes one slice; and what is said
//! of one stays while somebody has it.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use serde_json::{Map, Value, json};

/// Devices of a slice: the most that one with a taint may have, from the beginning, so that the first taint cuts nothing anew.
pub const MOST: usize = 64;

/// A device, as it is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Map<String, Value>,
    /// The kind of reason why it is not to be given out.
    pub unhealthy: Option<&'static str>,
    /// Somebody has it.
    pub is_held: bool,
    /// It is not in the machine.
    pub is_gone: bool,
}

/// Where devices are, and what was said of them.
#[derive(Debug, Default)]
pub struct Layout {
    places: BTreeMap<String, usize>,
    attributes: BTreeMap<String, Map<String, Value>>,
}

/// The devices of a slice.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// As the API has them.
    pub devices: Vec<Value>,
    /// Tells them from others, as far as that is of this program.
    pub digest: String,
    /// How many of them have a taint.
    pub tainted: usize,
}

// === impl Layout ===

impl Layout {
    /// The slices of these devices, at least one. `driver` is the domain of taints; without `taints`, which an API server may not
    /// keep, what is not to be given out is not told unless somebody has it.
    pub fn slices(&mut self, driver: &str, devices: Vec<Told>, taints: bool) -> Vec<Content> {
        let is_told = |told: &Told| told.is_held || !(told.is_gone || told.unhealthy.is_some() && !taints);
        let told: BTreeMap<String, Told> = devices
            .into_iter()
            .filter(is_told)
            .map(|told| (told.name.clone(), told))
            .collect();
        self.place(told.keys());
        self.attributes.retain(|name, _| told.contains_key(name));
        let count = self.places.values().max().map_or(1, |last| last + 1);
        let mut slices: Vec<(Vec<Value>, usize)> = vec![(Vec::new(), 0); count];
        for (name, told) in told {
            let Some((slice, tainted)) = self.places.get(&name).and_then(|place| slices.get_mut(*place)) else {
                continue;
            };
            let known = self.attributes.entry(name.clone());
            let attributes = known.or_insert_with(|| told.attributes.clone());
            if !told.is_held {
                attributes.clone_from(&told.attributes);
            }
            let mut device = json!({"name": name, "attributes": attributes});
            if let Some(kind) = told.unhealthy.filter(|_| taints) {
                device["taints"] =
                    json!([{"key": format!("{driver}/unhealthy"), "value": kind, "effect": "NoSchedule"}]);
                *tainted += 1;
            }
            slice.push(device);
        }
        slices
            .into_iter()
            .map(|(devices, tainted)| Content::new(devices, tainted))
            .collect()
    }

    /// Those that are new go where there is room; the last slices go when they are empty.
    fn place<'n>(&mut self, names: impl Iterator<Item = &'n String>) {
        let names: BTreeSet<&String> = names.collect();
        self.places.retain(|name, _| names.contains(name));
        let mut counts: Vec<usize> = Vec::new();
        let count = |place: usize, counts: &mut Vec<usize>| {
            counts.resize(counts.len().max(place + 1), 0);
            counts[place] += 1;
        };
        for place in self.places.values() {
            count(*place, &mut counts);
        }
        for name in names {
            if self.places.contains_key(name) {
                continue;
            }
            let place = counts.iter().position(|count| *count < MOST).unwrap_or(counts.len());
            count(place, &mut counts);
            self.places.insert(name.clone(), place);
        }
    }
}

// === impl Content ===

impl Content {
    fn new(devices: Vec<Value>, tainted: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        for device in &devices {
            device.to_string().hash(&mut hasher);
        }
        Self {
            devices,
            digest: format!("{:016x}", hasher.finish()),
            tainted,
        }
    }
}

#[cfg(test)]
pub(super) mod fixture {
    use super::*;

    /// So many devices, of which the first have lower names.
    pub(crate) fn devices(count: usize) -> Vec<Told> {
        let told = |n: usize| Told {
            name: format!("d{n:05}"),
            attributes: json!({"vf": {"int": n}}).as_object().cloned().unwrap(),
            unhealthy: None,
            is_held: false,
            is_gone: false,
        };
        (0..count).map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::devices;
    use super::*;

    fn changed(before: &[Content], after: &[Content]) -> Vec<usize> {
        let is_another = |index: &usize| before.get(*index) != after.get(*index);
        (0..before.len().max(after.len())).filter(is_another).collect()
    }

    #[test]
    fn a_thousand_devices_are_in_sixteen_slices_and_one_change_is_in_one_of_them() {
        let mut layout = Layout::default();
        let mut all = devices(1024);
        let before = layout.slices("d", all.clone(), true);
        assert_eq!(before.len(), 16);
        assert!(before.iter().all(|slice| slice.devices.len() == MOST));
        assert_eq!(layout.slices("d", all.clone(), true), before, "the same");
        all[100].unhealthy = Some("no-driver");
        let tainted = layout.slices("d", all.clone(), true);
        assert_eq!(changed(&before, &tainted), [1]);
        let taint = json!([{"key": "d/unhealthy", "value": "no-driver", "effect": "NoSchedule"}]);
        assert_eq!(tainted[1].devices[100 - 64]["taints"], taint);
        assert_eq!(tainted[1].tainted, 1);
        all[100].is_gone = true;
        let gone = layout.slices("d", all.clone(), true);
        assert_eq!((changed(&tainted, &gone), gone[1].devices.len()), (vec![1], MOST - 1));
        all.remove(100);
        all.extend(devices(1025).split_off(1024));
        let other = layout.slices("d", all, true);
        assert_eq!(
            (changed(&gone, &other), other.len()),
            (vec![1], 16),
            "it takes the place that is free"
        );
    }

    #[test]
    fn what_somebody_has_stays_as_it_was_told_when_it_was_free() {
        let mut layout = Layout::default();
        let mut all = devices(2);
        let before = layout.slices("d", all.clone(), true);
        all[0].is_held = true;
        all[0].attributes.clear();
        assert_eq!(layout.slices("d", all.clone(), true), before);
        all[0].is_gone = true;
        assert_eq!(
            layout.slices("d", all.clone(), true)[0].devices.len(),
            2,
            "its claim needs it"
        );
        all[0].is_held = false;
        assert_eq!(layout.slices("d", all, true)[0].devices.len(), 1);
    }

    #[test]
    fn without_taints_what_is_not_to_be_given_out_is_left_out_unless_somebody_has_it() {
        let mut layout = Layout::default();
        let mut all = devices(3);
        (all[0].unhealthy, all[1].unhealthy) = (Some("no-driver"), Some("no-carrier"));
        all[1].is_held = true;
        let slices = layout.slices("d", all, false);
        let names: Vec<&Value> = slices[0].devices.iter().map(|device| &device["name"]).collect();
        assert_eq!(names, ["d00001", "d00002"]);
        assert_eq!(slices[0].tainted, 0);
    }

    #[test]
    fn a_pool_without_devices_is_one_slice_and_empty_slices_go_from_the_end() {
        let mut layout = Layout::default();
        assert_eq!(layout.slices("d", Vec::new(), true).len(), 1);
        assert_eq!(layout.slices("d", devices(65), true).len(), 2);
        assert_eq!(layout.slices("d", devices(64), true).len(), 1);
    }
}
