//! Routes: does the node's default traffic leave through this interface?
//!
//! Asked with `RTA_OIF`, which strict checking makes a filter in the kernel (`fib_info_nh_uses_dev`, `fib6_info_uses_dev`):
//! it sees through multipath routes and nexthop objects, and a node with a million routes sends only this interface's.

use std::net::IpAddr;

use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::addresses::ip;
use super::attributes::{after_header, attributes, u16_at, u32_at};
use super::error::NetlinkError;
use super::socket::Socket;

/// `struct rtmsg`.
const HEADER: usize = 12;
const RTA_DST: u16 = 1;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTN_UNICAST: u8 = 1;

const FAMILIES: [(AddressFamily, bool); 2] = [(AddressFamily::Inet, false), (AddressFamily::Inet6, true)];

/// A route of any table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteEntry {
    /// Of the IPv6 family; IPv4 otherwise.
    pub v6: bool,
    /// Network of the destination; absent in a default route.
    pub destination: Option<IpAddr>,
    /// Its prefix length in bits; 0 for a default route.
    pub prefix_len: u8,
    /// Routing table (254 is main).
    pub table: u32,
    /// Next hop, where the route itself names one.
    pub gateway: Option<IpAddr>,
}

/// A default route through an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Of the IPv6 family; IPv4 otherwise.
    pub v6: bool,
    /// Routing table (254 is main).
    pub table: u32,
    /// Next hop, where the route itself names one.
    pub gateway: Option<IpAddr>,
}

impl Socket {
    /// The default routes, of both families and in any table, that lead through `interface`.
    pub fn default_routes(&mut self, interface: u32) -> Result<Vec<DefaultRoute>, NetlinkError> {
        let routes = self.routes_through(interface, |route| route.prefix_len == 0)?;
        let default = |route: RouteEntry| DefaultRoute {
            v6: route.v6,
            table: route.table,
            gateway: route.gateway,
        };
        Ok(routes.into_iter().map(default).collect())
    }

    /// Every unicast route of the namespace: for pods, which have few. One of several next hops is told once for each.
    pub fn routes(&mut self) -> Result<Vec<RouteEntry>, NetlinkError> {
        let mut routes = Vec::new();
        for (family, v6) in FAMILIES {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            let read = |payload: &[u8]| {
                parse(payload, v6)?
                    .map(|route| each_next_hop(payload, route))
                    .transpose()
            };
            match self.dump(&RouteNetlinkMessage::GetRoute(message), read) {
                Ok(found) => routes.extend(found.into_iter().flatten()),
                // A kernel without IPv6.
                Err(error) if v6 && error.errno() == Some(unsupported_family()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(routes)
    }

    fn routes_through(
        &mut self,
        interface: u32,
        wanted: impl Fn(&RouteEntry) -> bool,
    ) -> Result<Vec<RouteEntry>, NetlinkError> {
        let mut routes = Vec::new();
        for (family, v6) in FAMILIES {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            message.attributes.push(RouteAttribute::Oif(interface));
            let read = |payload: &[u8]| Ok(parse(payload, v6)?.filter(|route| wanted(route)));
            let message = RouteNetlinkMessage::GetRoute(message);
            match self.dump_whole(&message, read) {
                Ok(found) => routes.extend(found),
                // A kernel without IPv6.
                Err(error) if v6 && error.errno() == Some(unsupported_family()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(routes)
    }
}

fn unsupported_family() -> i32 {
    rustix::io::Errno::OPNOTSUPP.raw_os_error()
}

fn parse(payload: &[u8], v6: bool) -> Result<Option<RouteEntry>, NetlinkError> {
    let header = payload.get(..HEADER).unwrap_or_default();
    let &[family, prefix_len, _, _, table, _, _, kind, ..] = header else {
        return Err(NetlinkError::Malformed("route header is cut short".to_owned()));
    };
    let wanted = if v6 {
        u8::from(AddressFamily::Inet6)
    } else {
        u8::from(AddressFamily::Inet)
    };
    if kind != RTN_UNICAST || family != wanted {
        return Ok(None);
    }
    let mut route = RouteEntry {
        v6,
        destination: None,
        prefix_len,
        table: u32::from(table),
        gateway: None,
    };
    for attribute in attributes(after_header(payload, HEADER)?) {
        let (kind, value) = attribute?;
        match kind {
            RTA_DST => route.destination = ip(value),
            RTA_TABLE => route.table = u32_at(value, 0)?,
            RTA_GATEWAY => route.gateway = ip(value),
            _ => {}
        }
    }
    Ok(Some(route))
}

/// The route once for each of its next hops (`struct rtnexthop` and its attributes, in `RTA_MULTIPATH`).
fn each_next_hop(payload: &[u8], route: RouteEntry) -> Result<Vec<RouteEntry>, NetlinkError> {
    const HOP_HEADER: usize = 8;
    let mut routes = Vec::new();
    for attribute in attributes(after_header(payload, HEADER)?) {
        let (RTA_MULTIPATH, mut hops) = attribute? else {
            continue;
        };
        while !hops.is_empty() {
            let length = usize::from(u16_at(hops, 0)?);
            let cut_short = || NetlinkError::Malformed("next hop is cut short".to_owned());
            let hop = hops.get(HOP_HEADER..length).ok_or_else(cut_short)?;
            let mut gateway = None;
            for attribute in attributes(hop) {
                let (kind, value) = attribute?;
                if kind == RTA_GATEWAY {
                    gateway = ip(value);
                }
            }
            routes.push(RouteEntry { gateway, ..route });
            hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
    if routes.is_empty() {
        routes.push(route);
    }
    Ok(routes)
}
