//! One look at the node: its devices, and what the node itself uses them for (rule 5, "never the node's own NIC").

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use hardwire_pci::netlink::{NetlinkError, Socket};
use hardwire_pci::{Device, DeviceId, Inventory, Netdev, NodeUse, Sysfs, node_use};

use super::details;
use crate::config::{Asked, Details, Pool, Subject};

/// Devices and their use by the node.
#[derive(Debug, Clone, Default)]
pub struct Hardware {
    /// Every network device.
    pub inventory: Inventory,
    /// Those that the node uses itself, or may use: what cannot be found out counts as a use.
    pub claims: BTreeMap<DeviceId, Claim>,
    /// What selectors ask for besides.
    pub details: BTreeMap<DeviceId, Details>,
}

/// Why a device may not be given away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The node uses it.
    Used(NodeUse),
    /// Nobody knows.
    Unknown(String),
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used(by) => by.fmt(f),
            Self::Unknown(error) => write!(f, "whether the node uses it is not known ({error})"),
        }
    }
}

// === impl Hardware ===

impl Hardware {
    /// Reads the tree, and asks the kernel about the interfaces in it.
    pub fn read(sysfs: &Sysfs) -> Self {
        let inventory = Inventory::read(sysfs);
        let mut asking = Asking::new(sysfs);
        let claims = inventory
            .devices
            .iter()
            .filter_map(|device| Some((device.id.clone(), asking.claim(device)?)))
            .collect();
        Self {
            inventory,
            claims,
            details: BTreeMap::new(),
        }
    }

    /// Reads what the selectors of these pools ask for. Without it, selectors by such details match nothing. Of what was read
    /// before, an answer that took a process is kept, and so is one that cannot be given while a link is down.
    pub fn read_details(&mut self, sysfs: &Sysfs, pools: &[Pool]) {
        let asked: Asked = pools.iter().flat_map(Pool::asks).collect();
        self.details = details::read(sysfs, &self.inventory, &asked, &self.details);
    }

    /// A device as selectors look at it.
    pub fn subject<'a>(&'a self, device: &'a Device) -> Subject<'a> {
        let pf = self.inventory.pf_of(device);
        Subject {
            device,
            pf,
            details: self.details.get(&device.id),
            pf_details: pf.and_then(|pf| self.details.get(&pf.id)),
        }
    }

    /// The name of a VF's PF, where it shows one.
    pub fn pf_name(&self, device: &Device) -> Option<&str> {
        let pf = self.inventory.pf_of(device)?;
        pf.netdev().map(|netdev| netdev.name.as_str())
    }
}

struct Asking<'a> {
    sysfs: &'a Sysfs,
    socket: Result<Socket, NetlinkError>,
    /// The tree is the kernel's, not a copy or a test's.
    live: bool,
}

// === impl Asking ===

impl<'a> Asking<'a> {
    fn new(sysfs: &'a Sysfs) -> Self {
        Self {
            sysfs,
            socket: Socket::open(),
            live: sysfs.path("") == Path::new("/sys"),
        }
    }

    fn claim(&mut self, device: &Device) -> Option<Claim> {
        device.netdevs.iter().find_map(|netdev| self.netdev(netdev))
    }

    fn netdev(&mut self, netdev: &Netdev) -> Option<Claim> {
        let socket = match &mut self.socket {
            Ok(socket) => socket,
            Err(error) => return Some(Claim::Unknown(error.to_string())),
        };
        // Indices of another tree mean other interfaces here, or none.
        if !self.live {
            match socket.link_by_index(netdev.index) {
                Ok(Some(link)) if link.name == netdev.name.as_str() => {}
                _ => return None,
            }
        }
        match node_use(socket, self.sysfs, netdev) {
            Ok(found) => found.map(Claim::Used),
            // It went away since the tree was read.
            Err(error) if error.is_missing() => None,
            Err(error) => Some(Claim::Unknown(error.to_string())),
        }
    }
}
