//! The text of a configuration: JSON, or YAML.
//!
//! What starts like JSON is JSON: as YAML, a comma too many or a missing quote would be read as something else.

use serde_json::Value;

use super::repeated_keys::{self, RepeatedKey};

/// A text that is one.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    /// Keys that JSON has more than once in one object. In YAML that is an error (YAML 1.2, 3.2.1.1).
    pub(super) repeated: Vec<RepeatedKey>,
}

/// A text that is neither.
#[derive(Debug, thiserror::Error)]
pub enum BadDocument {
    /// It starts like JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It does not.
    #[error("not JSON, and not YAML either: {0}")]
    Yaml(String),
}

pub(super) fn read(text: &str) -> Result<Document, BadDocument> {
    let mut repeated = Vec::new();
    let error = match repeated_keys::read(text, &mut repeated) {
        Ok(value) => return Ok(Document { value, repeated }),
        Err(error) => error,
    };
    if text.trim_start().starts_with(['{', '[', '"']) || text.trim().is_empty() {
        return Err(BadDocument::Json(error));
    }
    let value = serde_saphyr::from_str(text).map_err(|error| BadDocument::Yaml(first_line(&error)))?;
    match value {
        // Any text is YAML, then.
        Value::String(_) => Err(BadDocument::Json(error)),
        value => Ok(Document {
            value,
            repeated: Vec::new(),
        }),
    }
}

/// Where and why; the lines after it show the text, which a log has no room for.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, BadDocument> {
        super::read(text).map(|document| document.value)
    }

    #[test]
    fn yaml_and_json_are_the_same_document() {
        let yaml = "\
# Pools of this node.
resourceList:
  - resourceName: vfs
    selectors: &left
      vendors: ['8086', \"15b3\"]
      pfNames:
        - ens1#0-3
      IsRdma: false
    selectorObj: null
    additionalInfo:
      '*': {token: a}
  - resourceName: right
    selectors: *left
";
        let selectors = json!({"vendors": ["8086", "15b3"], "pfNames": ["ens1#0-3"], "IsRdma": false});
        let expected = json!({"resourceList": [
            {"resourceName": "vfs", "selectors": selectors, "selectorObj": null, "additionalInfo": {"*": {"token": "a"}}},
            {"resourceName": "right", "selectors": selectors},
        ]});
        assert_eq!(read(yaml).unwrap(), expected);
        assert_eq!(read(&expected.to_string()).unwrap(), expected);
        assert_eq!(read("resourceList: null").unwrap(), json!({"resourceList": null}));
        assert_eq!(read("vendors: [8086]").unwrap(), json!({"vendors": [8086]}));
    }

    #[test]
    fn errors_say_where() {
        for (text, expected) in [
            ("junk", "not JSON: expected value at line 1 column 1"),
            ("", "not JSON: EOF"),
            (" {\"resourceList\": [],}", "not JSON: trailing comma at line 1"),
            ("{resourceList: null}", "not JSON: key must be a string at line 1"),
            ("resourceList:\n  - a: [1\n", "not JSON, and not YAML either"),
            ("a: 1\na: 2\n", "not JSON, and not YAML either"),
            ("a: *unknown\n", "not JSON, and not YAML either"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text:?}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn aliases_do_not_fill_the_memory() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, of) in ('b'..='z').zip('a'..) {
            let list = vec![format!("*{of}"); 10].join(", ");
            bomb = format!("{bomb}{name}: &{name} [{list}]\n");
        }
        assert!(matches!(read(&bomb), Err(BadDocument::Yaml(_))));
    }
}
