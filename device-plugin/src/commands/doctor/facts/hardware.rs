//! The witness sysfs: what each device is, what drives it, and whether its PF is up.

use std::collections::{BTreeMap, BTreeSet};

use hardwire_pci::{DeviceId, Function, Sysfs};

use super::iommu::Iommu;
use super::places::Places;
use crate::config::{Config, is_vfio};
use crate::pools::{Assignment, Hardware, assign, find_uppers, upper_uses};

/// Which devices there are, and what sysfs says of them besides.
#[derive(Debug, Default)]
pub struct HardwareFacts {
    /// All devices.
    pub hardware: Hardware,
    /// Which pool each is in.
    pub assignment: Assignment,
    /// The interfaces of PFs.
    pub links: BTreeMap<DeviceId, PfLink>,
    /// Drivers that the kernel has.
    pub drivers: BTreeSet<String>,
    /// Of devices without a driver: the one that alone may take it (`driver_override`).
    pub overrides: BTreeMap<DeviceId, String>,
    /// Devices bound to VFIO that nobody has open: the kernel enables the function for who opens it.
    pub closed: BTreeSet<DeviceId>,
    /// Why the list of devices cannot be read.
    pub unreadable: Option<String>,
    /// The IOMMU.
    pub iommu: Iommu,
}

/// The interface of a PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PfLink {
    /// Its name.
    pub name: String,
    /// Whether it is set up; none where sysfs does not tell.
    pub is_up: Option<bool>,
    /// Whether it has a carrier; none where that is not known.
    pub has_carrier: Option<bool>,
}

/// `IFF_UP`.
const UP: u32 = 1;

// === impl HardwareFacts ===

impl HardwareFacts {
    /// Reads everything. `config` says which pools there are.
    pub fn read(places: &Places, config: &Config) -> Self {
        let sysfs = places.sysfs();
        let mut hardware = Hardware::read(&sysfs);
        hardware.read_details(&sysfs, &config.pools);
        if let Ok(uppers) = find_uppers(&sysfs) {
            hardware.upper_uses = upper_uses(&uppers, &hardware.inventory);
        }
        let (mut links, mut overrides, mut closed) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for device in &hardware.inventory.devices {
            if let (Function::Pf { .. }, Some(netdev)) = (&device.function, device.netdev()) {
                links.insert(device.id.clone(), PfLink::read(&sysfs, netdev.name.as_str()));
            }
            if let (None, Some(address)) = (&device.driver, device.id.pci()) {
                let file = sysfs.path(format!("bus/pci/devices/{address}/driver_override"));
                let named = sysfs.optional_text(&file).filter(|name| name != "(null)");
                overrides.extend(named.map(|name| (device.id.clone(), name)));
            }
            if let (Some(true), Some(address)) = (device.driver.as_deref().map(is_vfio), device.id.pci()) {
                let enabled = sysfs.optional_text(&sysfs.path(format!("bus/pci/devices/{address}/enable")));
                closed.extend((enabled.as_deref() == Some("0")).then(|| device.id.clone()));
            }
        }
        let drivers = sysfs.names(&sysfs.path("bus/pci/drivers")).into_iter().collect();
        Self {
            assignment: assign(&hardware, &config.pools),
            links,
            drivers,
            overrides,
            closed,
            unreadable: unreadable(&sysfs),
            iommu: Iommu::read(places, &sysfs),
            hardware,
        }
    }

    /// A device as a person knows it: its interface, where it has one, and its id.
    pub fn called(&self, id: &DeviceId) -> String {
        match self.links.get(id) {
            Some(link) => format!("{} ({id})", link.name),
            None => id.to_string(),
        }
    }
}

/// Why the list of PCI devices cannot be read, if it cannot.
fn unreadable(sysfs: &Sysfs) -> Option<String> {
    let list = sysfs.path("bus/pci/devices");
    let error = std::fs::read_dir(&list).err()?;
    Some(format!("{}: {error}", list.display()))
}

// === impl PfLink ===

impl PfLink {
    fn read(sysfs: &Sysfs, name: &str) -> Self {
        let directory = sysfs.path("class/net").join(name);
        let flags = sysfs.optional_text(&directory.join("flags"));
        let flags = flags.and_then(|text| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok());
        let carrier = sysfs.optional_text(&directory.join("carrier"));
        Self {
            name: name.to_owned(),
            is_up: flags.map(|flags| flags & UP != 0),
            has_carrier: carrier.map(|carrier| carrier == "1"),
        }
    }
}
