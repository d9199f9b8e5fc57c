//! How a network namespace numbers another one (`RTM_GETNSID`): a link whose lower device is elsewhere tells only that number.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use super::attributes::{after_header, attributes, u32_at};
use super::error::NetlinkError;
use super::socket::Socket;

/// `struct rtgenmsg`, padded.
const HEADER: usize = 4;
const NETNSA_NSID: u16 = 1;

impl Socket {
    /// The number that this socket's namespace has for another one; `None` while it has none, and so no link of it leads there.
    pub fn netns_number(&mut self, of: BorrowedFd<'_>) -> Result<Option<i32>, NetlinkError> {
        let mut message = NsidMessage::default();
        let fd = of.as_raw_fd().cast_unsigned();
        message.attributes.push(NsidAttribute::Fd(fd));
        let number = self.ask(RouteNetlinkMessage::GetNsId(message), |payload| {
            for attribute in attributes(after_header(payload, HEADER)?) {
                let (kind, value) = attribute?;
                if kind == NETNSA_NSID {
                    return Ok(u32_at(value, 0)?.cast_signed());
                }
            }
            Err(NetlinkError::Malformed("a namespace without a number".to_owned()))
        })?;
        // NETNSA_NSID_NOT_ASSIGNED is -1.
        Ok((number >= 0).then_some(number))
    }
}
