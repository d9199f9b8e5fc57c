//! Looking up JSON keys as Go does: in any case, with `null` meaning absent.
//!
//! Contract: encoding/json of Go, which every configuration in use was written against; serde is neither.

use serde_json::{Map, Value};

/// A JSON object whose keys are found in any case.
#[derive(Debug, Clone, Copy)]
pub struct AnyCase<'a>(&'a Map<String, Value>);

impl<'a> AnyCase<'a> {
    /// Wraps an object.
    pub fn new(object: &'a Map<String, Value>) -> Self {
        Self(object)
    }

    /// The value of a key, unless it is `null`. An exact spelling beats another one.
    pub fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(self.spelling(key)?).filter(|value| !value.is_null())
    }

    /// How a key is spelt where it stands. An exact spelling beats another one.
    pub fn spelling(self, key: &str) -> Option<&'a str> {
        let folded = || self.0.keys().find(|k| k.eq_ignore_ascii_case(key));
        let exact = self.0.get_key_value(key).map(|(spelt, _)| spelt);
        exact.or_else(folded).map(String::as_str)
    }
}
