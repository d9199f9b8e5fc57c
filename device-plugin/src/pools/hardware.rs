//! One look at the node: its devices, and what the node itself uses them for. The node's own NIC is never given away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use hardwire_pci::netlink::{NetlinkError, Socket};
use hardwire_pci::{Device, DeviceId, Function, Inventory, Netdev, NodeUse, NodeUses, Sysfs, node_use};

use super::details;
use crate::config::{Asked, Candidate, Details, Pool};
use crate::events::DevicePath;

/// Up to so many devices are asked about one by one; for more, the kernel is asked for everything once.
const SINGLY: usize = 16;

/// Devices and their use by the node.
#[derive(Debug, Clone, Default)]
pub struct Hardware {
    /// Every network device.
    pub inventory: Inventory,
    /// Those that the node uses itself, or may use: what cannot be found out counts as a use.
    pub host_uses: BTreeMap<DeviceId, HostUse>,
    /// Those that have an upper device in another namespace.
    pub upper_uses: BTreeMap<DeviceId, HostUse>,
    /// PFs and plain functions whose interface has no carrier.
    pub carrierless: BTreeSet<DeviceId>,
    /// What selectors ask for besides.
    pub details: BTreeMap<DeviceId, Details>,
}

/// What is to be read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stale {
    /// Everything.
    pub all: bool,
    /// What these devices are.
    pub paths: BTreeSet<DevicePath>,
    /// Whether the node uses these.
    pub used: BTreeSet<DeviceId>,
    /// Whether the node uses any.
    pub all_used: bool,
    /// Which character devices these have.
    pub character_devices: BTreeSet<DevicePath>,
    /// Which there are that belong to no device.
    pub all_character_devices: bool,
}

impl Stale {
    /// Everything.
    pub fn everything() -> Self {
        Self {
            all: true,
            all_character_devices: true,
            ..Self::default()
        }
    }

    /// Whether what containers get with this device is to be read again, though the device be the same.
    pub fn has_stale_character_devices(&self, id: &DeviceId) -> bool {
        let is_its = |path: DevicePath| self.character_devices.contains(&path);
        self.all_character_devices || DevicePath::of_device(id).is_some_and(is_its)
    }
}

/// Why a device may not be given away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostUse {
    /// The node uses it.
    Used(NodeUse),
    /// Nobody knows.
    Unknown(String),
}

impl fmt::Display for HostUse {
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
        let mut hardware = Self {
            inventory: Inventory::read(sysfs),
            ..Self::default()
        };
        hardware.ask(sysfs, |_| true);
        hardware
    }

    /// Reads again what is stale, and nothing else.
    pub fn reread(&mut self, sysfs: &Sysfs, stale: &Stale) {
        let paths = self.with_pfs(&stale.paths);
        let is_auxiliary = |path: &DevicePath| matches!(path, DevicePath::Auxiliary(_));
        // What a subfunction hangs below, and what hangs below it, may be anything.
        if stale.all || paths.iter().any(is_auxiliary) {
            let details = std::mem::take(&mut self.details);
            let before = std::mem::take(&mut self.inventory);
            *self = Self::read(sysfs);
            self.inventory.keep_ports(sysfs, before.devices);
            self.details = details;
            return;
        }
        let pci = paths.iter().filter_map(|path| match path {
            DevicePath::Pci(address) => Some(*address),
            _ => None,
        });
        self.inventory.reread_pci(sysfs, pci);
        let netdevsim = paths.iter().filter_map(|path| match path {
            DevicePath::Netdevsim(number) => Some(*number),
            _ => None,
        });
        self.inventory.reread_netdevsim(sysfs, netdevsim);
        let is_stale = |id: &DeviceId| {
            stale.all_used
                || stale.used.contains(id)
                || DevicePath::of_device(id).is_some_and(|path| paths.contains(&path))
        };
        self.ask(sysfs, is_stale);
    }

    /// A VF that comes or goes changes its PF too.
    fn with_pfs(&self, paths: &BTreeSet<DevicePath>) -> BTreeSet<DevicePath> {
        let its_pf = |path: &DevicePath| match path {
            DevicePath::Pci(address) => {
                let device = self.inventory.get(&DeviceId::Pci(*address))?;
                DevicePath::of_device(device.pf()?)
            }
            DevicePath::Netdevsim(_) | DevicePath::Auxiliary(_) => None,
        };
        let pfs: Vec<DevicePath> = paths.iter().filter_map(its_pf).collect();
        paths.iter().cloned().chain(pfs).collect()
    }

    /// Asks whether the node uses these devices, and whether those of them that are PFs have a carrier.
    fn ask(&mut self, sysfs: &Sysfs, is_stale: impl Fn(&DeviceId) -> bool) {
        let (inventory, is_there) = (&self.inventory, |id: &DeviceId| self.inventory.get(id).is_some());
        self.host_uses.retain(|id, _| is_there(id) && !is_stale(id));
        self.carrierless.retain(|id| is_there(id) && !is_stale(id));
        let devices: Vec<&Device> = inventory.devices.iter().filter(|device| is_stale(&device.id)).collect();
        let mut asking = Asking::new(sysfs, devices.len() > SINGLY);
        for device in devices {
            self.host_uses
                .extend(asking.host_use(device).map(|host_use| (device.id.clone(), host_use)));
            if has_no_carrier(sysfs, device) {
                self.carrierless.insert(device.id.clone());
            }
        }
    }

    /// Why a device may not be given away.
    pub fn host_use(&self, id: &DeviceId) -> Option<&HostUse> {
        self.host_uses.get(id).or_else(|| self.upper_uses.get(id))
    }

    /// The device that an interface of the host belongs to.
    pub fn owner_of(&self, interface: u32) -> Option<&Device> {
        let has_it = |device: &&Device| device.netdevs.iter().any(|netdev| netdev.index == interface);
        self.inventory.devices.iter().find(has_it)
    }

    /// Reads what the selectors of these pools ask for. Without it, selectors by such details match nothing. Of what was read
    /// before, a speed is kept that cannot be read while a link is down. DDP profiles are for [`super::Profiles`] to know.
    pub fn read_details(&mut self, sysfs: &Sysfs, pools: &[Pool]) {
        let asked: Asked = pools.iter().flat_map(Pool::asks).collect();
        self.details = details::read(sysfs, &self.inventory, &asked, &self.details);
    }

    /// A device as selectors look at it.
    pub fn candidate<'a>(&'a self, device: &'a Device) -> Candidate<'a> {
        let pf = self.inventory.pf_of(device);
        Candidate {
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

/// Whether the interface of a PF or of a plain function says so; one that is not to be seen says nothing. The file of one
/// that is down cannot be read (`carrier_show`, net/core/net-sysfs.c).
fn has_no_carrier(sysfs: &Sysfs, device: &Device) -> bool {
    let (Function::Pf { .. } | Function::Plain, Some(netdev)) = (&device.function, device.netdev()) else {
        return false;
    };
    let file = sysfs.path("class/net").join(netdev.name.as_str()).join("carrier");
    match sysfs.number::<u32>(&file) {
        Ok(carrier) => carrier == 0,
        Err(error) => !error.is_missing(),
    }
}

struct Asking<'a> {
    sysfs: &'a Sysfs,
    socket: Result<Socket, NetlinkError>,
    /// The answers, where all was asked at once.
    uses: Option<NodeUses>,
    /// The tree is the kernel's, not a copy or a test's.
    live: bool,
}

// === impl Asking ===

impl<'a> Asking<'a> {
    fn new(sysfs: &'a Sysfs, at_once: bool) -> Self {
        let live = sysfs.path("") == Path::new("/sys");
        let mut socket = Socket::open();
        let uses = match &mut socket {
            // What cannot be had at once is asked for singly, and told of there.
            Ok(socket) if live && at_once => NodeUses::read(socket).ok(),
            _ => None,
        };
        Self {
            sysfs,
            socket,
            uses,
            live,
        }
    }

    fn host_use(&mut self, device: &Device) -> Option<HostUse> {
        device.netdevs.iter().find_map(|netdev| self.netdev(netdev))
    }

    fn netdev(&mut self, netdev: &Netdev) -> Option<HostUse> {
        let socket = match &mut self.socket {
            Ok(socket) => socket,
            Err(error) => return Some(HostUse::Unknown(error.to_string())),
        };
        // Indices of another tree mean other interfaces here, or none.
        if !self.live {
            match socket.link_by_index(netdev.index) {
                Ok(Some(link)) if link.name == netdev.name.as_str() => {}
                _ => return None,
            }
        }
        let found = match &mut self.uses {
            Some(uses) => uses.of(socket, self.sysfs, netdev),
            None => node_use(socket, self.sysfs, netdev),
        };
        match found {
            Ok(found) => found.map(HostUse::Used),
            // It went away since the tree was read.
            Err(error) if error.is_gone() => None,
            Err(error) => Some(HostUse::Unknown(error.to_string())),
        }
    }
}
