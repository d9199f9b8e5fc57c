//! A JSON object as Go's encoding/json reads one into a struct, since that is what existing configurations were written
//! for: keys in any case, and `null` is the same as absent. Unlike there, a key in two spellings is an error, and what
//! becomes of unknown keys is said in [`super::unknown_keys`].

use hardwire_cni::printable::excerpt;
use serde_json::{Map, Value};

/// How much of a value a message shows.
const LONGEST_VALUE: usize = 256;

/// A field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}: {expected}")]
pub struct BadField {
    /// Where, from the pool on: `selectors[0].vendors[1]`.
    pub field: String,
    /// What is there, as JSON.
    pub value: String,
    /// What would be right.
    pub expected: String,
}

/// The fields of an object that nobody has asked for yet.
#[derive(Debug)]
pub(super) struct Object {
    at: String,
    fields: Map<String, Value>,
}

/// A field that nobody asked for.
#[derive(Debug, PartialEq)]
pub(super) struct UnknownField {
    pub(super) key: String,
    /// Where it is.
    pub(super) field: String,
    pub(super) value: Value,
}

/// A string of a list, and where it is.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) field: String,
    pub(super) text: String,
}

// === impl BadField ===

impl BadField {
    pub(super) fn new(field: impl Into<String>, value: &Value, expected: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            value: excerpt(&value.to_string(), LONGEST_VALUE),
            expected: expected.into(),
        }
    }
}

// === impl Item ===

impl Item {
    pub(super) fn bad(&self, expected: impl Into<String>) -> BadField {
        BadField::new(self.field.clone(), &Value::from(self.text.as_str()), expected)
    }
}

// === impl Object ===

impl Object {
    /// The object at `at`, which is empty for a pool itself.
    pub(super) fn new(at: &str, value: Value) -> Result<Self, BadField> {
        match value {
            Value::Object(fields) => Ok(Self {
                at: at.to_owned(),
                fields,
            }),
            other => {
                let field = if at.is_empty() { "it" } else { at };
                Err(BadField::new(field, &other, "expected an object"))
            }
        }
    }

    /// Where a field of this object is.
    pub(super) fn field(&self, key: &str) -> String {
        path(&self.at, key)
    }

    /// Its keys as they are spelt.
    pub(super) fn keys(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    /// The value of a field; `None` for `null`.
    pub(super) fn value(&mut self, key: &str) -> Result<Option<Value>, BadField> {
        let same = |name: &&String| name.eq_ignore_ascii_case(key);
        let spellings: Vec<String> = self.fields.keys().filter(same).cloned().collect();
        let mut values = spellings.iter().filter_map(|name| self.fields.remove(name));
        let value = values.next();
        // Go takes the last one of the file, which is no longer to be told here.
        if let Some(second) = values.next() {
            let expected = format!("the field is there more than once, as {}", spellings.join(", "));
            return Err(BadField::new(self.field(key), &second, expected));
        }
        Ok(value.filter(|value| !value.is_null()))
    }

    /// A string; empty is the same as absent, as it is in a Go struct.
    pub(super) fn string(&mut self, key: &str) -> Result<Option<String>, BadField> {
        match self.value(key)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(other) => Err(BadField::new(self.field(key), &other, "expected a string")),
        }
    }

    /// A boolean, false if absent.
    pub(super) fn boolean(&mut self, key: &str) -> Result<bool, BadField> {
        match self.value(key)? {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(other) => Err(BadField::new(self.field(key), &other, "expected true or false")),
        }
    }

    /// A boolean that may be absent.
    pub(super) fn optional_boolean(&mut self, key: &str) -> Result<Option<bool>, BadField> {
        match self.value(key)? {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(BadField::new(self.field(key), &other, "expected true or false")),
        }
    }

    /// The same, where `on` and `off` are words for it too.
    pub(super) fn switch(&mut self, key: &str) -> Result<Option<bool>, BadField> {
        match self.value(key)? {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(Value::String(word)) if word == "on" => Ok(Some(true)),
            Some(Value::String(word)) if word == "off" => Ok(Some(false)),
            Some(other) => Err(BadField::new(
                self.field(key),
                &other,
                "expected true or false, or on or off",
            )),
        }
    }

    /// One of a few words; `None` if absent or empty.
    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, BadField> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            BadField::new(
                self.field(key),
                &text.into(),
                format!("expected {}", names.join(" or ")),
            )
        })
    }

    /// A list of strings, empty if absent.
    pub(super) fn strings(&mut self, key: &str) -> Result<Vec<Item>, BadField> {
        self.list(key, |value| match value {
            Value::String(text) => Ok(text),
            // What YAML takes for a number may be none: `10e2`, `0x8086`.
            Value::Number(_) | Value::Bool(_) => Err((value, "expected a string (put it in quotes)")),
            other => Err((other, "expected a string")),
        })
    }

    /// A list of numbers or of strings that may hold more than a number.
    pub(super) fn scalars(&mut self, key: &str) -> Result<Vec<Item>, BadField> {
        self.list(key, |value| match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            other => Err((other, "expected a number or a string")),
        })
    }

    fn list(
        &mut self,
        key: &str,
        read: impl Fn(Value) -> Result<String, (Value, &'static str)>,
    ) -> Result<Vec<Item>, BadField> {
        let items = match self.value(key)? {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                let expected = "expected a list of strings";
                return Err(BadField::new(self.field(key), &other, expected));
            }
        };
        let item = |(index, value)| {
            let field = format!("{}[{index}]", self.field(key));
            match read(value) {
                Ok(text) => Ok(Item { field, text }),
                Err((value, expected)) => Err(BadField::new(field, &value, expected)),
            }
        };
        items.into_iter().enumerate().map(item).collect()
    }

    /// The fields that nobody asked for.
    pub(super) fn unknown(self) -> Vec<UnknownField> {
        let Self { at, fields } = self;
        let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
        fields
            .map(|(key, value)| UnknownField {
                field: path(&at, &key),
                key,
                value,
            })
            .collect()
    }
}

fn path(at: &str, key: &str) -> String {
    if at.is_empty() {
        key.to_owned()
    } else {
        format!("{at}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_match_in_any_case_and_null_is_absent() {
        let mut object = Object::new("s", json!({"VENDORS": ["8086"], "drivers": null, "Extra": 1})).unwrap();
        assert_eq!(object.strings("vendors").unwrap()[0].text, "8086");
        assert!(object.strings("drivers").unwrap().is_empty());
        let unknown: Vec<String> = object.unknown().into_iter().map(|unknown| unknown.field).collect();
        assert_eq!(unknown, ["s.Extra"]);
    }

    #[test]
    fn wrong_types_are_named() {
        let mut object = Object::new("", json!({"a": "true", "b": 1, "c": "x", "d": [1]})).unwrap();
        let errors = [
            object.boolean("a").unwrap_err(),
            object.string("b").unwrap_err(),
            object.strings("c").unwrap_err(),
            object.strings("d").unwrap_err(),
        ];
        assert_eq!(
            errors.map(|error| error.to_string()),
            [
                "a is \"true\": expected true or false",
                "b is 1: expected a string",
                "c is \"x\": expected a list of strings",
                "d[0] is 1: expected a string (put it in quotes)",
            ]
        );
    }

    #[test]
    fn two_spellings_of_a_key_are_refused() {
        let mut object = Object::new("", json!({"name": "a", "Name": "b"})).unwrap();
        assert!(object.string("name").unwrap_err().expected.contains("Name, name"));
    }
}
