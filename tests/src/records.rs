//! Records of the journal, for tests that need no ADD to have one.

use hardwire_cni::journal::{Owner, Record, Step};
use hardwire_cni::netns::NetnsIdentity;

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
