//! Alternative names of a link (`RTM_NEWLINKPROP`, `RTM_DELLINKPROP`).
//!
//! They travel with the device, so one that an application adds in the pod would block a name on the host.

use hardwire_pci::netlink::{Change, NetlinkError, Socket};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, Prop};

/// Gives a link another name.
pub fn add_altname(socket: &mut Socket, index: u32, name: &str) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::NewLinkProp(message(index, name));
    socket.change(Change::new(message, NLM_F_CREATE | NLM_F_EXCL))
}

/// Takes a name from a link.
pub fn delete_altname(socket: &mut Socket, index: u32, name: &str) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::DelLinkProp(message(index, name));
    socket.change(Change::new(message, 0))
}

/// Whether the kernel says that a name is another interface's.
pub fn is_taken(done: &Result<(), NetlinkError>) -> bool {
    let errno = done.as_ref().err().and_then(NetlinkError::errno);
    errno == Some(rustix::io::Errno::EXIST.raw_os_error())
}

fn message(index: u32, name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
        .attributes
        .push(LinkAttribute::PropList(vec![Prop::AltIfName(name.to_owned())]));
    message
}
