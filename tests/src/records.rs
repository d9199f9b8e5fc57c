//! Records: of the journal, for tests that need no ADD to have one, and of the idle state.

use std::fs;
use std::path::Path;

use hardwire_cni::journal::{Owner, Record, Step};
use hardwire_cni::netns::NetnsIdentity;
use serde_json::Value;

/// What an ADD of container `c1` in network `blue` leaves, of a namespace that nobody looks for before the daemon's grace is
/// over.
pub fn attached(device: &str) -> Record {
    let owner = Owner {
        network: "blue".parse().expect("a name"),
        container_id: "c1".parse().expect("an id"),
        ifname: "net1".parse().expect("a name"),
        netns_path: "/run/netns/pod1".to_owned(),
        netns: NetnsIdentity {
            cookie: Some(7),
            device: 4,
            inode: 4_026_532_000,
        },
    };
    Record::new(device.parse().expect("an id"), "1-1".to_owned(), owner, Step::Attached)
}

/// The idle record of a VF that the plugin would go by, in the state directory's folder of them.
pub fn idle(folder: &Path, id: &str) -> Option<Value> {
    let text = fs::read_to_string(folder.join(format!("{id}.json"))).ok()?;
    let record: Value = serde_json::from_str(&text).ok()?;
    let pf = record["vf"]["pf"].as_str()?;
    let generation = fs::read_to_string(folder.join(format!("{pf}.generation"))).ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let counts = record["vf"]["generation"].as_u64() == generation.parse().ok() && record["boot"] == boot.trim();
    counts.then_some(record)
}
