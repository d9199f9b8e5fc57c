//! Waiting for the kernel to change a link or an address, instead of asking again and again.

use std::fmt;
use std::io;
use std::time::Duration;

use netlink_sys::{Socket as RawSocket, protocols::NETLINK_ROUTE};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::error::NetlinkError;
use super::links::{self, LinkFlags};

/// What can be listened to (include/uapi/linux/rtnetlink.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `RTNLGRP_LINK`: every change of a link, its carrier among them.
    Links = 1,
    /// `RTNLGRP_IPV6_IFADDR`: every change of an IPv6 address.
    Ipv6Addresses = 9,
}

/// A socket that hears of changes in the network namespace in which it was opened.
pub struct Watch(RawSocket);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl Watch {
    /// Begins to listen, in the calling thread's network namespace.
    pub fn open(group: Group) -> Result<Self, NetlinkError> {
        let at = |step| move |source: io::Error| NetlinkError::Socket { step, source };
        let mut socket = RawSocket::new(NETLINK_ROUTE).map_err(at("open"))?;
        socket.bind_auto().map_err(at("bind"))?;
        socket.add_membership(group as u32).map_err(at("listen for changes"))?;
        Ok(Self(socket))
    }

    /// The flags of a link as the next change of it tells them; `None` when the bound is over, or when the change was of
    /// something else. Told before the answer to a request of ours is: what a link was at the moment it went up stands here.
    pub fn next_flags(&mut self, index: u32, bound: Duration) -> Result<Option<LinkFlags>, NetlinkError> {
        let Some(datagram) = self.receive(bound)? else {
            return Ok(None);
        };
        Ok(links::flags_in(&datagram, index))
    }

    /// Returns at the next change, or when the bound is over. What changed is to be asked for: changes may be lost.
    pub fn wait(&mut self, bound: Duration) -> Result<(), NetlinkError> {
        self.receive(bound).map(|_datagram| ())
    }

    fn receive(&mut self, bound: Duration) -> Result<Option<Vec<u8>>, NetlinkError> {
        let failed = |source| NetlinkError::Socket {
            step: "wait for changes",
            source,
        };
        // Zero would mean for ever.
        let bound = bound.max(Duration::from_millis(1));
        set_socket_timeout(&self.0, Timeout::Recv, Some(bound)).map_err(|errno| failed(errno.into()))?;
        match self.0.recv_from_full() {
            Ok((datagram, _from)) => Ok(Some(datagram)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_overrun(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// More changes than the buffer holds are changes too.
fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}
