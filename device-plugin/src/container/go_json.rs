//! JSON as Go's encoding/json writes it: compact, and with the characters that mean something to HTML or JavaScript
//! escaped. Consumers of the `_INFO` variable compare it as text.

use serde::Serialize;

/// The JSON text of a value. Maps come in the order of their type; use a `BTreeMap`, since Go sorts.
pub(crate) fn to_string(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string(value)?;
    // None of these has a meaning outside of strings, so the text can be taken as a whole.
    let mut text = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::to_string;

    #[test]
    fn it_is_compact_sorted_and_escaped_as_go_does() {
        let map = BTreeMap::from([("b", "<x>&\u{2028}"), ("a", "é\"\n")]);
        assert_eq!(
            to_string(&map).unwrap(),
            r#"{"a":"é\"\n","b":"\u003cx\u003e\u0026\u2028"}"#
        );
    }
}
