//! Whether the node itself lives on a device, which is then given to nobody.
//!
//! Whatever cannot be found out is an error, and never "spare". What stands on an interface is looked for several times, with a
//! question to the kernel in between: it takes the links of `upper_NAME` away and makes them anew when either interface is
//! renamed (`netdev_adjacent_rename_links`, net/core/dev.c), under RTNL, for which the question waits.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::device::Netdev;
use crate::ifname::{BadIfName, IfName};
use crate::netlink::{InterfaceAddress, Link, NetlinkError, Socket};
use crate::sysfs::{Sysfs, SysfsError};

/// An address that counts on its link only (include/uapi/linux/rtnetlink.h).
const RT_SCOPE_LINK: u8 = 253;
/// An interface that has another name each time is asked for so often.
const RENAMES: usize = 5;
/// So many looks must show nothing. Two would do for one rename; three renames, each at the very moment of a look, are none
/// that happen.
const LOOKS: usize = 3;
/// How long to ask for the routes of interfaces that are down, where many are to be judged: of the few that can lead through
/// one (a multipath route with a dead leg), the plugin hears when it asks for that one alone.
const DOWN_BOUND: Duration = Duration::from_millis(200);

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

/// Why it is not known whether the node lives on an interface.
#[derive(Debug, thiserror::Error)]
pub enum NodeUseError {
    /// The kernel does not tell.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// sysfs cannot be read.
    #[error(transparent)]
    Sysfs(#[from] SysfsError),
    /// The interface has a name that none can have.
    #[error(transparent)]
    Name(#[from] BadIfName),
    /// The interface left the host's namespace.
    #[error("{0} went away")]
    Gone(IfName),
    /// The interface is renamed all the time.
    #[error("{0} was renamed {RENAMES} times while it was looked at")]
    Renamed(IfName),
}

impl NodeUseError {
    /// Whether the interface is no longer on the host, so that the node cannot be using it.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Gone(_) => true,
            Self::Netlink(error) => error.is_missing(),
            Self::Sysfs(_) | Self::Name(_) | Self::Renamed(_) => false,
        }
    }
}

impl fmt::Display for NodeUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultRoute { v6, table } => {
                let family = if *v6 { "IPv6" } else { "IPv4" };
                write!(f, "the node's {family} default route (table {table}) leads through it")
            }
            Self::Address(address) => write!(f, "it carries the node's address {address}"),
            Self::Upper(upper) => write!(f, "it has the upper device {upper}"),
        }
    }
}

/// Why an interface of the host belongs to the node; `None` if it is spare. `socket` and `sysfs` are the host's.
///
/// An upper device is reason enough whatever it carries, so routes and addresses further up need no walk. Uppers in other
/// namespaces cannot be seen from here.
pub fn node_use(socket: &mut Socket, sysfs: &Sysfs, netdev: &Netdev) -> Result<Option<NodeUse>, NodeUseError> {
    if let Some(upper) = upper(socket, sysfs, netdev)? {
        return Ok(Some(NodeUse::Upper(upper)));
    }
    if let Some(route) = default_route(socket, netdev)? {
        return Ok(Some(route));
    }
    Ok(address_among(&socket.all_addresses(Some(netdev.index))?, netdev))
}

/// What is asked once for all interfaces of a node, where many are to be judged.
#[derive(Debug, Clone, Default)]
pub struct NodeUses {
    /// Interfaces that are down.
    down: HashSet<u32>,
    /// Of those that have one.
    masters: HashMap<u32, String>,
    addresses: Vec<InterfaceAddress>,
    asking_those_down: Duration,
}

impl NodeUses {
    /// Asks the host's kernel.
    pub fn read(socket: &mut Socket) -> Result<Self, NetlinkError> {
        let links = socket.all_links()?;
        let name = |index: u32| {
            links
                .iter()
                .find(|link| link.index == index)
                .map(|link| link.name.clone())
        };
        let master = |link: &Link| {
            let index = link.master?;
            Some((link.index, name(index).unwrap_or_else(|| unnamed(index))))
        };
        let is_down = |link: &&Link| !link.flags.is_up();
        Ok(Self {
            down: links.iter().filter(is_down).map(|link| link.index).collect(),
            masters: links.iter().filter_map(master).collect(),
            addresses: socket.all_addresses(None)?,
            asking_those_down: Duration::ZERO,
        })
    }

    /// As [`node_use`], but for what changes at this very moment: of that, events tell.
    pub fn of(&mut self, socket: &mut Socket, sysfs: &Sysfs, netdev: &Netdev) -> Result<Option<NodeUse>, NodeUseError> {
        let upper = match self.masters.get(&netdev.index) {
            Some(master) => Some(master.clone()),
            None => match seen(sysfs, &netdev.name, netdev.index)? {
                Seen::Upper(upper) => Some(upper),
                Seen::Nothing => None,
                // Renamed since its device was read.
                Seen::AnotherName => return node_use(socket, sysfs, netdev),
            },
        };
        let used = upper.map(NodeUse::Upper);
        if let Some(used) = used.or_else(|| address_among(&self.addresses, netdev)) {
            return Ok(Some(used));
        }
        if !self.down.contains(&netdev.index) {
            return Ok(default_route(socket, netdev)?);
        }
        if self.asking_those_down > DOWN_BOUND {
            return Ok(None);
        }
        let begin = Instant::now();
        let route = default_route(socket, netdev);
        self.asking_those_down += begin.elapsed();
        Ok(route?)
    }
}

/// What sysfs shows on an interface.
enum Seen {
    Upper(String),
    Nothing,
    /// Nobody, or another one, has that name.
    AnotherName,
}

/// The kernel links each stacked device as `upper_NAME` (`netdev_adjacent_sysfs_add`, net/core/dev.c), Open vSwitch's too.
fn seen(sysfs: &Sysfs, name: &IfName, index: u32) -> Result<Seen, SysfsError> {
    match sysfs.interface(name) {
        Ok((found, entries)) if found == index => {
            let mut uppers = entries.iter().filter_map(|entry| entry.strip_prefix("upper_"));
            Ok(uppers
                .next()
                .map_or(Seen::Nothing, |upper| Seen::Upper(upper.to_owned())))
        }
        Ok(_) => Ok(Seen::AnotherName),
        Err(error) if error.is_missing() => Ok(Seen::AnotherName),
        Err(error) => Err(error),
    }
}

/// The name of what stands on an interface, in its own namespace.
fn upper(socket: &mut Socket, sysfs: &Sysfs, netdev: &Netdev) -> Result<Option<String>, NodeUseError> {
    let mut name = netdev.name.clone();
    let (mut nothing, mut renamed) = (0, 0);
    loop {
        match seen(sysfs, &name, netdev.index)? {
            Seen::Upper(upper) => return Ok(Some(upper)),
            Seen::Nothing => nothing += 1,
            Seen::AnotherName => renamed += 1,
        }
        if nothing == LOOKS {
            return Ok(None);
        }
        if renamed == RENAMES {
            return Err(NodeUseError::Renamed(netdev.name.clone()));
        }
        let link = socket.link_by_index(netdev.index)?;
        let link = link.ok_or_else(|| NodeUseError::Gone(name.clone()))?;
        if let Some(master) = link.master {
            let named = socket.link_by_index(master)?.map(|master| master.name);
            return Ok(Some(named.unwrap_or_else(|| unnamed(master))));
        }
        name = link.name.parse()?;
    }
}

fn unnamed(index: u32) -> String {
    format!("the interface with index {index}")
}

fn default_route(socket: &mut Socket, netdev: &Netdev) -> Result<Option<NodeUse>, NetlinkError> {
    let routes = socket.default_routes(netdev.index)?;
    Ok(routes.first().map(|route| NodeUse::DefaultRoute {
        v6: route.v6,
        table: route.table,
    }))
}

fn address_among(addresses: &[InterfaceAddress], netdev: &Netdev) -> Option<NodeUse> {
    let is_the_nodes = |address: &&InterfaceAddress| address.interface == netdev.index && may_be_lived_on(address);
    let found = addresses.iter().find(is_the_nodes)?;
    Some(NodeUse::Address(found.address))
}

/// Whether the node may be reached at an address from beyond its link: not of a link-local range nor meant for its link only.
/// One of host scope is answered for on every interface, so it counts.
fn may_be_lived_on(address: &InterfaceAddress) -> bool {
    let link_local = match address.address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_loopback(),
    };
    address.scope != RT_SCOPE_LINK && !link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_5_an_address_that_is_seen_beyond_its_link_is_the_nodes() {
        let counts = |address: &str, scope| {
            may_be_lived_on(&InterfaceAddress {
                interface: 1,
                address: address.parse().unwrap(),
                prefix_len: 24,
                scope,
                flags: 0,
            })
        };
        for (address, scope, expected) in [
            ("192.0.2.1", 0, true),
            ("10.0.0.1", 200, true),
            ("192.0.2.1", 254, true),
            ("2001:db8::1", 0, true),
            ("192.0.2.1", RT_SCOPE_LINK, false),
            ("169.254.1.1", 0, false),
            ("127.0.0.1", 254, false),
            ("fe80::1", 253, false),
            ("::1", 254, false),
        ] {
            assert_eq!(counts(address, scope), expected, "{address} scope {scope}");
        }
    }
}
