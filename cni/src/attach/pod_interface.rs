//! The device's interface in the pod, as the steps after the move know it.

use std::path::Path;
use std::time::Duration;

use hardwire_pci::IfName;
use hardwire_pci::netlink::Socket;

use crate::netns::{Netns, NetnsIdentity};

/// The device's interface in the pod.
#[derive(Debug)]
pub struct PodInterface<'a> {
    /// The pod's namespace.
    pub netns: &'a Netns,
    /// What that is recognised by.
    pub identity: NetnsIdentity,
    /// The state directory, where a daemon listens.
    pub state: &'a Path,
    /// A socket in it.
    pub socket: &'a mut Socket,
    /// Its name there.
    pub ifname: &'a IfName,
    /// Its index there.
    pub index: u32,
    /// How long its carrier is waited for.
    pub carrier: CarrierBound,
}

/// How long the carrier is waited for. Each is the most that an ADD is held up where none comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierBound {
    /// Nothing tells: as long as sriov-cni waits.
    Unknown,
    /// The PF has its carrier, and the VF follows in a moment.
    Expected,
    /// The PF has none: as long as if nothing told, for both may be on their way.
    Absent,
    /// The VF was told to have none, or its PF is down.
    Never,
}

impl CarrierBound {
    /// How long that is.
    pub(super) fn duration(self) -> Duration {
        match self {
            Self::Unknown | Self::Absent => Duration::from_millis(200),
            Self::Expected => Duration::from_secs(2),
            Self::Never => Duration::ZERO,
        }
    }
}
