//! What the fuzz targets beside this crate (`fuzz/`) give their inputs to. Each takes any bytes, and panics where the crate
//! does what it must not.
#![allow(clippy::expect_used, reason = "what a target stands on fails it where it fails")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hardwire_proto::deviceplugin::{AllocateRequest, PreferredAllocationRequest};
use hardwire_proto::podresources::ListPodResourcesResponse;
use prost::Message;
use serde_json::Value;

use crate::ask::fix::Fix;
use crate::config::manifest::Manifest;
use crate::config::{Config, Defaults};
use crate::events::DevicePath;
use crate::ledger::podresources::Held;

/// Takes an input.
pub type Target = fn(&[u8]);

/// All of them, by their names.
pub const TARGETS: &[(&str, Target)] = &[
    ("cdi_spec", cdi_spec),
    ("datagrams", datagrams),
    ("grpc_messages", grpc_messages),
    ("network_list", network_list),
    ("pool_configuration", pool_configuration),
    ("questions", questions),
    ("uevent_path", uevent_path),
];

/// The file with the pools, JSON or YAML, or a manifest around it. What is refused is said in one line.
pub fn pool_configuration(input: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    if let Some(manifest) = Manifest::find(&text) {
        drop(manifest.contents("file"));
    }
    let defaults = Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/var/lib/kubelet/device-plugins".into(),
    };
    match Config::from_text("file", text, &defaults) {
        Ok(config) => {
            for pool in &config.pools {
                let name = pool.resource.to_string();
                assert!(name.contains('/') && !name.chars().any(char::is_control), "{name}");
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

/// What the kubelet sends.
pub fn grpc_messages(input: &[u8]) {
    drop(AllocateRequest::decode(input));
    drop(PreferredAllocationRequest::decode(input));
    let Ok(answer) = ListPodResourcesResponse::decode(input) else {
        return;
    };
    let pods = answer.pod_resources.len();
    let held = Held::from(answer);
    assert!(held.has_pods() == (pods > 0));
    for (id, holder) in held.iter() {
        assert!(held.runs(&holder.namespace, &holder.pod) && held.holder(id).is_some());
    }
}

/// Where the kernel says that something happened.
pub fn uevent_path(input: &[u8]) {
    if let Some(path) = DevicePath::of(Path::new(OsStr::from_bytes(input))) {
        drop(format!("{path:?}"));
    }
}

/// What the plugin tells: reports and announcements. No line of the log is made of two.
pub fn datagrams(input: &[u8]) {
    if let Ok(report) = crate::telemetry::reports::read(input) {
        let line = format!("{} {} {} {report}", report.network, report.container, report.ifname);
        assert!(!line.contains('\n'), "{line:?}");
    }
    drop(crate::ask::announcements::read(input));
}

/// What the plugin and operators ask.
pub fn questions(input: &[u8]) {
    drop(crate::ask::pods::request(input));
    drop(String::from_utf8_lossy(input).parse::<Fix>());
}

/// The default network's list: with our entry it is a list that has it, and without it again the one before.
pub fn network_list(input: &[u8]) {
    crate::commands::chain::chained_and_unchained(&String::from_utf8_lossy(input));
}

/// A CDI specification of ours, which somebody may have changed.
pub fn cdi_spec(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for edits in crate::container::devices_of_spec(&text, "intel.com/vfs").values() {
        assert!(matches!(edits, Value::Object(_)));
    }
}

#[cfg(test)]
#[path = "../../pci/fuzz/bounds.rs"]
mod bounds;
#[cfg(test)]
#[path = "../../pci/fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: bounds::Counting = bounds::Counting;

    #[test]
    fn what_the_fuzzer_found_stays_mended() {
        replay::replay(env!("CARGO_MANIFEST_DIR"), TARGETS);
    }
}
