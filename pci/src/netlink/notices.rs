//! What rtnetlink tells unasked: which interface changed, without what became of it.
//!
//! What changed is to be read anew by whoever hears of it: notices are merged, reordered against sysfs, and lost when a
//! listener is slow (`ENOBUFS`), which is a notice of its own. Routes that lead anywhere but everywhere are left out here: a
//! routing daemon may change thousands of them a second.

use std::fmt;
use std::io;

use netlink_sys::{Socket as RawSocket, protocols::NETLINK_ROUTE};

use super::attributes::{attributes, u32_at};
use super::error::NetlinkError;
use super::messages::{HEADER, messages};

/// `RTNLGRP_LINK`, `_IPV4_IFADDR`, `_IPV4_ROUTE`, `_IPV6_IFADDR`, `_IPV6_ROUTE`, `_NEXTHOP` (include/uapi/linux/rtnetlink.h).
const GROUPS: [u32; 6] = [1, 5, 7, 9, 11, 32];
/// Room for the burst of a thousand VFs; the kernel counts it only while it is used.
const ROOM: usize = 4 << 20;

const LINK_HEADER: usize = 16;
const ROUTE_HEADER: usize = 12;
const NEXTHOP_HEADER: usize = 8;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const RTA_OIF: u16 = 4;
const NHA_OIF: u16 = 5;
const RTN_UNICAST: u8 = 1;

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// This link came, went or changed, or one that stands on it did.
    Link(u32),
    /// An address of this interface came or went.
    Address(u32),
    /// A default route through this interface, or, where that is not told, through any, came or went.
    DefaultRoute(Option<u32>),
    /// Some changes were lost.
    Overrun,
    /// A message made no sense: what changed is not known.
    Malformed,
}

/// A socket that hears of changes in the network namespace in which it was opened.
pub struct Notices(RawSocket);

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}

impl Notices {
    /// Begins to listen, in the calling thread's network namespace.
    pub fn open() -> Result<Self, NetlinkError> {
        let at = |step| move |source: io::Error| NetlinkError::Socket { step, source };
        let mut socket = RawSocket::new(NETLINK_ROUTE).map_err(at("open"))?;
        socket.bind_auto().map_err(at("bind"))?;
        // Beyond the system's limit only for CAP_NET_ADMIN; a smaller one overruns earlier, which is coped with.
        let forced = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM);
        let _ = forced.or_else(|_errno| rustix::net::sockopt::set_socket_recv_buffer_size(&socket, ROOM));
        for group in GROUPS {
            let joined = socket.add_membership(group);
            // Nexthop objects came with Linux 5.3.
            if group != 32 {
                joined.map_err(at("listen for changes"))?;
            }
        }
        Ok(Self(socket))
    }

    /// Waits for changes, and adds them to `notices`; there may be none of interest.
    pub fn next(&mut self, notices: &mut Vec<Notice>) -> Result<(), NetlinkError> {
        match self.0.recv_from_full() {
            Ok((datagram, _from)) => {
                parse(&datagram, notices);
                Ok(())
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {
                notices.push(Notice::Overrun);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(source) => Err(NetlinkError::Socket {
                step: "wait for changes",
                source,
            }),
        }
    }
}

/// What a datagram tells.
#[cfg(any(test, fuzzing))]
pub(crate) fn notices_in(datagram: &[u8]) -> Vec<Notice> {
    let mut notices = Vec::new();
    parse(datagram, &mut notices);
    notices
}

/// One message that makes no sense keeps nobody from hearing of the others. The end of one that is cut short is not known, and
/// so it is the last of its datagram.
fn parse(datagram: &[u8], notices: &mut Vec<Notice>) {
    if datagram.len() < HEADER {
        notices.push(Notice::Malformed);
    }
    for message in messages(datagram) {
        let read = message.and_then(|message| one(message.kind, message.payload, notices));
        if read.is_err() {
            notices.push(Notice::Malformed);
        }
    }
}

fn one(kind: u16, payload: &[u8], notices: &mut Vec<Notice>) -> Result<(), NetlinkError> {
    match kind {
        // RTM_NEWLINK, RTM_DELLINK
        16 | 17 => {
            notices.push(Notice::Link(u32_at(payload, 4)?));
            let below = [IFLA_LINK, IFLA_MASTER];
            for attribute in attributes(payload.get(LINK_HEADER..).unwrap_or_default()) {
                let (attribute, value) = attribute?;
                if below.contains(&attribute) {
                    notices.push(Notice::Link(u32_at(value, 0)?));
                }
            }
        }
        // RTM_NEWADDR, RTM_DELADDR
        20 | 21 => notices.push(Notice::Address(u32_at(payload, 4)?)),
        // RTM_NEWROUTE, RTM_DELROUTE: destination length 0 is the default route.
        24 | 25 if payload.len() < ROUTE_HEADER => {
            return Err(NetlinkError::Malformed("a route is cut short".to_owned()));
        }
        24 | 25 if payload.get(1) == Some(&0) && payload.get(7) == Some(&RTN_UNICAST) => {
            notices.push(Notice::DefaultRoute(interface(payload, ROUTE_HEADER, RTA_OIF)?));
        }
        // RTM_NEWNEXTHOP, RTM_DELNEXTHOP: a default route may lead through it.
        104 | 105 => notices.push(Notice::DefaultRoute(interface(payload, NEXTHOP_HEADER, NHA_OIF)?)),
        _ => {}
    }
    Ok(())
}

fn interface(payload: &[u8], header: usize, wanted: u16) -> Result<Option<u32>, NetlinkError> {
    for attribute in attributes(payload.get(header..).unwrap_or_default()) {
        let (attribute, value) = attribute?;
        if attribute == wanted {
            return u32_at(value, 0).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(payload);
        bytes
    }

    fn attribute(kind: u16, value: u32) -> Vec<u8> {
        [8_u16.to_ne_bytes(), kind.to_ne_bytes()]
            .concat()
            .into_iter()
            .chain(value.to_ne_bytes())
            .collect()
    }

    fn route(destination: u8, attributes: &[u8]) -> Vec<u8> {
        let header = [2, destination, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
        message(24, &[&header, attributes].concat())
    }

    fn notices(datagram: &[u8]) -> Vec<Notice> {
        let mut notices = Vec::new();
        parse(datagram, &mut notices);
        notices
    }

    #[test]
    fn only_default_routes_are_told() {
        let oif = attribute(RTA_OIF, 7);
        assert_eq!(notices(&route(0, &oif)), [Notice::DefaultRoute(Some(7))]);
        assert_eq!(notices(&route(24, &oif)), []);
        assert_eq!(
            notices(&route(0, &attribute(30, 1))),
            [Notice::DefaultRoute(None)],
            "a nexthop object's number says nothing of interfaces"
        );
    }

    #[test]
    fn what_stands_on_a_link_is_a_change_of_it() {
        let mut link = vec![0; LINK_HEADER];
        link[4] = 9;
        link.extend(attribute(IFLA_LINK, 3));
        let two = [message(16, &link), message(20, &[2, 24, 0, 0, 5, 0, 0, 0])].concat();
        assert_eq!(notices(&two), [Notice::Link(9), Notice::Link(3), Notice::Address(5)]);
    }

    #[test]
    fn what_makes_no_sense_is_told_and_hides_nothing_else() {
        let address = message(20, &[2, 24, 0, 0, 5, 0, 0, 0]);
        let longer_than_it_is = [16_u8, 0, 5, 0].to_vec();
        let mut link = vec![0; LINK_HEADER];
        link[4] = 9;
        for bad in [
            message(16, &[0; 6]),
            message(16, &[link.clone(), longer_than_it_is].concat()),
            message(20, &[2]),
            message(24, &[2, 0, 0]),
            message(104, &[&[0; NEXTHOP_HEADER][..], &[4, 0, 5, 0]].concat()),
        ] {
            let mut padded = bad.clone();
            padded.resize(bad.len().next_multiple_of(4), 0);
            let told = notices(&[padded, address.clone()].concat());
            assert!(told.contains(&Notice::Malformed), "{bad:?}: {told:?}");
            assert!(told.contains(&Notice::Address(5)), "{bad:?}: {told:?}");
        }
        let mut endless = message(16, &link);
        endless[0] = 200;
        assert_eq!(
            notices(&[address, endless].concat()),
            [Notice::Address(5), Notice::Malformed]
        );
        for bad in [&[][..], &[1, 2, 3]] {
            assert_eq!(notices(bad), [Notice::Malformed]);
        }
    }
}
