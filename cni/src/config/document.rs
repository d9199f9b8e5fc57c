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
const OF_IPAM: &[&str] = &["type"];

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
        let count = Count {
            left: Cell::new(bounds.values),
            exceeded: Cell::new(None),
        };
        let mut json = serde_json::Deserializer::from_slice(stdin);
        let read = json
            .deserialize_any(Whole(&count))
            .and_then(|document| json.end().map(|()| document));
        match count.exceeded.get() {
            Some(Exceeded::Values) => Err(DocumentError::TooMany { bound: bounds.values }),
            Some(Exceeded::Depth) => Err(DocumentError::TooDeep),
            None => Ok(read?),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Exceeded {
    Values,
    Depth,
}

/// What may still come.
struct Count {
    left: Cell<usize>,
    exceeded: Cell<Option<Exceeded>>,
}

impl Count {
    fn value<E: Error>(&self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or_default());
        left.map(|_| ()).ok_or_else(|| self.exceed(Exceeded::Values))
    }

    fn depth<E: Error>(&self, depth: u32) -> Result<u32, E> {
        if depth < DEEPEST {
            Ok(depth + 1)
        } else {
            Err(self.exceed(Exceeded::Depth))
        }
    }

    fn exceed<E: Error>(&self, what: Exceeded) -> E {
        self.exceeded.set(Some(what));
        E::custom("beyond a bound")
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
                        depth: 1,
                        only: (name == "ipam").then_some(OF_IPAM),
                    };
                    document.fields.insert(spelt, object.next_value_seed(kept)?);
                }
                Key::Stranger(name) => {
                    document
                        .strangers
                        .extend(name.filter(|_| document.strangers.len() < STRANGERS));
                    object.next_value_seed(Dropped {
                        count: self.0,
                        depth: 1,
                    })?;
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
    depth: u32,
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
        let (count, depth) = (self.count, self.count.depth(self.depth)?);
        let mut values = Vec::new();
        let seed = || Kept {
            count,
            depth,
            only: None,
        };
        while let Some(value) = list.next_element_seed(seed())? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let (count, depth) = (self.count, self.count.depth(self.depth)?);
        let mut fields = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let wanted = |only: &[&str]| only.iter().any(|name| name.eq_ignore_ascii_case(&key));
            if self.only.is_none_or(wanted) {
                let seed = Kept {
                    count,
                    depth,
                    only: None,
                };
                fields.insert(key, object.next_value_seed(seed)?);
            } else {
                object.next_value_seed(Dropped { count, depth })?;
            }
        }
        Ok(Value::Object(fields))
    }
}

/// A value that only has to be JSON.
#[derive(Clone, Copy)]
struct Dropped<'c> {
    count: &'c Count,
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Dropped<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Dropped<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let depth = self.count.depth(self.depth)?;
        while list.next_element_seed(Self { depth, ..self })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let depth = self.count.depth(self.depth)?;
        while object.next_key::<IgnoredAny>()?.is_some() {
            object.next_value_seed(Self { depth, ..self })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
