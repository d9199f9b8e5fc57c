//! Adding an address to a link (`RTM_NEWADDR`).

use std::net::{IpAddr, Ipv4Addr};

use hardwire_pci::netlink::{Change, NetlinkError, Socket};
use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// How a new IPv6 address behaves until duplicate address detection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFlag {
    /// Nothing special.
    Plain,
    /// `IFA_F_OPTIMISTIC` (RFC 4429): usable at once.
    Optimistic,
}

/// Adds an address at once.
pub fn add_address(socket: &mut Socket, index: u32, address: IpNetwork, flag: AddressFlag) -> Result<(), NetlinkError> {
    socket.change(new_address(index, address, flag))
}

/// A new address. IPv4 networks of two addresses and more get their broadcast address, as `ip address add brd +` does.
pub fn new_address(index: u32, address: IpNetwork, flag: AddressFlag) -> Change {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix();
    let ip = address.ip();
    message.header.family = match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    if let IpNetwork::V4(v4) = address
        && v4.prefix() <= 30
    {
        let broadcast = u32::from(v4.network()) | !u32::from(v4.mask());
        message
            .attributes
            .push(AddressAttribute::Broadcast(Ipv4Addr::from(broadcast)));
    }
    if flag == AddressFlag::Optimistic && ip.is_ipv6() {
        message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Optimistic));
    }
    Change::new(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}
