//! Kubernetes manifests, as configurations are kept before they are files on a node: a `ConfigMap` with the text of one in
//! a key, `config.json` in the manifests of sriov-network-device-plugin, or one key for each node.
//!
//! Contract: kubectl's reading of a file: documents between lines of `---`, each of them YAML or JSON, of JSON several
//! after each other too; `items` of a list's. Core v1: `data` of a `ConfigMap` maps keys to texts.

use std::fmt;

use serde_json::{Map, Value};

use super::document::{self, BadDocument};
use super::error::ConfigError;
use super::field_names::LIST;
use super::object::BadField;

/// The key that is mounted as /etc/pcidp/config.json.
const KEY: &str = "config.json";
/// The longest list in a message.
const SHOWN: usize = 8;

/// Objects of Kubernetes'.
#[derive(Debug)]
pub struct Manifest {
    objects: Vec<Map<String, Value>>,
    /// Documents of the file that are none of Kubernetes'.
    foreign: Vec<Value>,
    unreadable: Vec<Unreadable>,
}

/// A document that cannot be read.
#[derive(Debug)]
struct Unreadable {
    error: BadDocument,
    text: String,
}

/// What a manifest holds.
#[derive(Debug)]
pub struct Contents {
    /// The configurations, by where they are.
    pub configurations: Vec<Part>,
    /// Keys of their `ConfigMap`s that hold something else, and documents that cannot be read.
    pub ignored: Vec<String>,
}

/// The objects of one kind in a manifest.
#[derive(Debug)]
pub struct OfKind {
    /// At least one.
    pub objects: Vec<Map<String, Value>>,
    /// Documents that cannot be read, and are of no such kind.
    pub ignored: Vec<String>,
}

/// A configuration in a manifest.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The file, the object and the key.
    pub origin: String,
    /// The text of the key.
    pub text: String,
}

// === impl Manifest ===

impl Manifest {
    /// The objects in a text; `None` where there are none, and it may be a configuration.
    pub fn find(text: &str) -> Option<Self> {
        if !text.contains("apiVersion") {
            return None;
        }
        let mut manifest = Self {
            objects: Vec::new(),
            foreign: Vec::new(),
            unreadable: Vec::new(),
        };
        for document in documents(text) {
            match document {
                Ok(Value::Null) => {}
                Ok(Value::Object(object)) if is_object(&object) => manifest.add(object),
                Ok(other) => manifest.foreign.push(other),
                Err(unreadable) => manifest.unreadable.push(unreadable),
            }
        }
        (!manifest.objects.is_empty()).then_some(manifest)
    }

    fn add(&mut self, mut object: Map<String, Value>) {
        let kind_of_items = text(&object, "kind").and_then(|kind| kind.strip_suffix("List").map(str::to_owned));
        match (kind_of_items, object.remove("items")) {
            (Some(kind), Some(Value::Array(items))) => {
                for item in items {
                    let Value::Object(mut item) = item else { continue };
                    // In a `ConfigMapList` of the API server, the list's kind says it.
                    item.entry("kind").or_insert_with(|| kind.clone().into());
                    self.add(item);
                }
            }
            _ => self.objects.push(object),
        }
    }

    /// The objects in it, those of lists too.
    pub fn into_objects(self) -> Vec<Map<String, Value>> {
        self.objects
    }

    /// The configurations in it.
    pub fn contents(self, file: &str) -> Result<Contents, ConfigError> {
        let origin = file.to_owned();
        let found = self.found();
        let Self {
            objects,
            foreign,
            unreadable,
        } = self;
        if let Some(other) = foreign.first() {
            let expected = "expected an object with apiVersion and kind, as the others of the file";
            let field = BadField::new("a document", other, expected);
            return Err(ConfigError::Document { origin, field });
        }
        let mut contents = Contents {
            configurations: Vec::new(),
            ignored: Vec::new(),
        };
        for Unreadable { error: source, text } in unreadable {
            // It may be one with a configuration. The rest need not be as strict as this reader: kubectl's takes more.
            if text.contains("ConfigMap") || names_list(&text) {
                return Err(ConfigError::Text { origin, source });
            }
            contents.ignored.push(format!("{file}: a document is {source}"));
        }
        for object in objects.iter().filter(|object| is_config_map(object)) {
            let place = format!("{file}: {}", name(object));
            for (key, value) in data(object) {
                let origin = format!("{place}, {key}");
                let Value::String(text) = value else {
                    let field = BadField::new(format!("data.{key}"), value, "expected a text (after the key, |)");
                    return Err(ConfigError::Document { origin: place, field });
                };
                if is_configuration(key, text) {
                    let text = text.clone();
                    contents.configurations.push(Part { origin, text });
                } else {
                    contents.ignored.push(format!("{origin}: no resourceList in it"));
                }
            }
        }
        if contents.configurations.is_empty() {
            return Err(ConfigError::NoConfiguration { origin, found });
        }
        Ok(contents)
    }

    /// The objects of a kind in a text.
    pub fn all_of_kind(text: &str, file: &str, kind: &'static str) -> Result<OfKind, ConfigError> {
        let origin = || file.to_owned();
        let Some(manifest) = Self::find(text) else {
            // What is wrong with the first document is why there are none.
            let unreadable = documents(text).into_iter().find_map(Result::err);
            let none = |error: Unreadable| ConfigError::Text {
                origin: origin(),
                source: error.error,
            };
            return Err(unreadable.map_or_else(|| no_object(file, kind, "no Kubernetes object"), none));
        };
        let found = shortened(manifest.objects.iter().map(name));
        let mut ignored = Vec::new();
        for Unreadable { error: source, text } in manifest.unreadable {
            if text.contains(kind) {
                return Err(ConfigError::Text {
                    origin: origin(),
                    source,
                });
            }
            ignored.push(format!("{file}: a document is {source}"));
        }
        let is_wanted = |object: &Map<String, Value>| self::text(object, "kind") == Some(kind);
        let objects: Vec<_> = manifest.objects.into_iter().filter(is_wanted).collect();
        if objects.is_empty() {
            return Err(no_object(file, kind, &found));
        }
        Ok(OfKind { objects, ignored })
    }

    /// All objects, with the keys of a `ConfigMap`.
    fn found(&self) -> String {
        let objects = self.objects.iter().map(|object| {
            let keys: Vec<&str> = data(object).map(|(key, _)| key.as_str()).collect();
            match (is_config_map(object), keys.is_empty()) {
                (true, true) => format!("{} without data", name(object)),
                (true, false) => format!("{} with {}", name(object), shortened(keys.into_iter())),
                (false, _) => name(object),
            }
        });
        shortened(objects)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shortened(self.objects.iter().map(name)))
    }
}

fn no_object(file: &str, kind: &'static str, found: &str) -> ConfigError {
    ConfigError::NoObject {
        origin: file.to_owned(),
        found: found.to_owned(),
        kind,
    }
}

/// The documents of a file.
fn documents(text: &str) -> Vec<Result<Value, Unreadable>> {
    let mut documents = Vec::new();
    let (mut document, mut line_of) = (String::new(), 0);
    for (number, line) in text.lines().enumerate() {
        // A text within a document is indented.
        let separates = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.trim().is_empty() || rest.starts_with(" #"));
        if separates {
            read(&document, line_of, &mut documents);
            (document, line_of) = (String::new(), number + 1);
        } else {
            document.push_str(line);
            document.push('\n');
        }
    }
    read(&document, line_of, &mut documents);
    documents
}

/// Reads a document that begins at a line, which messages shall tell.
fn read(document: &str, line: usize, documents: &mut Vec<Result<Value, Unreadable>>) {
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if document.lines().all(is_blank) {
        return;
    }
    let text = document;
    let unreadable = |error| Unreadable {
        error,
        text: text.to_owned(),
    };
    let placed = "\n".repeat(line) + document;
    if document.trim_start().starts_with('{') {
        let values = serde_json::Deserializer::from_str(&placed).into_iter::<Value>();
        documents.extend(values.map(|value| value.map_err(|error| unreadable(error.into()))));
    } else {
        let read = document::read(&placed);
        documents.push(read.map(|document| document.value).map_err(unreadable));
    }
}

/// Whether it is one of Kubernetes': a configuration has neither, and its list would make it one.
fn is_object(object: &Map<String, Value>) -> bool {
    text(object, "kind").is_some() && text(object, "apiVersion").is_some() && !has_list(object)
}

fn has_list(object: &Map<String, Value>) -> bool {
    object.keys().any(|key| key.eq_ignore_ascii_case(LIST))
}

fn is_config_map(object: &Map<String, Value>) -> bool {
    text(object, "kind") == Some("ConfigMap")
}

/// Whether a key holds a configuration, be it a broken one.
fn is_configuration(key: &str, text: &str) -> bool {
    match document::read(text) {
        Ok(document) => key == KEY || document.value.as_object().is_some_and(has_list),
        Err(_) => key == KEY || names_list(text),
    }
}

fn names_list(text: &str) -> bool {
    text.to_ascii_lowercase().contains(&LIST.to_ascii_lowercase())
}

fn data(object: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    object.get("data").and_then(Value::as_object).into_iter().flatten()
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

/// `ConfigMap kube-system/sriovdp-config`.
fn name(object: &Map<String, Value>) -> String {
    let kind = text(object, "kind").unwrap_or("an object without kind");
    let metadata = object.get("metadata").and_then(Value::as_object);
    let field = |key| metadata.and_then(|metadata| text(metadata, key));
    match (field("namespace"), field("name").or_else(|| field("generateName"))) {
        (Some(namespace), Some(name)) => format!("{kind} {namespace}/{name}"),
        (None, Some(name)) => format!("{kind} {name}"),
        (_, None) => format!("{kind} without name"),
    }
}

fn shortened(names: impl Iterator<Item = impl fmt::Display>) -> String {
    let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
    let left_out = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if left_out > 0 {
        names.push(format!("{left_out} more"));
    }
    names.join(", ")
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
