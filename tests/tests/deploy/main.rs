//! deploy/: what `kubectl apply -k` would apply, as far as it can be judged without a cluster, and the daemon run as it says.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod arguments;
mod examples;
mod mounts;
mod rights;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

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

fn parse(name: &str, text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn pod_spec() -> Value {
    yaml("daemonset.yaml")["spec"]["template"]["spec"].clone()
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
fn every_file_is_one_object() {
    let mut seen = 0;
    for folder in [path(""), path("examples")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let name = file.display().to_string();
            let object = parse(&name, &std::fs::read_to_string(&file).unwrap());
            for key in ["apiVersion", "kind"] {
                assert!(object[key].is_string(), "{name}: no {key}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 6, "{seen} files");
}

#[test]
fn the_base_has_the_files_and_names_the_image() {
    let base = yaml("kustomization.yaml");
    // What kubectl 1.14 knew.
    let known = ["apiVersion", "kind", "namespace", "resources", "images"];
    for key in base.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{key}");
    }
    let resources = texts(&base["resources"]);
    for name in &resources {
        yaml(name);
    }
    assert!(!resources.iter().any(|name| name.contains("examples")), "{resources:?}");
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
    let built = Command::new("kubectl").arg("kustomize").arg(path("")).output();
    let output = match built {
        Ok(output) => output,
        Err(error) => return eprintln!("left out: kubectl kustomize: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let objects: Vec<Value> = text
        .split("\n---\n")
        .map(|part| parse("kubectl's output", part))
        .collect();
    let mut kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["ConfigMap", "DaemonSet", "ServiceAccount"]);
    for object in &objects {
        assert_eq!(object["metadata"]["namespace"], "kube-system", "{}", object["kind"]);
    }
    let daemonset = objects.iter().find(|object| object["kind"] == "DaemonSet").unwrap();
    let image = &yaml("kustomization.yaml")["images"][0];
    let image = format!(
        "{}:{}",
        image["newName"].as_str().unwrap(),
        image["newTag"].as_str().unwrap()
    );
    let spec = &daemonset["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["image"], image.as_str());
    assert_eq!(spec["initContainers"][0]["image"], image.as_str());
}
