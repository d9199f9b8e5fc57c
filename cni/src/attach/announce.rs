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

use hardwire_pci::MacAddr;
use hardwire_pci::netlink::{NetlinkError, Socket, Watch};

use super::pod_interface::PodInterface;
use crate::kernel::{LinkChange, change_link};
use crate::protocol::Success;

/// Announces the addresses of `result`, as far as the kernel does not. `watch` listened to links since before the link
/// went up; `kernel_announces` tells whether the kernel took `arp_notify`.
pub(super) fn announce(pod: &mut PodInterface<'_>, watch: &mut Watch, result: &Success, kernel_announces: bool) {
    let PodInterface {
        netns,
        socket,
        ifname,
        index,
        carrier: bound,
    } = pod;
    let index = *index;
    let not_announced =
        |why: &dyn std::fmt::Display| tracing::info!(ifname = %ifname, "its addresses are not announced: {why}");
    let late = match carrier(socket, watch, index, bound.duration()) {
        Ok(Some(carrier)) => carrier == Carrier::Late,
        Ok(None) => return not_announced(&"there is no carrier"),
        Err(error) => return not_announced(&error),
    };
    let link = match socket.link_by_index(index) {
        Ok(Some(link)) => link,
        Ok(None) => return not_announced(&"the interface is gone"),
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
    // The same address once more is a change of address to the kernel, which announces it (`inetdev_event`, NETDEV_CHANGEADDR,
    // with `arp_notify`). A packet socket would tell as well, and its close waits for RCU.
    let again = LinkChange {
        mac: Some(mac),
        ..LinkChange::default()
    };
    if !v4.is_empty() && kernel_announces && change_link(socket, index, &again).is_ok() {
        v4.clear();
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    AtOnce,
    Late,
}

/// Whether the link had its carrier when it went up, which the first change that is told shows, or how it comes later. A
/// link of which no change is told was up before its addresses were set (dhcp needs it so).
fn carrier(
    socket: &mut Socket,
    watch: &mut Watch,
    index: u32,
    bound: Duration,
) -> Result<Option<Carrier>, NetlinkError> {
    let deadline = Instant::now() + bound;
    let mut flags = watch.next_flags(index, Duration::ZERO)?;
    let mut at_once = flags.is_some();
    if flags.is_none() {
        flags = socket.link_by_index(index)?.map(|link| link.flags);
    }
    loop {
        match flags {
            Some(flags) if flags.is_up() && flags.has_carrier() => {
                return Ok(Some(if at_once { Carrier::AtOnce } else { Carrier::Late }));
            }
            Some(flags) if flags.is_up() => at_once = false,
            _ => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        flags = watch.next_flags(index, left)?;
    }
}
