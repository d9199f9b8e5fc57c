//! Changing a link: its namespace, address, MTU, name and flags in one message.
//!
//! `do_setlink` moves the device first and applies the rest in the new namespace, in the order address, MTU, name, flags,
//! so that no rename is ever visible in the old one. It closes a device that is up before the move; a failure of a later
//! part leaves the move done.

use std::os::fd::{AsRawFd, BorrowedFd};

use hardwire_pci::netlink::{LinkFlags, NetlinkError, Socket};
use hardwire_pci::{IfName, MacAddr};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags as Flags, LinkMessage};

/// What is to change; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct LinkChange<'fd> {
    /// The namespace to move to.
    pub netns: Option<BorrowedFd<'fd>>,
    /// The name there.
    pub name: Option<IfName>,
    /// Hardware address.
    pub mac: Option<MacAddr>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// `IFLA_IFALIAS`; an empty one removes it.
    pub alias: Option<String>,
    /// Flags to take over, and which of them.
    pub flags: Option<(LinkFlags, LinkFlags)>,
}

impl LinkChange<'_> {
    /// Only up, or only down.
    pub fn up(up: bool) -> Self {
        Self {
            flags: Some((LinkFlags(u32::from(up)), LinkFlags(LinkFlags::UP))),
            ..Self::default()
        }
    }
}

/// Applies `change` to the link with this index in `socket`'s namespace.
pub fn change_link(socket: &mut Socket, index: u32, change: &LinkChange<'_>) -> Result<(), NetlinkError> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    if let Some((flags, mask)) = change.flags {
        message.header.flags = Flags::from_bits_retain(flags.0 & mask.0);
        message.header.change_mask = Flags::from_bits_retain(mask.0);
    }
    let attributes = [
        change.netns.map(|fd| LinkAttribute::NetNsFd(fd.as_raw_fd())),
        change.name.as_ref().map(|name| LinkAttribute::IfName(name.to_string())),
        change.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())),
        change.mtu.map(LinkAttribute::Mtu),
        change.alias.clone().map(LinkAttribute::IfAlias),
    ];
    message.attributes = attributes.into_iter().flatten().collect();
    socket.change(RouteNetlinkMessage::SetLink(message), 0)
}
