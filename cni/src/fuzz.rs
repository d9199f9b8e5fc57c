//! What the fuzz targets beside this crate (`fuzz/`) give their inputs to. Each takes any bytes, and panics where the crate
//! does what it must not. Nothing outside a directory of their own is written.
#![allow(clippy::expect_used, reason = "what a target stands on fails it where it fails")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use hardwire_pci::DeviceId;
use hardwire_pci::netlink::Socket;
use serde_json::Value;

use crate::Context;
use crate::ask::Reply;
use crate::baseline::BaselineStore;
use crate::config::{Base, NetConf, PodConf, examine};
use crate::entitlement::CheckpointText;
use crate::journal::Journal;
use crate::leases::Leases;
use crate::node::{Findings, NodeConfig, Policies, our_entries};
use crate::printable::{printable, printable_json};
use crate::protocol::{CniArgs, CniError, Environment, SUPPORTED, Success};

/// Takes an input.
pub type Target = fn(&[u8]);

/// All of them, by their names.
pub const TARGETS: &[(&str, Target)] = &[
    ("addresses_in_process", addresses_in_process),
    ("baseline", baseline),
    ("environment", environment),
    ("journal_record", journal_record),
    ("kubelet_checkpoint", kubelet_checkpoint),
    ("network_configuration", network_configuration),
    ("node_files", node_files),
    ("replaced_plugins", replaced_plugins),
    ("result", result),
    ("what_the_daemon_answers", what_the_daemon_answers),
];

const DEVICE: &str = "0000:01:10.1";

/// An error is one document, whatever it quotes, and each of its lines is one.
fn is_fit_to_be_told(error: &CniError) {
    for version in SUPPORTED.map(Some).into_iter().chain([None]) {
        let text = error.to_json(version).to_string();
        assert!(
            !text.contains('\n') && serde_json::from_str::<Value>(&text).is_ok(),
            "{text}"
        );
    }
    let text = printable(&error.msg);
    assert!(!text.chars().any(char::is_control), "{text}");
}

/// stdin of ADD, CHECK, DEL and STATUS.
pub fn network_configuration(input: &[u8]) {
    let read = Base::parse(input).and_then(|base| {
        let version = base.required_version()?;
        drop(PodConf::parse(base.clone(), version));
        NetConf::parse(base, version, &CniArgs::default())
    });
    if let Err(error) = &read {
        is_fit_to_be_told(error);
    }
    let examined = examine(input);
    assert_eq!(read.is_ok(), examined.refused.is_empty() && examined.conf.is_some());
    drop(Base::parse_for_del(input));
    drop(Base::device_hint(input));
    drop(printable_json(&String::from_utf8_lossy(input)));
}

/// `NAME=VALUE`, with a zero byte after each: the process environment.
pub fn environment(input: &[u8]) {
    let mut variables = HashMap::new();
    for variable in input.split(|byte| *byte == 0) {
        let mut parts = variable.splitn(2, |byte| *byte == b'=');
        if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            variables.insert(name.to_vec(), OsString::from_vec(value.to_vec()));
        }
    }
    match Environment::read(|name| variables.get(name.as_bytes()).cloned()) {
        Err(error) => is_fit_to_be_told(&error),
        Ok(Some(environment)) => {
            let args = CniArgs::parse(&environment.raw_args);
            drop(args.get("K8S_POD_UID").map(str::to_owned));
            if let Ok(id) = environment.container_id() {
                assert!(
                    !id.as_str().contains(['/', '\0']) && !id.as_str().starts_with('.'),
                    "{id}"
                );
            }
            if let Ok(name) = environment.ifname() {
                assert!(!name.as_str().contains(['/', '%', '\0']), "{name}");
            }
        }
        Ok(None) => {}
    }
}

/// What an IPAM plugin printed, and prevResult: what is read of it can be written in every version, and read again.
pub fn result(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    for version in SUPPORTED {
        let Ok(read) = Success::from_json(&value, version) else {
            continue;
        };
        let Ok(written) = read.to_json(version) else { continue };
        let again = Success::from_json(&written, version);
        assert!(again.is_ok(), "{written}: {again:?}");
        let twice = again.and_then(|again| again.to_json(version));
        assert_eq!(twice.ok(), Some(written));
    }
}

fn in_a_directory(work: impl FnOnce(&Path)) {
    let directory = tempfile::tempdir().expect("a directory");
    work(directory.path());
}

fn put(path: &Path, content: &[u8]) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).expect("a directory");
    }
    fs::write(path, content).expect("a file");
}

/// The record of an attachment: one that is understood is written as what is understood to be the same.
pub fn journal_record(input: &[u8]) {
    in_a_directory(|state| {
        let (journal, leases) = (Journal::at(state), Leases::at(&state.join("leases")));
        put(&state.join(format!("attachments/{DEVICE}.json")), input);
        put(&state.join("leases/1-2.json"), input);
        drop((journal.all(), leases.all()));
        let device: DeviceId = DEVICE.parse().expect("a device");
        if let Ok(Some(record)) = journal.get(&device) {
            let written = serde_json::to_value(&record).expect("JSON");
            put(
                &state.join(format!("attachments/{DEVICE}.json")),
                written.to_string().as_bytes(),
            );
            let again = journal.get(&device).expect("its own writing").expect("a record");
            assert_eq!(serde_json::to_value(&again).expect("JSON"), written);
        }
    });
}

/// What a free device is like, and the generation of its PF's.
pub fn baseline(input: &[u8]) {
    in_a_directory(|state| {
        let (store, device): (_, DeviceId) = (BaselineStore::at(state), DEVICE.parse().expect("a device"));
        put(&state.join(format!("idle/{DEVICE}.json")), input);
        put(&state.join(format!("idle/{DEVICE}.generation")), input);
        drop((store.get(&device), store.all(), store.in_force(&device)));
    });
}

/// The kubelet's: who was given what. The quick look never says more than the whole.
pub fn kubelet_checkpoint(input: &[u8]) {
    in_a_directory(|directory| {
        let path = directory.join("kubelet_internal_checkpoint");
        put(&path, input);
        let Ok(Some(text)) = CheckpointText::read(&path) else {
            return;
        };
        let Ok(understood) = text.understood() else { return };
        for given in understood.all() {
            for device in &given.devices {
                assert!(understood.gave(&given.pod_uid, device));
                let _quick = text.gave(&given.pod_uid, device);
            }
        }
    });
}

/// What operator, daemon and runtime leave for the plugin to read.
pub fn node_files(input: &[u8]) {
    in_a_directory(|directory| {
        let path = directory.join("file.json");
        put(&path, input);
        drop(NodeConfig::read(&path));
        drop(Policies::read(&path));
        put(&directory.join("node.json"), input);
        drop(Findings::read(directory));
        put(&directory.join("net.d/10.conflist"), input);
        drop(our_entries(&directory.join("net.d"), "n"));
    });
}

/// sriov-cni's cache of an attachment whose namespace is gone.
pub fn replaced_plugins(input: &[u8]) {
    in_a_directory(|directory| {
        let path = |name: &str| Some(directory.join(name).into_os_string());
        let context = Context::read(|name| match name {
            "HARDWIRE_SYSFS_ROOT" => path("sys"),
            "HARDWIRE_STATE_DIR" => path("state"),
            "HARDWIRE_SRIOV_CNI_DIR" => path("sriov"),
            _ => path("none"),
        });
        put(&context.sriov_cni.join("c-net1"), input);
        put(
            &context.sriov_cni.join("pci").join(DEVICE),
            directory.join("gone").as_os_str().as_encoded_bytes(),
        );
        let environment = Environment::read(|name| match name {
            "CNI_COMMAND" => Some("DEL".into()),
            "CNI_CONTAINERID" => Some("c".into()),
            "CNI_IFNAME" => Some("net1".into()),
            "CNI_PATH" => Some("/nowhere".into()),
            _ => None,
        });
        let environment = environment.expect("an environment").expect("a command");
        let base =
            Base::parse_for_del(br#"{"cniVersion":"1.0.0","name":"n","type":"sriov"}"#).expect("a configuration");
        let mut host = Socket::open().expect("a socket");
        match crate::migration::find(&context, &environment, &base, &mut host) {
            Ok(Some(found)) => assert_eq!(found.record.device.to_string().parse(), Ok(found.record.device)),
            Ok(None) => {}
            Err(error) => is_fit_to_be_told(&error),
        }
    });
}

/// The daemon's word about a pod.
pub fn what_the_daemon_answers(input: &[u8]) {
    if let Ok(reply) = serde_json::from_slice::<Reply>(input) {
        let written = serde_json::to_vec(&reply).expect("JSON");
        let again: Reply = serde_json::from_slice(&written).expect("its own writing");
        assert_eq!(again, reply);
    }
}

/// host-local's and static's configuration: what is given is given back.
pub fn addresses_in_process(input: &[u8]) {
    in_a_directory(|directory| crate::ipam::in_process_gives_back(input, directory));
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
