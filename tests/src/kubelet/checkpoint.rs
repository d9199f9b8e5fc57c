//! The device checkpoint, as `writeCheckpoint` of the kubelet's device manager writes it: whole, root's only, and before the pod
//! has a sandbox.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::Shared;

const FILE: &str = "kubelet_internal_checkpoint";

/// The uid of a pod, `namespace/name`.
pub fn uid_of(pod: &str) -> String {
    format!("uid-of-{}", pod.replace('/', "-"))
}

/// Writes what pods hold.
pub(super) fn write(shared: &Shared) {
    let state = shared.state.borrow();
    let entries: Vec<Value> = state
        .allocations
        .iter()
        .map(|held| {
            json!({"PodUID": uid_of(&held.pod), "ContainerName": held.container, "ResourceName": held.resource,
                   "DeviceIDs": {"-1": held.devices}, "AllocResp": ""})
        })
        .collect();
    let checkpoint = json!({"Data": {"PodDeviceEntries": entries, "RegisteredDevices": {}}, "Checksum": 1});
    let directory = shared.plugin_directory();
    let temporary = directory.join(format!(".{FILE}.tmp"));
    let written = fs::write(&temporary, checkpoint.to_string())
        .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600)))
        .and_then(|()| fs::rename(&temporary, directory.join(FILE)));
    if let Err(error) = written {
        shared.tell(&format!("checkpoint: {error}"));
    }
}
