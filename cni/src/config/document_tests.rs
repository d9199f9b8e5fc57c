//! What is kept of a text, and where reading ends.

use serde_json::json;

use super::*;

fn read(text: &str) -> Result<Document, DocumentError> {
    Document::read(text.as_bytes(), Bounds::CALL)
}

#[test]
fn known_keys_are_kept_as_they_are_and_others_dropped() {
    let text = r#"{"name":"a","NAME":"b","name":"c","x":[{"y":[1,2.5,-3,null,true,"\u001b"]}],"vlan":7,
                   "ipam":{"TYPE":"static","addresses":[{"address":"10.0.0.1/8"}]},"prevResult":{"ips":[{"a":[]}]}}"#;
    let document = read(text).unwrap();
    let kept =
        json!({"name": "c", "NAME": "b", "vlan": 7, "ipam": {"TYPE": "static"}, "prevResult": {"ips": [{"a": []}]}});
    assert_eq!(Value::Object(document.fields), kept);
    assert_eq!(document.strangers, ["x"]);
    assert!(read("null").unwrap().fields.is_empty());
}

#[test]
fn what_is_no_object_of_json_is_no_configuration() {
    for text in [
        "",
        "[]",
        "1",
        "\"x\"",
        "true",
        "{",
        "{\"a\":}",
        "{\"a\":1}x",
        "{\"a\":[1,]}",
        "{\"a\":01}",
        "{\"a\":\"\n\"}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":nul}",
        "{\"a\":\"\\x\"}",
        "{\"a\":[}]}",
    ] {
        let error = CniError::from(read(text).unwrap_err());
        assert_eq!(error.code, code::DECODE, "{text}");
        assert!(error.msg.starts_with("error unmarshall network config: "), "{error}");
    }
}

#[test]
fn rule_9_size_depth_and_values_have_a_bound_and_foreign_keys_are_free() {
    let of_bytes = |bytes: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(bytes - 8));
    assert!(read(&of_bytes(Bounds::CALL.bytes)).is_ok());
    let error = CniError::from(read(&of_bytes(Bounds::CALL.bytes + 1)).unwrap_err());
    assert!(
        error.code == code::CONFIG && error.msg.contains("262145 bytes") && error.msg.contains("262144"),
        "{error}"
    );

    for key in ["x", "dns"] {
        let nested = |levels: usize| format!("{{\"{key}\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(63)).is_ok());
        assert!(matches!(read(&nested(64)), Err(DocumentError::TooDeep)));
        assert!(matches!(read(&nested(100_000)), Err(DocumentError::TooDeep)));
        let objects = format!("{{\"{key}\":{}1", "{\"a\":".repeat(50_000));
        assert!(matches!(read(&objects), Err(DocumentError::TooDeep)));
    }

    let many = |key: &str, count: usize| format!("{{\"{key}\":[{}0]}}", "0,".repeat(count - 2));
    assert!(read(&many("dns", Bounds::CALL.values)).is_ok());
    assert!(matches!(
        read(&many("dns", Bounds::CALL.values + 1)),
        Err(DocumentError::TooMany { bound: 3072 })
    ));
    assert!(read(&many("x", 100_000)).is_ok());
    let keys: Vec<String> = (0..20_000).map(|n| format!("\"k{n}\":0")).collect();
    let document = read(&format!("{{{},\"vlan\":1}}", keys.join(","))).unwrap();
    assert_eq!((document.fields.len(), document.strangers.len()), (1, STRANGERS));
    let long = "k".repeat(LONGEST_STRANGER + 1);
    assert!(read(&format!("{{\"{long}\":0}}")).unwrap().strangers.is_empty());
}

#[test]
fn a_number_that_no_type_holds_matters_where_it_means_something() {
    for text in [
        r#"{"name":"a","x":1e400}"#,
        r#"{"name":"a","x":{"y":[-1e400, 1e-400]}}"#,
        r#"{"name":"a","ipam":{"x":1e400}}"#,
    ] {
        assert_eq!(read(text).unwrap().fields["name"], "a", "{text}");
    }
    let error = CniError::from(read(r#"{"name":"a","mtu":1e400}"#).unwrap_err());
    assert!(
        error.code == code::DECODE && error.msg.contains("line 1 column 2"),
        "{error}"
    );
}

#[test]
fn what_is_no_utf_8_is_no_configuration_wherever_it_stands() {
    for text in [&b"{\"x\":\"\xff\"}"[..], b"{\"\xff\":1}", b"{\"name\":\"\xff\"}"] {
        let error = CniError::from(Document::read(text, Bounds::CALL).unwrap_err());
        assert!(error.code == code::DECODE && error.msg.contains("utf-8"), "{error}");
    }
}

#[test]
fn brackets_in_a_text_have_no_depth() {
    let brackets = "[{\\\"".repeat(1000);
    assert!(read(&format!("{{\"x\":\"{brackets}\",\"dns\":\"{brackets}\"}}")).is_ok());
}
