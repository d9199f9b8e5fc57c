//! The CDI spec of a claim: its devices under names of its own, so that no runtime takes one for another claim's.
//!
//! Contract: CDI 0.5.0, as the specs of pools. The kind is the driver's, `DRIVER/claim`; a spec's file is called after its claim,
//! in a way that no spec of a pool is.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cdi::{VERSION, edits};
use super::{Document, Node, document};

const CLASS: &str = "claim";
const BEGIN: &str = "hardwire-claim-";
const END: &str = ".json";

/// A device of a claim.
#[derive(Debug, Clone)]
pub struct ClaimDevice<'a> {
    /// Its name in the API.
    pub name: &'a str,
    /// Its id.
    pub id: String,
    /// The resource of its pool.
    pub resource: &'a str,
    /// What a container gets with it.
    pub nodes: Vec<Node>,
}

/// What the runtime knows a device of a claim by.
pub fn qualified(driver: &str, uid: &str, device: &str) -> String {
    format!("{driver}/{CLASS}={uid}_{device}")
}

/// Where the spec of a claim is.
pub fn path(folder: &Path, uid: &str) -> PathBuf {
    folder.join(format!("{BEGIN}{uid}{END}"))
}

/// The specs of claims in a folder, with the claims' uids.
pub fn all(folder: &Path) -> Vec<(String, PathBuf)> {
    let uid = |name: String| {
        let uid = name.strip_prefix(BEGIN)?.strip_suffix(END)?.to_owned();
        Some((uid, folder.join(name)))
    };
    document::names(folder).into_iter().filter_map(uid).collect()
}

/// The spec of a claim; none without devices, which no spec may be.
pub fn spec(folder: &Path, driver: &str, uid: &str, devices: &[ClaimDevice<'_>]) -> Option<Document> {
    let device = |device: &ClaimDevice<'_>| {
        json!({
            "name": format!("{uid}_{}", device.name),
            "containerEdits": edits(device.resource, &device.id, &device.nodes),
        })
    };
    let devices: Vec<Value> = devices.iter().map(device).collect();
    let spec = json!({"cdiVersion": VERSION, "kind": format!("{driver}/{CLASS}"), "devices": devices});
    (!devices.is_empty()).then(|| Document {
        path: path(folder, uid),
        content: spec.to_string(),
    })
}

/// Removes a document of a claim, if it is there.
pub fn remove(path: &Path) {
    document::remove(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claims_devices_have_names_that_no_other_claim_has() {
        let folder = tempfile::tempdir().unwrap();
        let devices = |nodes: Vec<Node>| {
            [ClaimDevice {
                name: "0000-3b-02-1",
                id: "0000:3b:02.1".to_owned(),
                resource: "intel.com/vfs",
                nodes,
            }]
        };
        let spec = |nodes| spec(folder.path(), "hardwire.dev", "c-1", &devices(nodes)).unwrap();
        let made: Value = serde_json::from_str(&spec(vec![Node::at("/dev/vfio/7")]).content).unwrap();
        let expected = json!({"cdiVersion": "0.5.0", "kind": "hardwire.dev/claim", "devices": [{
            "name": "c-1_0000-3b-02-1",
            "containerEdits": {"deviceNodes": [{"path": "/dev/vfio/7", "hostPath": "/dev/vfio/7", "permissions": "rw"}]},
        }]});
        assert_eq!(made, expected);
        assert_eq!(
            qualified("hardwire.dev", "c-1", "0000-3b-02-1"),
            "hardwire.dev/claim=c-1_0000-3b-02-1"
        );
        let plain: Value = serde_json::from_str(&spec(Vec::new()).content).unwrap();
        let edits = &plain["devices"][0]["containerEdits"];
        assert_eq!(*edits, json!({"env": ["HARDWIRE_0000_3B_02_1=intel.com/vfs"]}));
        spec(Vec::new()).ensure().unwrap();
        assert_eq!(all(folder.path()), [("c-1".to_owned(), path(folder.path(), "c-1"))]);
        remove(&path(folder.path(), "c-1"));
        assert_eq!(all(folder.path()), []);
        assert!(super::spec(folder.path(), "hardwire.dev", "c-1", &[]).is_none());
    }
}
