//! Whether the node itself lives on a device: rule 5, "never the node's own NIC".

use std::fmt;
use std::net::IpAddr;

use crate::device::Netdev;
use crate::netlink::{NetlinkError, Socket};
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
    // The kernel links each stacked device as upper_NAME (netdev_adjacent_sysfs_add, net/core/dev.c), Open vSwitch's too.
    let entries = sysfs.names(&sysfs.path("class/net").join(netdev.name.as_str()));
    if let Some(upper) = entries.iter().find_map(|name| name.strip_prefix("upper_")) {
        return Ok(Some(NodeUse::Upper(upper.to_owned())));
    }
    if let Some(route) = socket.default_routes(netdev.index)?.first() {
        return Ok(Some(NodeUse::DefaultRoute {
            v6: route.v6,
            table: route.table,
        }));
    }
    let addresses = socket.addresses(Some(netdev.index))?;
    Ok(addresses
        .iter()
        .find(|address| address.is_routable())
        .map(|address| NodeUse::Address(address.address)))
}
