//! `additionalInfo`: what containers are told of a device besides its address.
//!
//! As Go reads a map of maps of strings, where `null` is an empty map or text. A key that no device has is never looked up
//! upstream, and existing files have such: it is told and left out.

use std::collections::BTreeMap;

use hardwire_pci::DeviceId;
use serde_json::Value;

use super::object::{BadField, Object};
use super::unknown_keys::is_note;

/// By device id, `*` for all: names and values.
pub type AdditionalInfo = BTreeMap<String, BTreeMap<String, String>>;

const FIELD: &str = "additionalInfo";

/// The field of a pool; `None` where it has none.
pub(super) fn parse(pool: &mut Object, warnings: &mut Vec<String>) -> Result<Option<AdditionalInfo>, BadField> {
    let devices = match pool.value(FIELD)? {
        None => return Ok(None),
        Some(Value::Object(devices)) => devices,
        Some(other) => return Err(bad(FIELD, &other)),
    };
    let mut additional = AdditionalInfo::new();
    for (key, value) in devices {
        let field = format!("{FIELD}.{key}");
        if is_note(&key) {
            warnings.push(format!("{field} is a note and does nothing"));
        } else if key == "*" || is_device(&key) {
            additional.insert(key, texts(&field, value)?);
        } else {
            texts(&field, value)?;
            warnings.push(format!(
                "{field} is of no device and does nothing: expected * or the full address of a device, as in 0000:3b:02.1"
            ));
        }
    }
    Ok(Some(additional))
}

/// Whether a text is a device's id, to the letter.
fn is_device(key: &str) -> bool {
    key.parse::<DeviceId>().is_ok_and(|id| id.to_string() == key)
}

fn texts(field: &str, value: Value) -> Result<BTreeMap<String, String>, BadField> {
    let entries = match value {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(entries) => entries,
        other => return Err(bad(field, &other)),
    };
    let text = |(name, value): (String, Value)| match value {
        Value::Null => Ok((name, String::new())),
        Value::String(text) => Ok((name, text)),
        other => Err(BadField::new(format!("{field}.{name}"), &other, "expected a string")),
    };
    entries.into_iter().map(text).collect()
}

fn bad(field: &str, value: &Value) -> BadField {
    BadField::new(field, value, "expected, by device address or *, objects of strings")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> (Result<Option<AdditionalInfo>, String>, Vec<String>) {
        let mut pool = Object::new("", json!({"AdditionalInfo": value})).unwrap();
        let mut warnings = Vec::new();
        let read = parse(&mut pool, &mut warnings).map_err(|error| error.to_string());
        (read, warnings)
    }

    #[test]
    fn keys_that_are_no_device_are_told_and_left_out() {
        let (read, warnings) = read(&json!({
            "*": {"a": "1"}, "0000:3b:02.1": {"a": null}, "mlx5_core.sf.4": null,
            "3b:02.1": {}, "eth0": {"a": "2"}, "0000:3B:02.1": {}, "_comment": "for people",
        }));
        let kept: Vec<String> = read.unwrap().unwrap().into_keys().collect();
        assert_eq!(kept, ["*", "0000:3b:02.1", "mlx5_core.sf.4"]);
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(
            warnings
                .iter()
                .any(|warning| warning.starts_with("additionalInfo.eth0 is of no device"))
        );
    }

    #[test]
    fn wrong_types_are_named() {
        for (value, expected) in [
            (
                json!("x"),
                "additionalInfo is \"x\": expected, by device address or *, objects of strings",
            ),
            (json!({"*": "x"}), "additionalInfo.* is \"x\": expected"),
            (json!({"*": {"a": 1}}), "additionalInfo.*.a is 1: expected a string"),
            (
                json!({"eth0": {"a": 1}}),
                "additionalInfo.eth0.a is 1: expected a string",
            ),
        ] {
            let error = read(&value).0.unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(read(&Value::Null).0, Ok(None));
        assert_eq!(read(&json!({})).0, Ok(Some(AdditionalInfo::new())));
    }
}
