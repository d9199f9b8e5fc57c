//! Reading one device out of sysfs.
//!
//! Contract: `/sys/bus/pci/devices/A/{vendor,device,class,driver,numa_node,iommu_group,physfn,virtfnN,sriov_*,net/,virtioN/net/}`
//! and `/sys/bus/netdevsim/devices/netdevsimN/{net/,sriov_numvfs}` (Documentation/ABI/testing/sysfs-bus-pci,
//! drivers/net/netdevsim/bus.c).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::address::PciAddress;
use crate::device::{Device, Function, Netdev, Vdpa, VdpaDriver, Vf};
use crate::id::{DeviceId, NetdevsimPort, PortName};
use crate::ifname::IfName;
use crate::sysfs::{Sysfs, SysfsError};

/// A device that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such device.
    #[error("no such device: {0}")]
    Missing(DeviceId),
    /// One of its files is unreadable.
    #[error(transparent)]
    Sysfs(#[from] SysfsError),
}

impl Device {
    /// The directory of a device in the tree.
    pub fn directory(sysfs: &Sysfs, id: &DeviceId) -> PathBuf {
        match id {
            DeviceId::Pci(address) => sysfs.path(format!("bus/pci/devices/{address}")),
            DeviceId::Netdevsim(port) => sysfs.path(format!("bus/netdevsim/devices/netdevsim{}", port.device)),
            DeviceId::Auxiliary(name) => sysfs.path(format!("bus/auxiliary/devices/{}", name.as_str())),
            DeviceId::Interface(name) => sysfs.path(format!("class/net/{name}")),
        }
    }
}

/// Reads one device. Its interfaces are those in the network namespace of the sysfs mount.
pub fn read_device(sysfs: &Sysfs, id: &DeviceId) -> Result<Device, ReadError> {
    match id {
        DeviceId::Pci(address) => read_pci_device(sysfs, *address, &mut VfIndices::default()),
        DeviceId::Netdevsim(port) => netdevsim(sysfs, port),
        DeviceId::Auxiliary(_) => auxiliary(sysfs, id),
        DeviceId::Interface(name) => interface(sysfs, name),
    }
}

/// The VFs of each PF, read once for all of them: a node may have a thousand.
#[derive(Debug, Default)]
pub(crate) struct VfIndices(HashMap<PciAddress, HashMap<PciAddress, u32>>);

impl VfIndices {
    fn of(&mut self, sysfs: &Sysfs, pf: PciAddress, vf: PciAddress) -> Option<u32> {
        let vfs = self
            .0
            .entry(pf)
            .or_insert_with(|| virtfns(sysfs, pf).map(|(index, vf)| (vf, index)).collect());
        vfs.get(&vf).copied()
    }
}

/// Reads a PCI function, with what is known of VFs so far.
pub(crate) fn read_pci_device(
    sysfs: &Sysfs,
    address: PciAddress,
    indices: &mut VfIndices,
) -> Result<Device, ReadError> {
    let id = DeviceId::Pci(address);
    let directory = Device::directory(sysfs, &id);
    let vendor = match sysfs.hex(&directory.join("vendor"), 4) {
        Err(error) if error.is_missing() && !directory.exists() => return Err(ReadError::Missing(id)),
        vendor => vendor?,
    };
    Ok(Device {
        vendor: format!("{vendor:04x}"),
        device: format!("{:04x}", sysfs.hex(&directory.join("device"), 4)?),
        class: sysfs.hex(&directory.join("class"), 6)?,
        driver: sysfs.link_name(&directory.join("driver")),
        // -1 where the firmware does not say.
        numa_node: sysfs
            .number::<i64>(&directory.join("numa_node"))
            .ok()
            .and_then(|node| u32::try_from(node).ok()),
        iommu_group: sysfs
            .link_name(&directory.join("iommu_group"))
            .and_then(|group| group.parse().ok()),
        acpi_index: sysfs.optional_text(&directory.join("acpi_index")),
        rdma: sysfs.names(&directory.join("infiniband")),
        vdpa: vdpa(sysfs, &directory),
        netdevs: netdevs(sysfs, &pci_net_directories(sysfs, &directory))?,
        function: pci_function(sysfs, &directory, address, indices)?,
        id,
    })
}

/// The vDPA devices below a function: `vdpaN`, with a driver of bus vdpa (drivers/vdpa/vdpa.c).
fn vdpa(sysfs: &Sysfs, directory: &Path) -> Vec<Vdpa> {
    let is_vdpa = |name: &String| {
        let number = name.strip_prefix("vdpa");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let names = sysfs.names(directory).into_iter().filter(is_vdpa);
    let read = |name: String| Vdpa {
        driver: match sysfs.link_name(&directory.join(&name).join("driver")).as_deref() {
            Some("vhost_vdpa") => Some(VdpaDriver::Vhost),
            Some("virtio_vdpa") => Some(VdpaDriver::Virtio),
            _ => None,
        },
        name,
    };
    names.map(read).collect()
}

/// `net`, or a virtio device's: its interfaces hang below the virtio function, one level deeper.
pub(crate) fn pci_net_directories(sysfs: &Sysfs, directory: &Path) -> Vec<PathBuf> {
    let own = directory.join("net");
    if own.is_dir() {
        return vec![own];
    }
    let virtio = sysfs
        .names(directory)
        .into_iter()
        .filter(|name| name.starts_with("virtio"));
    virtio
        .map(|name| directory.join(name).join("net"))
        .filter(|net| net.is_dir())
        .collect()
}

fn pci_function(
    sysfs: &Sysfs,
    directory: &Path,
    address: PciAddress,
    indices: &mut VfIndices,
) -> Result<Function, ReadError> {
    if let Some(pf) = sysfs.link_name(&directory.join("physfn")) {
        let Ok(pf) = pf.parse::<PciAddress>() else {
            return Ok(Function::Vf { pf: None, index: None });
        };
        let index = indices.of(sysfs, pf, address);
        return Ok(Function::Vf {
            pf: Some(DeviceId::Pci(pf)),
            index,
        });
    }
    let total_vfs = match sysfs.number(&directory.join("sriov_totalvfs")) {
        Ok(total) => total,
        Err(error) if error.is_missing() => return Ok(Function::Plain),
        Err(error) => return Err(error.into()),
    };
    let num_vfs = sysfs.number(&directory.join("sriov_numvfs"))?;
    let vfs = virtfns(sysfs, address)
        .map(|(index, vf)| Vf {
            index,
            id: DeviceId::Pci(vf),
        })
        .collect();
    Ok(Function::Pf {
        total_vfs,
        num_vfs,
        vfs,
    })
}

/// The VFs of a PF: `virtfn0`, `virtfn1`, ... without a gap, as `sriov_enable` makes them.
fn virtfns(sysfs: &Sysfs, pf: PciAddress) -> impl Iterator<Item = (u32, PciAddress)> + use<> {
    let sysfs = sysfs.clone();
    let directory = Device::directory(&sysfs, &DeviceId::Pci(pf));
    (0..).map_while(move |index: u32| {
        let vf = sysfs.link_name(&directory.join(format!("virtfn{index}")))?;
        Some((index, vf.parse().ok()?))
    })
}

fn netdevsim(sysfs: &Sysfs, port: &NetdevsimPort) -> Result<Device, ReadError> {
    let id = DeviceId::Netdevsim(port.clone());
    let directory = Device::directory(sysfs, &id);
    let ports = netdevsim_ports(sysfs, port.device)?;
    // The VF ports all belong to the device; their PF is its first uplink, which takes VF requests for each of them.
    let pf = ports.iter().filter_map(|(name, _)| match name {
        PortName::Physical(_) => Some(*name),
        PortName::Vf { .. } | PortName::Sf { .. } => None,
    });
    let pf = pf.min().map(|name| {
        DeviceId::Netdevsim(NetdevsimPort {
            device: port.device,
            port: name,
        })
    });
    let function = match port.port {
        PortName::Vf { vf, .. } => Function::Vf { pf, index: Some(vf) },
        PortName::Physical(_) if pf.as_ref() == Some(&id) => Function::Pf {
            total_vfs: u32::MAX,
            num_vfs: sysfs.number(&directory.join("sriov_numvfs"))?,
            vfs: ports
                .iter()
                .filter_map(|(name, _)| netdevsim_vf(port.device, *name))
                .collect(),
        },
        PortName::Physical(_) | PortName::Sf { .. } => Function::Plain,
    };
    let netdev = ports
        .into_iter()
        .find(|(name, _)| *name == port.port)
        .map(|(_, netdev)| netdev);
    let netdev = netdev.ok_or_else(|| ReadError::Missing(id.clone()))?;
    Ok(Device {
        driver: sysfs.link_name(&directory.join("driver")),
        netdevs: vec![netdev],
        function,
        ..Device::unknown(id)
    })
}

fn netdevsim_vf(device: u32, name: PortName) -> Option<Vf> {
    let PortName::Vf { vf, .. } = name else { return None };
    Some(Vf {
        index: vf,
        id: DeviceId::Netdevsim(NetdevsimPort { device, port: name }),
    })
}

/// The ports of a netdevsim device that have an interface here, by name.
pub(crate) fn netdevsim_ports(sysfs: &Sysfs, device: u32) -> Result<Vec<(PortName, Netdev)>, ReadError> {
    let directory = sysfs.path(format!("bus/netdevsim/devices/netdevsim{device}"));
    let netdevs = netdevs(sysfs, &[directory.join("net")])?;
    let mut ports: Vec<_> = netdevs
        .into_iter()
        .filter_map(|netdev| Some((netdev.port?, netdev)))
        .collect();
    ports.sort_by_key(|(name, _)| *name);
    Ok(ports)
}

/// A subfunction. Vendor, device and NUMA node are those of the PCI function that it hangs below.
fn auxiliary(sysfs: &Sysfs, id: &DeviceId) -> Result<Device, ReadError> {
    let directory = Device::directory(sysfs, id);
    if !directory.exists() {
        return Err(ReadError::Missing(id.clone()));
    }
    let parent = directory.canonicalize().ok().and_then(|path| {
        path.ancestors()
            .find_map(|above| above.file_name()?.to_str()?.parse::<PciAddress>().ok())
    });
    let parent = parent.and_then(|address| read_pci_device(sysfs, address, &mut VfIndices::default()).ok());
    Ok(Device {
        driver: sysfs.link_name(&directory.join("driver")),
        netdevs: netdevs(sysfs, &[directory.join("net")])?,
        rdma: sysfs.names(&directory.join("infiniband")),
        function: Function::Sf {
            parent: parent.as_ref().map(|parent| parent.id.clone()),
            number: sysfs.number(&directory.join("sfnum")).ok(),
        },
        vendor: parent.as_ref().map(|p| p.vendor.clone()).unwrap_or_default(),
        device: parent.as_ref().map(|p| p.device.clone()).unwrap_or_default(),
        class: parent.as_ref().map_or(0, |p| p.class),
        numa_node: parent.as_ref().and_then(|p| p.numa_node),
        ..Device::unknown(id.clone())
    })
}

fn interface(sysfs: &Sysfs, name: &IfName) -> Result<Device, ReadError> {
    let id = DeviceId::Interface(name.clone());
    let netdev = netdev(sysfs, &sysfs.path("class/net"), name.as_str())?;
    Ok(Device {
        netdevs: vec![netdev.ok_or_else(|| ReadError::Missing(id.clone()))?],
        ..Device::unknown(id)
    })
}

fn netdevs(sysfs: &Sysfs, directories: &[PathBuf]) -> Result<Vec<Netdev>, ReadError> {
    let mut found = Vec::new();
    for directory in directories {
        for name in sysfs.names(directory) {
            found.extend(netdev(sysfs, directory, &name)?);
        }
    }
    Ok(found)
}

/// One interface; `None` if it went away meanwhile, or was renamed, which looks the same.
fn netdev(sysfs: &Sysfs, directory: &Path, name: &str) -> Result<Option<Netdev>, ReadError> {
    let Ok(ifname) = name.parse::<IfName>() else {
        return Ok(None);
    };
    let attribute = |file: &str| directory.join(name).join(file);
    let index = match sysfs.number(&attribute("ifindex")) {
        Err(error) if error.is_missing() => return Ok(None),
        index => index?,
    };
    Ok(Some(Netdev {
        name: ifname,
        index,
        mac: sysfs
            .optional_text(&attribute("address"))
            .and_then(|mac| mac.parse().ok()),
        mtu: sysfs.number(&attribute("mtu"))?,
        link_type: sysfs.number::<u16>(&attribute("type"))?.into(),
        port: sysfs
            .optional_text(&attribute("phys_port_name"))
            .and_then(|port| PortName::parse(&port)),
        switch_id: sysfs.optional_text(&attribute("phys_switch_id")),
    }))
}
