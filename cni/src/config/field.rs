//! Reading one field of the configuration: its type, its range, and an error that names field, value and what is right.

use std::fmt::Display;

use serde_json::Value;

use crate::printable::excerpt;
use crate::protocol::{AnyCase, CniError};

/// As much of a value as an error quotes, bytes.
const QUOTED: usize = 256;

/// The error for a wrong value.
pub(super) fn wrong(field: &str, value: impl Display, right: impl Display) -> CniError {
    let value = excerpt(&value.to_string(), QUOTED);
    CniError::config(format!("{field}: {value} is not valid: it must be {right}"))
}

/// A text field; `None` if absent or empty.
pub(super) fn text<'a>(fields: AnyCase<'a>, field: &str) -> Result<Option<&'a str>, CniError> {
    text_of(fields, field, field)
}

/// The same of an inner object; `path` is what the whole configuration calls it.
pub(super) fn text_of<'a>(fields: AnyCase<'a>, field: &str, path: &str) -> Result<Option<&'a str>, CniError> {
    match fields.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(other) => Err(wrong(path, other, "a text")),
    }
}

/// A whole number from `low` to `high`; `None` if absent.
pub(super) fn number(fields: AnyCase<'_>, field: &str, low: u32, high: u32) -> Result<Option<u32>, CniError> {
    let Some(value) = fields.get(field) else {
        return Ok(None);
    };
    let in_range = value
        .as_u64()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| (low..=high).contains(n));
    let right = || wrong(field, value, format_args!("a whole number from {low} to {high}"));
    in_range.map(Some).ok_or_else(right)
}

/// `true` or `false`; `None` if absent.
pub(super) fn boolean(fields: AnyCase<'_>, field: &str) -> Result<Option<bool>, CniError> {
    let Some(value) = fields.get(field) else {
        return Ok(None);
    };
    value
        .as_bool()
        .map(Some)
        .ok_or_else(|| wrong(field, value, "true or false"))
}

/// One of some words, in any case; `None` if absent or empty.
pub(super) fn word<T: Copy>(fields: AnyCase<'_>, field: &str, words: &[(&str, T)]) -> Result<Option<T>, CniError> {
    let right = || {
        words
            .iter()
            .map(|(word, _)| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(" or ")
    };
    let Some(value) = fields.get(field) else {
        return Ok(None);
    };
    let Some(text) = value.as_str() else {
        return Err(wrong(field, value, right()));
    };
    if text.is_empty() {
        return Ok(None);
    }
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found
        .map(|(_, meaning)| Some(*meaning))
        .ok_or_else(|| wrong(field, value, right()))
}

/// An object field; `None` if absent.
pub(super) fn object<'a>(fields: AnyCase<'a>, field: &str) -> Result<Option<AnyCase<'a>>, CniError> {
    object_of(fields, field, field)
}

/// The same of an inner object; `path` is what the whole configuration calls it.
pub(super) fn object_of<'a>(fields: AnyCase<'a>, field: &str, path: &str) -> Result<Option<AnyCase<'a>>, CniError> {
    let Some(value) = fields.get(field) else {
        return Ok(None);
    };
    value
        .as_object()
        .map(|object| Some(AnyCase::new(object)))
        .ok_or_else(|| wrong(path, value, "an object"))
}
