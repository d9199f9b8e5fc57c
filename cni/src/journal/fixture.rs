//! Records for the tests of this crate.

use super::{Owner, Record, Step};
use crate::netns::NetnsIdentity;

impl Owner {
    /// A container of network `net-a`, in a namespace that nobody has.
    pub(crate) fn fixture(container_id: &str) -> Self {
        Self {
            network: "net-a".parse().unwrap(),
            container_id: container_id.parse().unwrap(),
            ifname: "net1".parse().unwrap(),
            netns_path: "/run/netns/pod1".to_owned(),
            netns: NetnsIdentity {
                cookie: Some(7),
                device: 4,
                inode: 4_026_532_000,
            },
        }
    }
}

impl Record {
    /// What an ADD without IPAM leaves, as far as everybody has it.
    pub(crate) fn fixture(device: &str, container_id: &str) -> Self {
        let owner = Owner::fixture(container_id);
        Self::new(device.parse().unwrap(), "1-1".to_owned(), owner, Step::Attached)
    }
}
