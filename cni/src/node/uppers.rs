//! The upper devices of the host's interfaces, seen from the other side: links whose lower device (`IFLA_LINK`) is one of them.
//!
//! The kernel shows an upper device at its lower one (`upper_NAME`) only while both are in one namespace
//! (`netdev_adjacent_is_neigh_list`, net/core/dev.c), and a tunnel that is bound to an interface never. A link in another
//! namespace tells the lower device's index and namespace (`IFLA_LINK_NETNSID`, a number of that namespace's own). A look into
//! every namespace takes long, so the daemon does it beside everything else.

use std::fmt;
use std::os::fd::AsFd;

use hardwire_pci::netlink::{NetlinkError, Socket};
use serde::{Deserialize, Serialize};

use crate::netns::{Netns, NetnsError, reachable};

/// An upper device of an interface of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Upper {
    /// Index of the interface on the host.
    pub lower: u32,
    /// Its own name, which a pod may have chosen.
    pub name: String,
    /// `macvlan`, `vlan`, ...
    pub kind: Option<String>,
    /// Inode of its namespace; none for the host's.
    pub netns: Option<u64>,
}

/// Why it is not known which upper devices the host's interfaces have.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The host's namespace cannot be told from others.
    #[error("looking for upper devices of the host's interfaces: {0}")]
    Netns(#[from] NetnsError),
    /// The host's own links cannot be read.
    #[error("looking for upper devices of the host's interfaces: {0}")]
    Netlink(#[from] NetlinkError),
}

impl fmt::Display for Upper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name.escape_debug())?;
        if let Some(kind) = &self.kind {
            write!(f, " ({})", kind.escape_debug())?;
        }
        match self.netns {
            Some(inode) => write!(f, " in network namespace net:[{inode}]"),
            None => Ok(()),
        }
    }
}

/// Looks into every namespace that can be reached; sorted. `host` is the one whose interfaces are asked about, and the calling
/// thread's. One that ends meanwhile has no upper device of anything.
pub fn search(host: &Netns) -> Result<Vec<Upper>, SearchError> {
    let mut found = on_the_host(&mut Socket::open()?)?;
    for netns in reachable() {
        if netns.is_same(host) {
            continue;
        }
        let inode = netns.inode();
        match elsewhere(&netns, host) {
            Ok(uppers) => found.extend(uppers),
            Err(error) => tracing::debug!("net:[{inode}] cannot be looked into: {error}"),
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn on_the_host(socket: &mut Socket) -> Result<Vec<Upper>, NetlinkError> {
    let links = socket.all_links()?.into_iter();
    let here = links.filter(|link| link.lower_netns.is_none());
    let upper = here.filter_map(|link| {
        Some(Upper {
            lower: link.stands_on()?,
            name: link.name,
            kind: link.kind,
            netns: None,
        })
    });
    Ok(upper.collect())
}

fn elsewhere(netns: &Netns, host: &Netns) -> Result<Vec<Upper>, NetnsError> {
    let (inode, path) = (netns.inode(), netns.path().to_owned());
    let asked = |source| NetnsError::Socket { path, source };
    let mut socket = netns.run(Socket::open)?.map_err(asked.clone())?;
    let number = socket.netns_number(host.as_fd()).map_err(asked.clone())?;
    let Some(number) = number else { return Ok(Vec::new()) };
    let links = socket.all_links().map_err(asked)?.into_iter();
    let on_host = links.filter(|link| link.lower_netns == Some(number));
    let upper = on_host.filter_map(|link| {
        Some(Upper {
            lower: link.stands_on()?,
            name: link.name,
            kind: link.kind,
            netns: Some(inode),
        })
    });
    Ok(upper.collect())
}
