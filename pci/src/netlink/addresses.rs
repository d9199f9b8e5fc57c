//! Addresses of an interface.

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;

use super::attributes::{after_header, attributes, u32_at};
use super::error::NetlinkError;
use super::socket::Socket;

/// `struct ifaddrmsg`.
const HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

/// One address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Index of the interface.
    pub interface: u32,
    /// The interface's own address.
    pub address: IpAddr,
    /// Bits.
    pub prefix_len: u8,
    /// `RT_SCOPE_*`: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// `IFA_F_*`.
    pub flags: u32,
}

impl InterfaceAddress {
    /// Whether duplicate address detection is still running. An optimistic address (RFC 4429) can be used meanwhile.
    pub fn is_tentative(&self) -> bool {
        self.flags & IFA_F_TENTATIVE != 0
    }

    /// Whether another host answered for this address.
    pub fn is_duplicate(&self) -> bool {
        self.flags & IFA_F_DADFAILED != 0
    }
}

impl Socket {
    /// The addresses of one interface, or of all with `None`.
    pub fn addresses(&mut self, interface: Option<u32>) -> Result<Vec<InterfaceAddress>, NetlinkError> {
        self.dump(&question(interface), |payload| of(interface, payload))
    }

    /// The same, and none is missing.
    pub fn all_addresses(&mut self, interface: Option<u32>) -> Result<Vec<InterfaceAddress>, NetlinkError> {
        self.dump_whole(&question(interface), |payload| of(interface, payload))
    }
}

fn question(interface: Option<u32>) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.index = interface.unwrap_or(0);
    RouteNetlinkMessage::GetAddress(message)
}

fn of(interface: Option<u32>, payload: &[u8]) -> Result<Option<InterfaceAddress>, NetlinkError> {
    let address = parse(payload)?;
    Ok(address.filter(|a| interface.is_none_or(|index| index == a.interface)))
}

fn parse(payload: &[u8]) -> Result<Option<InterfaceAddress>, NetlinkError> {
    let header = payload.get(..HEADER).unwrap_or_default();
    let &[_family, prefix_len, flags, scope, ..] = header else {
        return Err(NetlinkError::Malformed("address header is cut short".to_owned()));
    };
    let (mut local, mut peer, mut flags) = (None, None, u32::from(flags));
    for attribute in attributes(after_header(payload, HEADER)?) {
        let (kind, value) = attribute?;
        match kind {
            // On a point-to-point link IFA_ADDRESS is the other end.
            IFA_LOCAL => local = ip(value),
            IFA_ADDRESS => peer = ip(value),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    let interface = u32_at(payload, 4)?;
    Ok(local.or(peer).map(|address| InterfaceAddress {
        interface,
        address,
        prefix_len,
        scope,
        flags,
    }))
}

pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}
