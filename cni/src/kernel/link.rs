//! Changing a link: its namespace, address, MTU, name and flags in one message.
//!
//! `do_setlink` moves the device first and applies the rest in the new namespace, in the order address, MTU, name, flags,
//! so that no rename is ever visible in the old one. It closes a device that is up before the move; a failure of a later
//! part leaves the move done.

use std::os::fd::{AsRawFd, BorrowedFd};

use hardwire_pci::netlink::{Change, LinkFlags, LinkSettings, NetlinkError, Socket, XdpMode};
use hardwire_pci::{IfName, MacAddr};
use netlink_packet_core::DefaultNla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags as Flags, LinkMessage, LinkXdp};

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
    /// What else to set.
    pub settings: LinkSettings,
    /// Whence to take the XDP program.
    pub without_xdp: Option<XdpMode>,
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
    socket.change(set_link(index, change))
}

/// `change` of the link with this index. A namespace to move to stays open until it is sent.
pub fn set_link(index: u32, change: &LinkChange<'_>) -> Change {
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
    let settings = change.settings.to_attributes().into_iter();
    let settings = settings.map(|(kind, value)| LinkAttribute::Other(DefaultNla::new(kind, value)));
    message.attributes.extend(settings);
    message.attributes.extend(change.without_xdp.map(without_xdp));
    Change::new(RouteNetlinkMessage::SetLink(message), 0)
}

/// A program's descriptor of -1 takes the one that is there (`dev_change_xdp_fd`, net/core/dev.c).
fn without_xdp(mode: XdpMode) -> LinkAttribute {
    const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
    const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
    const XDP_FLAGS_HW_MODE: u32 = 1 << 3;
    let flags = match mode {
        XdpMode::Generic => XDP_FLAGS_SKB_MODE,
        XdpMode::Driver => XDP_FLAGS_DRV_MODE,
        XdpMode::Hardware => XDP_FLAGS_HW_MODE,
    };
    LinkAttribute::Xdp(vec![LinkXdp::Fd(-1), LinkXdp::Flags(flags)])
}

/// Ends a link that software made.
pub fn delete_link(socket: &mut Socket, index: u32) -> Result<(), NetlinkError> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    socket.change(Change::new(RouteNetlinkMessage::DelLink(message), 0))
}

/// Ends all links of a group at once. The kernel refuses it, and ends none, where it cannot end one of them.
pub fn delete_group(socket: &mut Socket, group: u32) -> Result<(), NetlinkError> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Group(group));
    socket.change(Change::new(RouteNetlinkMessage::DelLink(message), 0))
}
