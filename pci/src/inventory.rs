//! Every network device of the node.

use crate::address::PciAddress;
use crate::char_devices::is_userspace_driver;
use crate::device::{BaseClass, Device, Function};
use crate::id::{AuxiliaryName, DeviceId, NetdevsimPort};
use crate::identity::Identity;
use crate::in_common::InCommon;
use crate::parallel::in_parallel;
use crate::read::{netdevsim_ports, read_identified};
use crate::read_device::read_device;
use crate::read_error::ReadError;
use crate::sysfs::{Directory, Sysfs};

/// The type of subfunctions in the names of the auxiliary bus (`MLX5_SF_DEV_ID_NAME`, mlx5/core/sf/dev/dev.h).
const SUBFUNCTION: &str = "sf";

/// All devices, in the order of their ids, and those that could not be read.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// What was read.
    pub devices: Vec<Device>,
    /// What was not, and why. One bad device never hides the others.
    pub skipped: Vec<Skipped>,
}

/// A device that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name in sysfs.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Inventory {
    /// Reads all network devices and accelerators on the buses `pci`, `auxiliary` and `netdevsim`.
    pub fn read(sysfs: &Sysfs) -> Self {
        let mut inventory = Self::default();
        inventory.read_pci(sysfs);
        inventory.read_auxiliary(sysfs);
        inventory.read_netdevsim(sysfs);
        inventory.devices.sort_by(|a, b| a.id.cmp(&b.id));
        inventory
    }

    /// Reads these PCI functions anew, those that are new or gone among them.
    pub fn reread_pci(&mut self, sysfs: &Sysfs, addresses: impl IntoIterator<Item = PciAddress>) {
        let (bus, mut common, mut known) = (pci_bus(sysfs), InCommon::default(), Vec::new());
        for address in addresses {
            let name = address.to_string();
            let (before, others): (Vec<Device>, _) = std::mem::take(&mut self.devices)
                .into_iter()
                .partition(|device| device.id.pci() == Some(address));
            self.devices = others;
            self.skipped.retain(|skipped| skipped.name != name);
            if let Some(bus) = bus.as_ref().filter(|bus| bus.path().join(&name).exists()) {
                self.read_pci_function(sysfs, bus, &name, &mut common);
                known.extend(before);
            }
        }
        self.devices.sort_by(|a, b| a.id.cmp(&b.id));
        self.keep_ports(sysfs, known);
    }

    /// Keeps the ports of functions that had several: their interfaces may be in pods, and the devices are here all the same.
    pub fn keep_ports(&mut self, sysfs: &Sysfs, before: impl IntoIterator<Item = Device>) {
        for port in before.into_iter().filter(|device| device.id.is_further_port()) {
            self.keep_port(sysfs, &port.id);
        }
    }

    /// Keeps one, which sysfs shows only where its interface is, as long as its function has a driver of the kernel's. What
    /// it leaves alone on the host is then known to be another port than the first.
    pub fn keep_port(&mut self, sysfs: &Sysfs, id: &DeviceId) {
        let Some(function) = id.pci().filter(|_| self.get(id).is_none()) else {
            return;
        };
        let first = self
            .devices
            .iter_mut()
            .find(|device| device.id == DeviceId::Pci(function));
        let Some(first) = first.filter(|first| first.driver.as_deref().is_some_and(|d| !is_userspace_driver(d))) else {
            return;
        };
        let Ok(port) = read_device(sysfs, id) else { return };
        if port.id != *id {
            return;
        }
        first
            .netdevs
            .retain(|netdev| port.netdevs.iter().all(|own| own.index != netdev.index));
        let at = self.devices.partition_point(|device| device.id < port.id);
        self.devices.insert(at, port);
    }

    /// Reads all ports of these netdevsim devices anew.
    pub fn reread_netdevsim(&mut self, sysfs: &Sysfs, devices: impl IntoIterator<Item = u32>) {
        for number in devices {
            let name = format!("netdevsim{number}");
            let is_its = |id: &DeviceId| matches!(id, DeviceId::Netdevsim(port) if port.device == number);
            self.devices.retain(|device| !is_its(&device.id));
            self.skipped.retain(|skipped| skipped.name != name);
            if sysfs.path("bus/netdevsim/devices").join(&name).exists() {
                self.read_netdevsim_ports(sysfs, number);
            }
        }
        self.devices.sort_by(|a, b| a.id.cmp(&b.id));
    }

    /// The device with this id.
    pub fn get(&self, id: &DeviceId) -> Option<&Device> {
        self.devices
            .binary_search_by(|device| device.id.cmp(id))
            .ok()
            .and_then(|at| self.devices.get(at))
    }

    /// The PF of a VF, where it is to be seen.
    pub fn pf_of(&self, device: &Device) -> Option<&Device> {
        self.get(device.pf()?)
    }

    fn read_pci(&mut self, sysfs: &Sysfs) {
        let Some(bus) = pci_bus(sysfs) else { return };
        let mut names = Vec::new();
        bus.each_name(|name| names.push(name.to_owned()));
        names.sort_unstable();
        // Neighbours share a PF, whose VFs are listed once for all of them.
        let parts = in_parallel(&names, |share| {
            let (mut part, mut common) = (Self::default(), InCommon::default());
            for name in share {
                part.read_pci_function(sysfs, &bus, name, &mut common);
            }
            part
        });
        for part in parts {
            self.join(part);
        }
    }

    fn join(&mut self, part: Self) {
        self.devices.extend(part.devices);
        self.skipped.extend(part.skipped);
    }

    fn read_pci_function(&mut self, sysfs: &Sysfs, bus: &Directory, name: &str, common: &mut InCommon) {
        let identified = bus
            .below(name)
            .and_then(|directory| Ok((Identity::read(&directory)?, directory)));
        match (identified, name.parse::<PciAddress>()) {
            (Ok((identity, _)), _) if BaseClass::of(identity.class).is_none() => {}
            (Ok((identity, directory)), Ok(address)) => {
                self.take(name, read_identified(sysfs, &directory, address, identity, common));
            }
            (Err(error), _) => self.skip(name, &error),
            (_, Err(error)) => self.skip(name, &error),
        }
    }

    /// Subfunctions only: the bus also holds the parts of one function that different drivers share (`mlx5_core.eth.0`).
    fn read_auxiliary(&mut self, sysfs: &Sysfs) {
        for name in sysfs.names(&sysfs.path("bus/auxiliary/devices")) {
            let Some(auxiliary) = AuxiliaryName::parse(&name).filter(|name| name.kind() == SUBFUNCTION) else {
                continue;
            };
            match read_device(sysfs, &DeviceId::Auxiliary(auxiliary)) {
                Ok(device) if matches!(device.function, Function::Sf { number: None, .. }) => {
                    self.skip(&name, &"it has no sfnum");
                }
                device => self.take(&name, device),
            }
        }
    }

    fn read_netdevsim(&mut self, sysfs: &Sysfs) {
        for name in sysfs.names(&sysfs.path("bus/netdevsim/devices")) {
            match name.strip_prefix("netdevsim").and_then(|n| n.parse().ok()) {
                Some(device) => self.read_netdevsim_ports(sysfs, device),
                None => self.skip(&name, &"not named netdevsimN"),
            }
        }
    }

    fn read_netdevsim_ports(&mut self, sysfs: &Sysfs, device: u32) {
        let name = format!("netdevsim{device}");
        match netdevsim_ports(sysfs, device) {
            Ok(ports) => {
                for (port, _) in ports {
                    let id = DeviceId::Netdevsim(NetdevsimPort { device, port });
                    self.take(&name, read_device(sysfs, &id));
                }
            }
            Err(error) => self.skip(&name, &error),
        }
    }

    fn take(&mut self, name: &str, device: Result<Device, ReadError>) {
        match device {
            Ok(device) => self.devices.extend(device.split()),
            // Unplugged while the directory was being read: it is not there, which is no failure.
            Err(ReadError::Missing(_)) => {}
            Err(error) => self.skip(name, &error),
        }
    }

    fn skip(&mut self, name: &str, reason: &impl ToString) {
        self.skipped.push(Skipped {
            name: name.to_owned(),
            reason: reason.to_string(),
        });
    }
}

/// The directory of all PCI functions; none on a machine without.
fn pci_bus(sysfs: &Sysfs) -> Option<Directory> {
    Directory::open(sysfs.path("bus/pci/devices")).ok()
}

#[cfg(test)]
#[path = "inventory_tests/mod.rs"]
mod tests;
