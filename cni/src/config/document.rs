//! stdin as JSON, read in one pass that keeps only what means something.
//!
//! What a value costs to keep is a hundred times what it costs to write (`[[0],[0],...`), so the text is not turned into a
//! tree and then looked at: values of unknown keys are checked and dropped as they come, the others are counted.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::bounds::{Bounds, DEEPEST};
use super::keys::known;
use crate::protocol::{CniError, code};

/// Unknown keys that are kept, to tell whether one is a slip of the pen.
const STRANGERS: usize = 256;

/// The longest key that may be a slip of the pen, bytes: ours are shorter.
const LONGEST_STRANGER: usize = 32;

/// What is read of `ipam`: the rest is the plugin's, which gets stdin as it is.
const OF_IPAM: &[&str] = &["type", "inProcess"];

/// A configuration whose text is within bounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Document {
    /// The known keys as they are spelt, and their values.
    pub(super) fields: Map<String, Value>,
    /// Keys that are nobody's we know: the first of those that are short.
    pub(super) strangers: Vec<String>,
}

/// Why stdin is no configuration.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    /// More than is read.
    #[error("the network configuration on stdin has {bytes} bytes, more than the {bound} that are read")]
    TooLarge { bytes: usize, bound: usize },
    /// More than is kept.
    #[error("the network configuration on stdin has more than the {bound} values that are read")]
    TooMany { bound: usize },
    /// Too many objects and lists in each other.
    #[error("the network configuration on stdin is nested deeper than the {DEEPEST} levels that are read")]
    TooDeep,
    /// Not JSON, or no object.
    #[error("error unmarshall network config: {0}")]
    Decode(#[from] serde_json::Error),
}

impl From<DocumentError> for CniError {
    fn from(error: DocumentError) -> Self {
        let code = match error {
            DocumentError::Decode(_) => code::DECODE,
            DocumentError::TooLarge { .. } | DocumentError::TooMany { .. } | DocumentError::TooDeep => code::CONFIG,
        };
        Self::new(code, error)
    }
}

impl Document {
    /// Reads all of stdin.
    pub(super) fn read(stdin: &[u8], bounds: Bounds) -> Result<Self, DocumentError> {
        if stdin.len() > bounds.bytes {
            return Err(DocumentError::TooLarge {
                bytes: stdin.len(),
                bound: bounds.bytes,
            });
        }
        if is_too_deep(stdin) {
            return Err(DocumentError::TooDeep);
        }
        let text = str::from_utf8(stdin).map_err(serde_json::Error::custom)?;
        let count = Count {
            left: Cell::new(bounds.values),
            is_exceeded: Cell::new(false),
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json
            .deserialize_any(Whole(&count))
            .and_then(|document| json.end().map(|()| document));
        if count.is_exceeded.get() {
            Err(DocumentError::TooMany { bound: bounds.values })
        } else {
            Ok(read?)
        }
    }
}

/// Whether there are too many objects and lists in each other, anywhere: what is dropped has to be within this bound too.
fn is_too_deep(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_u32, false, false);
    text.iter().any(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEEPEST
    })
}

/// What may still come.
struct Count {
    left: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl Count {
    fn value<E: Error>(&self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or_default());
        left.map(|_| ()).ok_or_else(|| {
            self.is_exceeded.set(true);
            E::custom("beyond a bound")
        })
    }
}

/// The object itself.
struct Whole<'c>(&'c Count);

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// Go decodes null into an empty configuration.
    fn visit_unit<E: Error>(self) -> Result<Document, E> {
        Ok(Document::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Document, A::Error> {
        let mut document = Document::default();
        while let Some(key) = object.next_key_seed(TopKey)? {
            match key {
                Key::Known(spelt, name) => {
                    let kept = Kept {
                        count: self.0,
                        only: (name == "ipam").then_some(OF_IPAM),
                    };
                    document.fields.insert(spelt, object.next_value_seed(kept)?);
                }
                Key::Stranger(name) => {
                    document
                        .strangers
                        .extend(name.filter(|_| document.strangers.len() < STRANGERS));
                    // Whatever it is, if it is JSON: a number that no type of ours holds, too.
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(document)
    }
}

/// A key of the object itself.
enum Key {
    /// As it is spelt, and as it is known.
    Known(String, &'static str),
    /// Its name, where it is short.
    Stranger(Option<String>),
}

struct TopKey;

impl<'de> DeserializeSeed<'de> for TopKey {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Key, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for TopKey {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        let short = || (key.len() <= LONGEST_STRANGER).then(|| key.to_owned());
        Ok(known(key).map_or_else(|| Key::Stranger(short()), |name| Key::Known(key.to_owned(), name)))
    }
}

/// A value that is kept, and counted.
struct Kept<'c> {
    count: &'c Count,
    /// The keys to keep, if it is an object; all where it does not say.
    only: Option<&'static [&'static str]>,
}

impl<'de> DeserializeSeed<'de> for Kept<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Value, D::Error> {
        self.count.value()?;
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kept<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        let seed = || Kept {
            count: self.count,
            only: None,
        };
        while let Some(value) = list.next_element_seed(seed())? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let wanted = |only: &[&str]| only.iter().any(|name| name.eq_ignore_ascii_case(&key));
            if self.only.is_none_or(wanted) {
                let seed = Kept {
                    count: self.count,
                    only: None,
                };
                fields.insert(key, object.next_value_seed(seed)?);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
