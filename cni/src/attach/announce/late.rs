//! An announcement that waits for the carrier, given to the daemon as one datagram (`unix(7)`), so that no ADD waits.
//!
//! The daemon looks again and again by the namespace's path: a socket that listened inside would keep the namespace alive, and
//! with it the device, after its pod has ended.

use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::tell;
use crate::netns::{Netns, NetnsIdentity};

/// Name of the daemon's socket in the state directory.
pub const ANNOUNCEMENTS: &str = "announcements.sock";

/// What is to be announced, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateAnnouncement {
    /// Layout of the datagram.
    pub version: u32,
    /// `CNI_NETNS`.
    pub netns_path: String,
    /// Which namespace is to be there.
    pub netns: NetnsIdentity,
    /// The interface's name there.
    pub ifname: String,
    /// Its index there.
    pub index: u32,
    /// The pod's addresses on it.
    pub addresses: Vec<IpAddr>,
    /// The kernel took `arp_notify`.
    pub kernel_announces: bool,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The neighbours were told.
    Told,
    /// There is no carrier yet.
    Early,
    /// There is nothing to announce any more.
    Over(String),
}

// === impl LateAnnouncement ===

impl LateAnnouncement {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;

    /// Gives it to whoever listens in `state`, the state directory; tells whether somebody does.
    pub(super) fn give(&self, state: &Path) -> bool {
        let given = UnixDatagram::unbound().and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(&serde_json::to_vec(self)?, state.join(ANNOUNCEMENTS))
        });
        given
            .inspect_err(|error| tracing::debug!("the daemon does not announce: {error}"))
            .is_ok()
    }

    /// Announces, if the carrier is there.
    pub fn attempt(&self) -> Tried {
        let over = |why: &dyn std::fmt::Display| Tried::Over(why.to_string());
        let mut pod = match Netns::open(&self.netns_path).and_then(Netns::enter) {
            Ok(pod) if pod.identity == self.netns => pod,
            Ok(_another) => return over(&"another namespace is there now"),
            Err(error) => return over(&error),
        };
        let link = match pod.socket.link_by_index(self.index) {
            Ok(Some(link)) if link.name == self.ifname => link,
            Ok(_) => return over(&"the interface is gone"),
            Err(error) => return over(&error),
        };
        if !(link.flags.is_up() && link.flags.has_carrier()) {
            return Tried::Early;
        }
        match tell(
            &pod.netns,
            &mut pod.socket,
            &link,
            &self.addresses,
            self.kernel_announces,
        ) {
            Ok(()) => Tried::Told,
            Err(error) => over(&error),
        }
    }
}
