//! YAML for people: block style, and texts of several lines as such.
//!
//! Contract: YAML 1.2, read by YAML 1.1 alike (go-yaml, PyYAML): what one of them could take for a number, a time or a
//! boolean is in quotes, `0000:01:10.0` too.

use hardwire_cni::printable::printable;
use serde_json::{Map, Value};

/// A document.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text
}

/// On lines of its own.
fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                text.extend([spaces(indent), scalar(key), ":".to_owned()]);
                after_key(text, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut lines = String::new();
                block(&mut lines, item, indent + 2);
                // The dash stands where its first line is indented.
                let first = lines.get(indent + 2..).unwrap_or_default();
                text.extend([&spaces(indent), "- ", first]);
            }
        }
        other => text.extend([&spaces(indent), &flow(other), "\n"]),
    }
}

fn after_key(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            block(text, value, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            block(text, value, indent);
        }
        Value::String(lines) if is_literal(lines) => {
            text.push_str(" |-\n");
            for line in lines.lines() {
                text.extend([&spaces(indent + 2), line, "\n"]);
            }
        }
        other => text.extend([" ", &flow(other), "\n"]),
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        other => other.to_string(),
    }
}

/// Whether lines stand for themselves as a literal block: each with something on it, the first without an indentation.
fn is_literal(text: &str) -> bool {
    let is_seen = |line: &str| !line.trim().is_empty() && line.chars().all(|c| !is_escaped(c));
    text.contains('\n') && !text.ends_with('\n') && !text.starts_with(' ') && text.split('\n').all(is_seen)
}

fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_escaped(c) => quoted.extend(format!("\\U{:08X}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn is_escaped(c: char) -> bool {
    let mut bytes = [0; 4];
    let text: &str = c.encode_utf8(&mut bytes);
    printable(text) != text
}

/// Whether a text is that text without quotes, whoever reads it.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let is_word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inner) && !is_word
}

fn spaces(indent: usize) -> String {
    " ".repeat(indent)
}

/// JSON on one line with a space where people write one.
pub fn spaced_json(value: &Value) -> String {
    let pair = |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), spaced_json(value));
    match value {
        Value::Object(fields) => format!("{{{}}}", joined(fields, pair)),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(spaced_json).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn joined(fields: &Map<String, Value>, pair: impl Fn((&String, &Value)) -> String) -> String {
    fields.iter().map(pair).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_read_as_what_it_was() {
        let value = json!({
            "device": "0000:01:10.0", "plain": "intel.com/vfs", "word": "on", "Yes": "NO", "number": "12e3", "empty": "",
            "none": null, "yes": true, "count": 7, "list": [], "object": {}, "key with: space": "a: b # c",
            "nested": [{"a": 1, "b": [1, "2", [3], {"c": {"d": "e"}}]}, [], {}, "x", null],
            "text": "{\n  \"a\": 1\n}", "ends": "a\n", "indented": " a\nb", "gap": "a\n\nb", "quote": "say \"\\\"",
            "control": "a\u{1b}[31m\u{85}\u{202e}\tb", "lines": "a\u{7f}\nb", "minus": "-1", "time": "12:30:45",
        });
        let text = document(&value);
        let read: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read, value, "{text}");
        assert!(text.lines().all(|line| printable(line) == line), "{text}");
    }

    #[test]
    fn it_looks_as_a_person_would_write_it() {
        let value = json!({"devices": [{"device": "0000:01:10.0", "pool": "intel.com/vfs"}], "spec": {"config": "{\n  \"a\": 1\n}"}});
        let expected = "\
devices:
- device: \"0000:01:10.0\"
  pool: intel.com/vfs
spec:
  config: |-
    {
      \"a\": 1
    }
";
        assert_eq!(document(&value), expected);
        assert_eq!(spaced_json(&json!({"a": [1, {"b": "c"}]})), r#"{"a": [1, {"b": "c"}]}"#);
    }
}
