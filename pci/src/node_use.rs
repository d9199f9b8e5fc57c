//! Whether the node itself lives on a device: rule 5, "never the node's own NIC".

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use crate::device::Netdev;
use crate::netlink::{InterfaceAddress, NetlinkError, Socket};
use crate::sysfs::Sysfs;

/// What the node uses an interface for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeUse {
    /// A default route leads through it.
    DefaultRoute {
        /// IPv6 rather than IPv4.
        v6: bool,
        /// Routing table.
        table: u32,
    },
    /// It has an address that is seen beyond its link.
    Address(IpAddr),
    /// Another interface stands on it: bond, bridge, VLAN, macvlan, OVS, ...
    Upper(String),
}

impl fmt::Display for NodeUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultRoute { v6, table } => {
                let family = if *v6 { "IPv6" } else { "IPv4" };
                write!(f, "the node's {family} default route (table {table}) leads through it")
            }
            Self::Address(address) => write!(f, "it carries the node's address {address}"),
            Self::Upper(upper) => write!(f, "{upper} stands on it"),
        }
    }
}

/// Why an interface of the host belongs to the node; `None` if it is spare. `socket` and `sysfs` are the host's.
///
/// An upper device is reason enough whatever it carries, so routes and addresses further up need no walk.
pub fn node_use(socket: &mut Socket, sysfs: &Sysfs, netdev: &Netdev) -> Result<Option<NodeUse>, NetlinkError> {
    if let Some(upper) = upper(sysfs, netdev) {
        return Ok(Some(upper));
    }
    if let Some(route) = default_route(socket, netdev)? {
        return Ok(Some(route));
    }
    Ok(address_among(&socket.addresses(Some(netdev.index))?, netdev))
}

/// What is asked once for all interfaces of a node, where many are to be judged.
#[derive(Debug, Clone, Default)]
pub struct NodeUses {
    /// Interfaces that are up: routes lead through no other (`fib_sync_down_dev`, `rt6_sync_down_dev`).
    up: HashSet<u32>,
    addresses: Vec<InterfaceAddress>,
}

impl NodeUses {
    /// Asks the host's kernel.
    pub fn read(socket: &mut Socket) -> Result<Self, NetlinkError> {
        let links = socket.links()?.into_iter();
        Ok(Self {
            up: links.filter(|link| link.flags.is_up()).map(|link| link.index).collect(),
            addresses: socket.addresses(None)?,
        })
    }

    /// As [`node_use`].
    pub fn of(&self, socket: &mut Socket, sysfs: &Sysfs, netdev: &Netdev) -> Result<Option<NodeUse>, NetlinkError> {
        if let Some(used) = upper(sysfs, netdev).or_else(|| address_among(&self.addresses, netdev)) {
            return Ok(Some(used));
        }
        if self.up.contains(&netdev.index) {
            default_route(socket, netdev)
        } else {
            Ok(None)
        }
    }
}

/// The kernel links each stacked device as `upper_NAME` (`netdev_adjacent_sysfs_add`, net/core/dev.c), Open vSwitch's too.
fn upper(sysfs: &Sysfs, netdev: &Netdev) -> Option<NodeUse> {
    let entries = sysfs.names(&sysfs.path("class/net").join(netdev.name.as_str()));
    let upper = entries.iter().find_map(|name| name.strip_prefix("upper_"))?;
    Some(NodeUse::Upper(upper.to_owned()))
}

fn default_route(socket: &mut Socket, netdev: &Netdev) -> Result<Option<NodeUse>, NetlinkError> {
    let routes = socket.default_routes(netdev.index)?;
    Ok(routes.first().map(|route| NodeUse::DefaultRoute {
        v6: route.v6,
        table: route.table,
    }))
}

fn address_among(addresses: &[InterfaceAddress], netdev: &Netdev) -> Option<NodeUse> {
    let routable = |address: &&InterfaceAddress| address.interface == netdev.index && address.is_routable();
    let found = addresses.iter().find(routable)?;
    Some(NodeUse::Address(found.address))
}
