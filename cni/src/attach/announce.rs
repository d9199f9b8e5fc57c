//! Telling the neighbours where the pod's addresses are now: gratuitous ARP and unsolicited neighbour advertisements.
//!
//! A link that has its carrier when it goes up is announced by the kernel for IPv4 (`arp_notify`). Where the carrier comes
//! later that packet is lost, and is sent again when it is there, by the daemon where one runs. IPv6 addresses are announced here in any case. Contract:
//! RFC 5227 section 3, RFC 4861 section 7.2.6. A courtesy: what fails is logged and nothing more.

mod advertisement;
mod arp;
mod late;

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hardwire_pci::MacAddr;
use hardwire_pci::netlink::{Link, NetlinkError, Socket, Watch};

use super::pod_interface::{CarrierBound, PodInterface};
use crate::kernel::{LinkChange, change_link};
use crate::netns::{Netns, NetnsError};
use crate::protocol::Success;

pub use late::{ANNOUNCEMENTS, LateAnnouncement, Tried};

/// Announces the addresses of `result`, as far as the kernel does not. `watch` listened to links since before the link
/// went up; `kernel_announces` tells whether the kernel took `arp_notify`. A carrier that is not there yet is waited for only
/// where no daemon does it ([`LateAnnouncement`]).
pub(super) fn announce(pod: &mut PodInterface<'_>, watch: &mut Watch, result: &Success, kernel_announces: bool) {
    let PodInterface {
        netns,
        identity,
        state,
        socket,
        ifname,
        index,
        carrier: bound,
    } = pod;
    let index = *index;
    let not_announced =
        |why: &dyn std::fmt::Display| tracing::info!(ifname = %ifname, "its addresses are not announced: {why}");
    let mut is_daemons = false;
    let wait = || {
        let late = LateAnnouncement {
            version: LateAnnouncement::VERSION,
            netns_path: netns.path().to_owned(),
            netns: *identity,
            ifname: ifname.to_string(),
            index,
            addresses: result.ips.iter().map(|ip| ip.address.ip()).collect(),
            kernel_announces,
        };
        is_daemons = *bound != CarrierBound::Never && late.give(state);
        if is_daemons { Duration::ZERO } else { bound.duration() }
    };
    let late = match carrier(socket, watch, index, wait) {
        Ok(Some(carrier)) => carrier == Carrier::Late,
        Ok(None) if is_daemons => return,
        Ok(None) => return not_announced(&"there is no carrier"),
        Err(error) => return not_announced(&error),
    };
    let link = match socket.link_by_index(index) {
        Ok(Some(link)) => link,
        Ok(None) => return not_announced(&"the interface is gone"),
        Err(error) => return not_announced(&error),
    };
    let to_tell = result.ips.iter().map(|ip| ip.address.ip());
    let to_tell: Vec<IpAddr> = to_tell.filter(|address| late || address.is_ipv6()).collect();
    if let Err(error) = tell(netns, socket, &link, &to_tell, kernel_announces) {
        not_announced(&error);
    }
}

/// Tells the neighbours of a link with its carrier which addresses are behind it.
fn tell(
    netns: &Netns,
    socket: &mut Socket,
    link: &Link,
    addresses: &[IpAddr],
    kernel_announces: bool,
) -> Result<(), TellError> {
    let Some(mac) = link.mac().filter(|mac| *mac != MacAddr::ZERO && !mac.is_multicast()) else {
        return Ok(());
    };
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match *address {
            IpAddr::V4(address) => v4.push(address),
            IpAddr::V6(address) => v6.push(address),
        }
    }
    // The same address once more is a change of address to the kernel, which announces it (`inetdev_event`, NETDEV_CHANGEADDR,
    // with `arp_notify`). A packet socket would tell as well, and its close waits for RCU.
    let again = LinkChange {
        mac: Some(mac),
        ..LinkChange::default()
    };
    if !v4.is_empty() && kernel_announces && change_link(socket, link.index, &again).is_ok() {
        v4.clear();
    }
    if v4.is_empty() && v6.is_empty() {
        return Ok(());
    }
    netns.run(|| {
        if !v4.is_empty() {
            arp::send(link.index, mac, &v4)?;
        }
        Ok(advertisement::send(link.index, mac, &v6).map_err(io::Error::from)?)
    })?
}

/// Why the neighbours were not told.
#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error(transparent)]
    Send(#[from] io::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    AtOnce,
    Late,
}

/// Whether the link had its carrier when it went up, which the first change that is told shows, or how it comes later. A
/// link of which no change is told was up before its addresses were set (dhcp needs it so). `wait` says how long a later one is
/// waited for, and is asked only where it must be.
fn carrier(
    socket: &mut Socket,
    watch: &mut Watch,
    index: u32,
    wait: impl FnOnce() -> Duration,
) -> Result<Option<Carrier>, NetlinkError> {
    let mut flags = watch.next_flags(index, Duration::ZERO)?;
    let mut at_once = flags.is_some();
    if flags.is_none() {
        flags = socket.link_by_index(index)?.map(|link| link.flags);
    }
    let (mut wait, mut deadline) = (Some(wait), None);
    loop {
        match flags {
            Some(flags) if flags.is_up() && flags.has_carrier() => {
                return Ok(Some(if at_once { Carrier::AtOnce } else { Carrier::Late }));
            }
            Some(flags) if flags.is_up() => at_once = false,
            _ => {}
        }
        if let Some(wait) = wait.take() {
            deadline = Some(Instant::now() + wait());
        }
        let left = deadline.map_or(Duration::ZERO, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return Ok(None);
        }
        flags = watch.next_flags(index, left)?;
    }
}
