//! A NetworkAttachmentDefinition, and the configurations in it as the plugins get them.
//!
//! Contract: Multus 4: a configuration without `name` gets the object's; one with a `type` is one plugin, one with `plugins` a list;
//! the device of the pod's resource is written into each as `deviceID` and `pciBusID`. libcni: each of a list gets the list's
//! `name` and `cniVersion`.

use serde_json::{Map, Value};

use hardwire_cni::printable::excerpt;

/// What it is.
pub const KIND: &str = "NetworkAttachmentDefinition";
/// Of which group and version.
pub const API_VERSION: &str = "k8s.cni.cncf.io/v1";
/// The annotation that names the resource.
pub const RESOURCE: &str = "k8s.v1.cni.cncf.io/resourceName";
/// Stands for the device that a pod will have.
const SOME_DEVICE: &str = "0000:01:10.0";
/// As much of a value as a message quotes, bytes.
const QUOTED: usize = 256;

/// One plugin's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginConf {
    /// Where it is: `spec.config`, or a part of its list.
    pub place: String,
    /// Its `type`.
    pub kind: String,
    /// What the author wrote.
    pub written: Map<String, Value>,
    /// What the plugin gets.
    pub given: Map<String, Value>,
}

/// The name of an object, and where it says one, its namespace.
pub fn name(object: &Map<String, Value>) -> String {
    let field = |key: &str| metadata(object)?.get(key)?.as_str();
    match (field("namespace"), field("name")) {
        (Some(namespace), Some(name)) => format!("{KIND} {namespace}/{name}"),
        (None, Some(name)) => format!("{KIND} {name}"),
        (_, None) => format!("{KIND} without name"),
    }
}

/// `metadata`.
pub fn metadata(object: &Map<String, Value>) -> Option<&Map<String, Value>> {
    object.get("metadata")?.as_object()
}

/// The resource that it names; none where it names none.
pub fn resource(object: &Map<String, Value>) -> Option<&Value> {
    metadata(object)?.get("annotations")?.get(RESOURCE)
}

/// Whether the API server takes a name: RFC 1123's of a subdomain.
pub fn is_object_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-');
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The plugins of a configuration, or what nobody could make of it. `network` is the object's name; with a resource, Multus
/// will write its device into each.
pub fn plugins(config: &str, network: &str, with_resource: bool) -> Result<Vec<PluginConf>, String> {
    let place = "spec.config";
    let whole = serde_json::from_str(config).map_err(|error| format!("{place}: not JSON: {error}"))?;
    let Value::Object(mut whole) = whole else {
        return Err(wrong(place, &whole, "an object, with a type or a list of plugins"));
    };
    let name = match whole.get("name") {
        None => Value::from(network),
        Some(Value::String(name)) if name.is_empty() => Value::from(network),
        Some(Value::String(name)) => Value::from(name.as_str()),
        Some(other) => return Err(wrong("spec.config: name", other, "a text")),
    };
    whole.insert("name".to_owned(), name.clone());
    let make = |place: String, written: Map<String, Value>| {
        let kind = match written.get("type") {
            Some(Value::String(kind)) if !kind.is_empty() => kind.clone(),
            other => {
                let other = other.unwrap_or(&Value::Null);
                return Err(wrong(
                    &format!("{place}: type"),
                    other,
                    "the name of a plugin, as hardwire",
                ));
            }
        };
        let mut given = written.clone();
        if with_resource {
            for key in ["deviceID", "pciBusID"] {
                given.insert(key.to_owned(), SOME_DEVICE.into());
            }
        }
        Ok(PluginConf {
            place,
            kind,
            written,
            given,
        })
    };
    match whole.get("plugins") {
        Some(plugins) if whole.get("type").is_none_or(|kind| kind == "") => {
            let right = "a list of at least one plugin";
            let list = plugins.as_array().filter(|list| !list.is_empty());
            let list = list.ok_or_else(|| wrong("spec.config: plugins", plugins, right))?;
            let version = whole.get("cniVersion").cloned().unwrap_or_else(|| "".into());
            let each = list.iter().enumerate().map(|(index, plugin)| {
                let place = format!("{place}: plugins[{index}]");
                let plugin = plugin.as_object().ok_or_else(|| wrong(&place, plugin, "an object"))?;
                let mut conf = make(place, plugin.clone())?;
                conf.given.insert("name".to_owned(), name.clone());
                conf.given.insert("cniVersion".to_owned(), version.clone());
                Ok(conf)
            });
            each.collect()
        }
        _ => Ok(vec![make(place.to_owned(), whole)?]),
    }
}

/// What a field is, and what would be right.
pub(super) fn wrong(field: &str, value: &Value, right: &str) -> String {
    match value {
        Value::Null => format!("{field}: there is none: it must be {right}"),
        value => format!(
            "{field}: {} is not valid: it must be {right}",
            excerpt(&value.to_string(), QUOTED)
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_plugin_and_a_list_are_what_the_plugins_get() {
        let one = json!({"cniVersion": "1.0.0", "type": "hardwire", "vlan": 1});
        let read = plugins(&one.to_string(), "vfs", true).unwrap();
        assert_eq!(
            (read.len(), read[0].kind.as_str(), read[0].place.as_str()),
            (1, "hardwire", "spec.config")
        );
        let mut given = one.clone();
        for (key, value) in [("name", "vfs"), ("deviceID", SOME_DEVICE), ("pciBusID", SOME_DEVICE)] {
            given[key] = value.into();
        }
        assert_eq!(Value::Object(read[0].given.clone()), given);

        let list =
            json!({"cniVersion": "1.1.0", "name": "mine", "plugins": [{"type": "hardwire"}, {"type": "tuning"}]});
        let read = plugins(&list.to_string(), "vfs", false).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].place, "spec.config: plugins[1]");
        let given = json!({"cniVersion": "1.1.0", "name": "mine", "type": "hardwire"});
        assert_eq!(Value::Object(read[0].given.clone()), given);
    }

    #[test]
    fn what_nobody_could_make_sense_of_is_named() {
        for (config, said) in [
            ("{", "spec.config: not JSON: EOF"),
            ("[]", "spec.config: [] is not valid: it must be an object"),
            (
                r#"{"vlan": 1}"#,
                "spec.config: type: there is none: it must be the name of a plugin",
            ),
            (r#"{"type": 7}"#, "spec.config: type: 7 is not valid"),
            (r#"{"name": 7, "type": "x"}"#, "spec.config: name: 7 is not valid"),
            (r#"{"plugins": []}"#, "spec.config: plugins: [] is not valid"),
            (r#"{"plugins": {}}"#, "spec.config: plugins: {} is not valid"),
            (r#"{"plugins": [7]}"#, "spec.config: plugins[0]: 7 is not valid"),
            (r#"{"plugins": [{}]}"#, "spec.config: plugins[0]: type: there is none"),
        ] {
            let error = plugins(config, "n", true).unwrap_err();
            assert!(error.starts_with(said), "{config}: {error}");
        }
    }

    #[test]
    fn names_are_those_that_the_api_server_takes() {
        assert!(is_object_name("vfs-100.left") && is_object_name("7"));
        for name in ["", "Vfs", "a_b", "-a", "a.", &"x".repeat(254)] {
            assert!(!is_object_name(name), "{name}");
        }
    }
}
