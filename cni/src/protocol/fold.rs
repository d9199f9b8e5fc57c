//! Looking up JSON keys as Go does: in any case, with `null` meaning absent.
//!
//! Contract: encoding/json of Go, which every configuration in use was written against; serde is neither.

use serde_json::{Map, Value};

/// A JSON object whose keys are found in any case.
#[derive(Debug, Clone, Copy)]
pub struct Folded<'a>(&'a Map<String, Value>);

impl<'a> Folded<'a> {
    /// Wraps an object.
    pub fn new(object: &'a Map<String, Value>) -> Self {
        Self(object)
    }

    /// The value of a key, unless it is `null`. An exact spelling beats another one.
    pub fn get(self, key: &str) -> Option<&'a Value> {
        let folded = || {
            self.0
                .iter()
                .find(|(k, _)| k.eq_ignore_ascii_case(key))
                .map(|(_, value)| value)
        };
        self.0.get(key).or_else(folded).filter(|value| !value.is_null())
    }

    /// The keys as they are spelt.
    pub fn keys(self) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str)
    }
}
