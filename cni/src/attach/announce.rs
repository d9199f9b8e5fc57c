//! Telling the neighbours where the pod's addresses are now: gratuitous ARP and unsolicited neighbour advertisements.
//!
//! A link that has its carrier when it goes up is announced by the kernel for IPv4 (`arp_notify`). Where the carrier comes
//! later that packet is lost, and is sent again when it is there. IPv6 addresses are announced here in any case. Contract:
//! RFC 5227 section 3, RFC 4861 section 7.2.6. A courtesy: what fails is logged and nothing more.

mod advertisement;
mod arp;

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hardwire_pci::netlink::{Group, Link, NetlinkError, Socket, Watch};
use hardwire_pci::{IfName, MacAddr};

use crate::netns::Netns;
use crate::protocol::Success;

/// How long the carrier is waited for. Each is the most that an ADD is held up where none comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierBound {
    /// Nothing tells: as long as sriov-cni waits.
    Unknown,
    /// The PF has its carrier, and the VF follows in a moment.
    Expected,
    /// The VF was told to have none.
    Never,
}

impl CarrierBound {
    fn duration(self) -> Duration {
        match self {
            Self::Unknown => Duration::from_millis(200),
            Self::Expected => Duration::from_secs(2),
            Self::Never => Duration::ZERO,
        }
    }
}

/// Announces the addresses of `result`, as far as the kernel does not.
pub(super) fn announce(
    netns: &Netns,
    socket: &mut Socket,
    ifname: &IfName,
    index: u32,
    result: &Success,
    bound: CarrierBound,
) {
    let not_announced =
        |why: &dyn std::fmt::Display| tracing::info!(ifname = %ifname, "its addresses are not announced: {why}");
    let (link, late) = match carrier(netns, socket, index, bound.duration()) {
        Ok(Some(Carrier::AtOnce(link))) => (link, false),
        Ok(Some(Carrier::Late(link))) => (link, true),
        Ok(None) => return not_announced(&"there is no carrier"),
        Err(error) => return not_announced(&error),
    };
    let Some(mac) = link.mac().filter(|mac| *mac != MacAddr::ZERO && !mac.is_multicast()) else {
        return;
    };
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for ip in &result.ips {
        match ip.address.ip() {
            IpAddr::V4(address) if late => v4.push(address),
            IpAddr::V4(_) => {}
            IpAddr::V6(address) => v6.push(address),
        }
    }
    if v4.is_empty() && v6.is_empty() {
        return;
    }
    let sent = netns.run(|| -> io::Result<()> {
        if !v4.is_empty() {
            arp::send(index, mac, &v4)?;
        }
        Ok(advertisement::send(index, mac, &v6)?)
    });
    match sent {
        Ok(Ok(())) => {}
        Ok(Err(error)) => not_announced(&error),
        Err(error) => not_announced(&error),
    }
}

enum Carrier {
    AtOnce(Box<Link>),
    Late(Box<Link>),
}

/// Whether the link has its carrier; waits a moment for one that has not.
fn carrier(netns: &Netns, socket: &mut Socket, index: u32, bound: Duration) -> Result<Option<Carrier>, NetlinkError> {
    let mut running = || {
        socket
            .link_by_index(index)
            .map(|link| link.filter(|link| link.flags.is_running()))
    };
    if let Some(link) = running()? {
        return Ok(Some(Carrier::AtOnce(Box::new(link))));
    }
    let Ok(watch) = netns.run(|| Watch::open(Group::Links)) else {
        return Ok(None);
    };
    let mut watch = watch?;
    let deadline = Instant::now() + bound;
    loop {
        // Asked again after listening began: it may have come in between.
        if let Some(link) = running()? {
            return Ok(Some(Carrier::Late(Box::new(link))));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        watch.wait(left)?;
    }
}
