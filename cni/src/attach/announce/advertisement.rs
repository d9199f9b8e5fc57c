//! Unsolicited neighbour advertisements, from a raw `ICMPv6` socket.
//!
//! The kernel's own (`ndisc_notify`) do not do: for an optimistic address it leaves the override flag out (RFC 4429), so
//! that a neighbour keeps the old address, and when duplicate address detection has ended it sends none at all
//! (`addrconf_dad_work`). A raw socket, unlike a packet socket, costs nothing to close.

use std::net::{Ipv6Addr, SocketAddrV6};

use hardwire_pci::MacAddr;
use rustix::io::Result;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, ipproto, sendto, socket_with, sockopt};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// RFC 4861 section 7.1.2: receivers drop anything that was forwarded.
const HOP_LIMIT: u32 = 255;

/// Announces each address from the interface with this index, in the calling thread's namespace.
pub(super) fn send(index: u32, mac: MacAddr, addresses: &[Ipv6Addr]) -> Result<()> {
    for address in addresses {
        let socket = socket_with(
            AddressFamily::INET6,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(ipproto::ICMPV6),
        )?;
        sockopt::set_ipv6_multicast_hops(&socket, HOP_LIMIT)?;
        bind(&socket, &SocketAddrV6::new(*address, 0, 0, index))?;
        let all_nodes = SocketAddrV6::new(ALL_NODES, 0, 0, index);
        sendto(&socket, &message(mac, *address), SendFlags::empty(), &all_nodes)?;
    }
    Ok(())
}

/// With the override flag and the target's link-layer address; the kernel fills the checksum in.
fn message(mac: MacAddr, address: Ipv6Addr) -> [u8; 32] {
    let mut message = [0; 32];
    message[0] = 136;
    message[4] = 0x20;
    message[8..24].copy_from_slice(&address.octets());
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..].copy_from_slice(&mac.0);
    message
}
