//! The record decides what a DEL releases, nothing that is owed is forgotten, and whoever
//! comes next waits for a holder on its way out instead of failing.
//!
//! Runs anywhere as root, in namespaces of its own, on veth.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod ending;
mod leases;
mod other_version;
mod the_record_decides;

use std::fs;
use std::path::{Path, PathBuf};

use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

const NETWORK: &str = "net-a";

/// A configuration with addresses of host-local.
fn with_addresses(scene: &Scene) -> Value {
    json!({"mtu": 1300, "ipam": scene.plugin.host_local("10.60.0.0/24")})
}

/// The one file of a folder of the state directory with this extension.
fn one_file(folder: &Path, extension: &str) -> PathBuf {
    let mut files = files(folder, extension);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort_unstable();
    files
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// Changes a JSON file.
fn change(path: &Path, changed: impl FnOnce(&mut Value)) {
    let mut value = read(path);
    changed(&mut value);
    fs::write(path, value.to_string()).expect("a file");
}
