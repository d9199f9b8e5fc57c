//! JSON with a key more than once in one object, which RFC 8259 leaves to the reader.
//!
//! Go and serde take the last one and say nothing, so that a filter written twice is lost. Here the keys are told, and
//! whoever reads the object decides.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A key that was there before in the same object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RepeatedKey {
    /// Where, from the document on: `resourceList[0].selectors.pfNames`.
    pub(super) path: String,
    /// The later value, which counts.
    pub(super) value: Value,
}

/// Reads a whole JSON text, and adds the repeated keys to `repeated`.
pub(super) fn read(text: &str, repeated: &mut Vec<RepeatedKey>) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let root = Node {
        path: String::new(),
        repeated,
    };
    let value = root.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// One value of the document, and where it is.
struct Node<'a> {
    path: String,
    repeated: &'a mut Vec<RepeatedKey>,
}

// === impl Node ===

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let item = Node {
                path: format!("{}[{}]", self.path, list.len()),
                repeated: &mut *self.repeated,
            };
            match items.next_element_seed(item)? {
                Some(item) => list.push(item),
                None => return Ok(list.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let path = if self.path.is_empty() {
                key.clone()
            } else {
                format!("{}.{key}", self.path)
            };
            let value = fields.next_value_seed(Node {
                path: path.clone(),
                repeated: &mut *self.repeated,
            })?;
            if map.contains_key(&key) {
                self.repeated.push(RepeatedKey {
                    path,
                    value: value.clone(),
                });
            }
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(text: &str) -> (Value, Vec<String>) {
        let mut repeated = Vec::new();
        let value = read(text, &mut repeated).unwrap();
        (value, repeated.into_iter().map(|key| key.path).collect())
    }

    #[test]
    fn every_value_is_read_as_serde_json_reads_it() {
        let text = r#"{"a": [1, -2, 2.5, true, null, "x\n", {"b": {}}], "c": 18446744073709551615}"#;
        let (value, repeated) = paths(text);
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(repeated, [""; 0]);
        for bad in ["{} x", "{\"a\": }", "", "[1,]", "{\"a\":1,}"] {
            let error = read(bad, &mut Vec::new()).unwrap_err().to_string();
            assert_eq!(
                error,
                serde_json::from_str::<Value>(bad).unwrap_err().to_string(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_told_with_its_place_and_the_last_one_counts() {
        let (value, repeated) = paths(r#"{"l": [{"s": {"p": 1, "q": 2, "p": 3}}], "k": 1, "k": 2, "K": 3}"#);
        assert_eq!(value, json!({"l": [{"s": {"p": 3, "q": 2}}], "k": 2, "K": 3}));
        assert_eq!(repeated, ["l[0].s.p", "k"]);
    }
}
