//! Keys that no field has: which pass, and which refuse their pool.
//!
//! Go ignores unknown keys, so that in sriov-network-device-plugin `pfName` for `pfNames` is no filter, and the pool takes
//! every device. Here a key refuses the pool where the pool would take other devices without it: any in a selector, and
//! beside the selectors one that belongs into them or is almost `selectors` or `deviceType`. What says nothing, and notes
//! for people, pass with a warning.

use serde_json::Value;
use strsim::osa_distance;

use super::field_names::{FILTERS, POOL_DECISIVE, POOL_HARMLESS, SELECTOR};
use super::object::{BadField, UnknownField};

/// Keys by which people tell each other what is meant; so is every key that begins with `_`.
const NOTES: [&str; 2] = ["comment", "description"];

/// Whether a key is a note for people.
pub(super) fn is_note(key: &str) -> bool {
    key.starts_with('_') || NOTES.iter().any(|note| note.eq_ignore_ascii_case(key))
}

/// The unknown fields of a document: nothing depends on them.
pub(super) fn in_document(unknown: Vec<UnknownField>, warnings: &mut Vec<String>) {
    warnings.extend(unknown.into_iter().map(|UnknownField { key, field, .. }| {
        if is_note(&key) {
            note(&field)
        } else {
            format!("{field} is no field of a configuration and does nothing")
        }
    }));
}

/// The unknown fields of a pool.
pub(super) fn in_pool(unknown: Vec<UnknownField>, warnings: &mut Vec<String>) -> Result<(), BadField> {
    for UnknownField { key, field, value } in unknown {
        if is_note(&key) {
            warnings.push(note(&field));
            continue;
        }
        let says_something = says_something(&value);
        let filter = FILTERS.iter().find(|name| name.eq_ignore_ascii_case(&key));
        if let Some(filter) = filter.filter(|_| says_something) {
            let expected = format!("{filter} filters nothing here: it belongs into selectors");
            return Err(BadField::new(field, &value, expected));
        }
        let known = FILTERS.iter().chain(&POOL_DECISIVE).chain(&POOL_HARMLESS);
        let meant = nearest(&key, known.copied());
        match meant {
            Some(meant) if says_something && !POOL_HARMLESS.contains(&meant) => {
                let expected = format!(
                    "a pool has no such field and would take other devices without it; it is almost {meant}: is that \
                     what is meant?"
                );
                return Err(BadField::new(field, &value, expected));
            }
            Some(meant) => warnings.push(format!(
                "{field} is no field of a pool and does nothing; it is almost {meant}"
            )),
            None => warnings.push(format!("{field} is no field of a pool and does nothing")),
        }
    }
    Ok(())
}

/// The unknown fields of a selector.
pub(super) fn in_selector(unknown: Vec<UnknownField>, warnings: &mut Vec<String>) -> Result<(), BadField> {
    for UnknownField { key, field, value } in unknown {
        if is_note(&key) {
            warnings.push(note(&field));
        } else if says_something(&value) {
            let beside = POOL_DECISIVE.iter().chain(&POOL_HARMLESS);
            let hint = if let Some(meant) = nearest(&key, SELECTOR.iter().copied()) {
                format!("; it is almost {meant}: is that what is meant?")
            } else if let Some(beside) = beside.copied().find(|name| name.eq_ignore_ascii_case(&key)) {
                format!("; {beside} belongs beside selectors")
            } else {
                String::new()
            };
            let expected = format!("a selector has no such field and would take more devices without it{hint}");
            return Err(BadField::new(field, &value, expected));
        } else {
            warnings.push(format!("{field} is no field of a selector and filters nothing"));
        }
    }
    Ok(())
}

fn note(field: &str) -> String {
    format!("{field} is a note and does nothing")
}

/// Whether a value would do something in a field of upstream's, where the empty one of each type is the same as none.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// The name that a key is almost: one slip away, or two where the name is long.
fn nearest(key: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let plain = |text: &str| {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect::<String>()
    };
    let key = plain(key);
    let near = names.filter_map(|name| {
        let allowed = if name.len() < 8 { 1 } else { 2 };
        // What a user may type is not bounded; the distance costs the product of both lengths.
        let has_length = key.len().abs_diff(name.len()) <= allowed;
        let distance = has_length.then(|| osa_distance(&key, &plain(name)))?;
        (distance <= allowed).then_some((distance, name))
    });
    near.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object::Object;
    use super::*;

    fn unknown(fields: Value) -> Vec<UnknownField> {
        Object::new("", fields).unwrap().unknown()
    }

    #[test]
    fn slips_find_the_field_that_is_meant() {
        for (key, expected) in [
            ("pfName", Some("pfNames")),
            ("pf_names", Some("pfNames")),
            ("PfNmaes", Some("pfNames")),
            ("vendor", Some("vendors")),
            ("pciAddress", Some("pciAddresses")),
            ("pci-adresses", Some("pciAddresses")),
            ("rootDevice", Some("rootDevices")),
            ("rdma", None),
            ("name", None),
            ("x", None),
        ] {
            assert_eq!(nearest(key, SELECTOR.iter().copied()), expected, "{key}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), SELECTOR.iter().copied()), None);
    }

    #[test]
    fn a_key_that_would_have_chosen_devices_refuses_its_pool() {
        for (fields, expected) in [
            (
                json!({"pfNames": ["ens1"]}),
                "pfNames is [\"ens1\"]: pfNames filters nothing here",
            ),
            (json!({"VENDORS": ["8086"]}), "belongs into selectors"),
            (json!({"isRdma": true}), "belongs into selectors"),
            (json!({"pfName": ["ens1"]}), "almost pfNames"),
            (json!({"selector": {"vendors": ["8086"]}}), "almost selectors"),
            (json!({"devicetypes": "accelerator"}), "almost deviceType"),
            (json!({"device_type": "accelerator"}), "almost deviceType"),
        ] {
            let error = in_pool(unknown(fields.clone()), &mut Vec::new())
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{fields}: {error}");
        }
    }

    #[test]
    fn what_changes_no_choice_passes_with_a_warning() {
        for (fields, expected) in [
            (json!({"_comment": "x"}), "_comment is a note and does nothing"),
            (json!({"Description": "x"}), "Description is a note and does nothing"),
            (
                json!({"owner": "team a"}),
                "owner is no field of a pool and does nothing",
            ),
            (
                json!({"needVhostNet": true}),
                "needVhostNet is no field of a pool and does nothing",
            ),
            (
                json!({"selector": {}}),
                "selector is no field of a pool and does nothing; it is almost selectors",
            ),
            (
                json!({"isRdma": false}),
                "isRdma is no field of a pool and does nothing; it is almost isRdma",
            ),
            (
                json!({"excludeToplogy": true}),
                "excludeToplogy is no field of a pool and does nothing; it is almost excludeTopology",
            ),
        ] {
            let mut warnings = Vec::new();
            in_pool(unknown(fields.clone()), &mut warnings).unwrap();
            assert_eq!(warnings, [expected], "{fields}");
        }
    }

    #[test]
    fn a_selector_has_no_unknown_fields_but_notes_and_empty_ones() {
        for (fields, expected) in [
            (
                json!({"pfName": ["ens1"]}),
                "it is almost pfNames: is that what is meant?",
            ),
            (
                json!({"excludeTopology": true}),
                "excludeTopology belongs beside selectors",
            ),
            (
                json!({"x": 1}),
                "x is 1: a selector has no such field and would take more devices without it",
            ),
        ] {
            let error = in_selector(unknown(fields.clone()), &mut Vec::new())
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{fields}: {error}");
        }
        let passing = json!({"_why": "x", "comment": ["x"], "pfName": [], "x": "", "y": null, "z": false});
        let mut warnings = Vec::new();
        in_selector(unknown(passing), &mut warnings).unwrap();
        assert_eq!(
            warnings,
            [
                "_why is a note and does nothing",
                "comment is a note and does nothing",
                "pfName is no field of a selector and filters nothing",
                "x is no field of a selector and filters nothing",
                "z is no field of a selector and filters nothing",
            ]
        );
    }
}
