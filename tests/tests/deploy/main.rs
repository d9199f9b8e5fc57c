//! deploy/: what `kubectl apply -k` would apply, as far as it can be judged without a cluster, the daemon run as it says, and what a
//! node is given; beside it what hack/vm refuses, on which the cluster is built.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod arguments;
mod claims;
mod cluster;
mod dashboard;
mod definitions;
mod examples;
mod mounts;
mod overlays;
mod refusals;
mod rights;
mod unit;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What the base is made of.
const KINDS: [&str; 8] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CustomResourceDefinition",
    "DaemonSet",
    "ServiceAccount",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// A file of deploy/.
fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The one document of a file.
fn yaml(name: &str) -> Value {
    parse(name, &text(name))
}

/// All documents of a file, or of what a program printed.
fn documents(name: &str, text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|part| parse(name, part)).collect()
}

/// What `kubectl kustomize` makes of a folder of deploy/; `None` where there is no kubectl.
fn kustomized(folder: &str) -> Option<Vec<Value>> {
    let output = match Command::new("kubectl").arg("kustomize").arg(path(folder)).output() {
        Ok(output) => output,
        Err(error) => {
            // No macro, whose output the test harness keeps for itself.
            drop(writeln!(std::io::stderr(), "left out: kubectl kustomize: {error}"));
            return None;
        }
    };
    assert!(
        output.status.success(),
        "{folder}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    // What is deprecated is told there.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{folder}");
    Some(documents(folder, &String::from_utf8(output.stdout).unwrap()))
}

/// The one object of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

/// Every YAML file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.is_dir() {
            found.extend(files(&file));
        } else if file.extension().is_some_and(|extension| extension == "yaml") {
            found.push(file);
        }
    }
    found
}

fn parse(name: &str, text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn pod_spec() -> Value {
    yaml("base/daemonset.yaml")["spec"]["template"]["spec"].clone()
}

fn container() -> Value {
    pod_spec()["containers"][0].clone()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn every_file_says_what_it_is_and_why_it_exists() {
    let all = files(&path(""));
    for file in &all {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with("# "), "{name}: no comment at its head");
        for object in documents(&name, &text) {
            // A patch is part of an object.
            let keys: &[&str] = if name.ends_with(".patch.yaml") {
                &["spec"]
            } else {
                &["apiVersion", "kind"]
            };
            for key in keys {
                assert!(!object[*key].is_null(), "{name}: no {key}");
            }
        }
    }
    assert!(all.len() >= 20, "{} files", all.len());
}

#[test]
fn the_base_has_the_files_and_names_the_image() {
    let base = yaml("base/kustomization.yaml");
    // What kubectl 1.14 knew.
    let known = ["apiVersion", "kind", "namespace", "resources", "images"];
    for key in base.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{key}");
    }
    let resources = texts(&base["resources"]);
    for name in &resources {
        assert!(path(&format!("base/{name}")).is_file(), "{name}");
    }
    assert_eq!(texts(&yaml("kustomization.yaml")["resources"]), ["base"]);
    let spec = pod_spec();
    let containers = list(&spec["initContainers"]).iter().chain(list(&spec["containers"]));
    for container in containers {
        assert_eq!(container["image"], base["images"][0]["name"], "{}", container["name"]);
    }
    assert_eq!(list(&base["images"]).len(), 1);
    assert!(
        base["images"][0]["newTag"].is_string(),
        "a tag that is a number to YAML"
    );
}

#[test]
fn kubectl_builds_the_base() {
    let Some(objects) = kustomized("") else { return };
    let mut kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, KINDS);
    for kind in ["ConfigMap", "DaemonSet", "ServiceAccount"] {
        assert_eq!(
            of_kind(&objects, kind)["metadata"]["namespace"],
            "kube-system",
            "{kind}"
        );
    }
    let daemonset = of_kind(&objects, "DaemonSet");
    let image = &yaml("base/kustomization.yaml")["images"][0];
    let image = format!(
        "{}:{}",
        image["newName"].as_str().unwrap(),
        image["newTag"].as_str().unwrap()
    );
    let spec = &daemonset["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["image"], image.as_str());
    assert_eq!(spec["initContainers"][0]["image"], image.as_str());
}
