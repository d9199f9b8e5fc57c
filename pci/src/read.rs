//! Reading one device out of sysfs.
//!
//! Contract: `/sys/bus/pci/devices/A/{vendor,device,class,driver,numa_node,iommu_group,physfn,virtfnN,sriov_*,net/,virtioN/net/}`
//! and `/sys/bus/netdevsim/devices/netdevsimN/{net/,sriov_numvfs}` (Documentation/ABI/testing/sysfs-bus-pci,
//! drivers/net/netdevsim/bus.c).

use std::path::{Path, PathBuf};

use crate::address::PciAddress;
use crate::device::{Device, Function, Netdev, Vdpa, VdpaDriver, Vf};
use crate::entries::Entries;
use crate::id::{DeviceId, NetdevsimPort, PortName};
use crate::identity::Identity;
use crate::ifname::IfName;
use crate::in_common::{InCommon, has_vdpa_bus};
use crate::netdevs::{Extent, netdevs, one_netdev};
use crate::read_error::ReadError;
use crate::sysfs::{Directory, Sysfs};

/// Reads one device with all its ports; of a further port the whole function.
pub(crate) fn read_whole(sysfs: &Sysfs, id: &DeviceId) -> Result<Device, ReadError> {
    match id {
        DeviceId::Pci(address) | DeviceId::PciPort { function: address, .. } => {
            read_pci_device(sysfs, *address, &mut InCommon::default())
        }
        DeviceId::Netdevsim(port) => netdevsim(sysfs, port),
        DeviceId::Auxiliary(_) => auxiliary(sysfs, id),
        DeviceId::Interface(name) => interface(sysfs, name),
    }
}

/// Reads a PCI function, with what is known of VFs so far.
pub(crate) fn read_pci_device(sysfs: &Sysfs, address: PciAddress, common: &mut InCommon) -> Result<Device, ReadError> {
    let id = DeviceId::Pci(address);
    let directory = match Directory::open(Device::directory(sysfs, &id)) {
        Err(error) if error.is_missing() => return Err(ReadError::Missing(id)),
        directory => directory?,
    };
    match Identity::read(&directory) {
        // Unplugged since its directory was opened.
        Err(error) if error.is_missing() && !directory.path().exists() => Err(ReadError::Missing(id)),
        identity => read_identified(sysfs, &directory, address, identity?, common),
    }
}

/// Reads a PCI function whose ids and class are known already.
pub(crate) fn read_identified(
    sysfs: &Sysfs,
    directory: &Directory,
    address: PciAddress,
    identity: Identity,
    common: &mut InCommon,
) -> Result<Device, ReadError> {
    let id = DeviceId::Pci(address);
    let has_vdpa_bus = common.has_vdpa_bus(sysfs);
    let (path, entries) = (directory.path(), Entries::of(directory, has_vdpa_bus));
    let link = |name: &str| entries.has(name).then(|| directory.link_name(name)).flatten();
    let text = |name: &str| entries.has(name).then(|| directory.optional_text(name)).flatten();
    Ok(Device {
        vendor: format!("{:04x}", identity.vendor),
        device: format!("{:04x}", identity.device),
        class: identity.class,
        driver: link("driver"),
        numa_node: text("numa_node").and_then(|node| numa_node(&node)),
        iommu_group: link("iommu_group").and_then(|group| group.parse().ok()),
        acpi_index: text("acpi_index"),
        rdma: if entries.has("infiniband") {
            sysfs.names(&path.join("infiniband"))
        } else {
            Vec::new()
        },
        vdpa: vdpa(sysfs, path, &entries.below, has_vdpa_bus),
        netdevs: netdevs(
            sysfs,
            &net_directories(path, entries.has("net"), &entries.below),
            Extent::All,
        )?,
        function: pci_function(sysfs, directory, &entries, address, common)?,
        id,
    })
}

/// The vDPA devices below a function, bound to a driver of bus vdpa (drivers/vdpa/vdpa.c). They are `vdpaN` or whatever
/// their maker called them (`vdpa dev add name NAME`); such names are only looked for where the bus has any.
fn vdpa(sysfs: &Sysfs, directory: &Path, names: &[String], has_bus: bool) -> Vec<Vdpa> {
    let numbered = |name: &String| {
        let number = name.strip_prefix("vdpa");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_vdpa = |name: &&String| {
        let subsystem = || sysfs.link_name(&directory.join(name.as_str()).join("subsystem"));
        numbered(name) || has_bus && subsystem().as_deref() == Some("vdpa")
    };
    let read = |name: &String| Vdpa {
        driver: match sysfs.link_name(&directory.join(name).join("driver")).as_deref() {
            Some("vhost_vdpa") => Some(VdpaDriver::Vhost),
            Some("virtio_vdpa") => Some(VdpaDriver::Virtio),
            _ => None,
        },
        name: name.clone(),
    };
    names.iter().filter(is_vdpa).map(read).collect()
}

/// `net`, or a virtio device's: its interfaces hang below the virtio function, one level deeper.
pub(crate) fn pci_net_directories(sysfs: &Sysfs, directory: &Path) -> Vec<PathBuf> {
    let own = directory.join("net");
    if own.is_dir() {
        return vec![own];
    }
    net_directories(directory, false, &sysfs.names(directory))
}

fn net_directories(directory: &Path, has_own: bool, names: &[String]) -> Vec<PathBuf> {
    if has_own {
        return vec![directory.join("net")];
    }
    let virtio = names.iter().filter(|name| name.starts_with("virtio"));
    virtio
        .map(|name| directory.join(name).join("net"))
        .filter(|net| net.is_dir())
        .collect()
}

fn pci_function(
    sysfs: &Sysfs,
    directory: &Directory,
    entries: &Entries,
    address: PciAddress,
    common: &mut InCommon,
) -> Result<Function, ReadError> {
    if entries.has("physfn")
        && let Some(function) = vf(sysfs, directory, address, common)
    {
        return Ok(function);
    }
    if !entries.has("sriov_totalvfs") {
        return Ok(Function::Plain);
    }
    let total_vfs = match directory.number("sriov_totalvfs") {
        Ok(total) => total,
        Err(error) if error.is_missing() => return Ok(Function::Plain),
        Err(error) => return Err(error.into()),
    };
    let num_vfs = directory.number("sriov_numvfs")?;
    Ok(Function::Pf {
        total_vfs,
        num_vfs,
        vfs: common.vfs_of(sysfs, address).to_vec(),
    })
}

/// The part of a VF; none if it has no `physfn` any more.
fn vf(sysfs: &Sysfs, directory: &Directory, address: PciAddress, common: &mut InCommon) -> Option<Function> {
    let mut known = common.pf_of(address);
    if known.is_none() {
        let Ok(pf) = directory.link_name("physfn")?.parse::<PciAddress>() else {
            return Some(Function::Vf { pf: None, index: None });
        };
        common.vfs_of(sysfs, pf);
        known = common.pf_of(address);
        if known.is_none() {
            return Some(Function::Vf {
                pf: Some(DeviceId::Pci(pf)),
                index: None,
            });
        }
    }
    known.map(|(pf, index)| Function::Vf {
        pf: Some(DeviceId::Pci(pf)),
        index: Some(index),
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
    let netdevs = netdevs(sysfs, &[directory.join("net")], Extent::All)?;
    let mut ports: Vec<_> = netdevs
        .into_iter()
        .filter_map(|netdev| Some((netdev.port?, netdev)))
        .collect();
    ports.sort_by_key(|(name, _)| *name);
    Ok(ports)
}

/// A subfunction. Vendor, device, class and NUMA node are those of the PCI function that it hangs below.
fn auxiliary(sysfs: &Sysfs, id: &DeviceId) -> Result<Device, ReadError> {
    let directory = Device::directory(sysfs, id);
    if !directory.exists() {
        return Err(ReadError::Missing(id.clone()));
    }
    let parent = directory.canonicalize().ok().and_then(|path| {
        path.ancestors()
            .find_map(|above| above.file_name()?.to_str()?.parse::<PciAddress>().ok())
    });
    // Not all of the parent: it has a representor for each of its subfunctions.
    let parent_directory = parent.map(|address| Device::directory(sysfs, &DeviceId::Pci(address)));
    let pci_id = |file| {
        let id = parent_directory
            .as_ref()
            .and_then(|at| sysfs.hex(&at.join(file), 4).ok());
        id.map(|id| format!("{id:04x}")).unwrap_or_default()
    };
    let class = parent_directory
        .as_ref()
        .and_then(|at| sysfs.hex(&at.join("class"), 6).ok());
    Ok(Device {
        driver: sysfs.link_name(&directory.join("driver")),
        netdevs: netdevs(sysfs, &[directory.join("net")], Extent::All)?,
        rdma: sysfs.names(&directory.join("infiniband")),
        vdpa: vdpa(sysfs, &directory, &sysfs.names(&directory), has_vdpa_bus(sysfs)),
        function: Function::Sf {
            parent: parent.map(DeviceId::Pci),
            number: sysfs.number(&directory.join("sfnum")).ok(),
        },
        vendor: pci_id("vendor"),
        device: pci_id("device"),
        class: class.unwrap_or(0),
        numa_node: parent_directory.and_then(|at| numa_node(&sysfs.optional_text(&at.join("numa_node"))?)),
        ..Device::unknown(id.clone())
    })
}

/// -1 where the firmware does not say.
fn numa_node(text: &str) -> Option<u32> {
    let node: i64 = text.parse().ok()?;
    u32::try_from(node).ok()
}

fn interface(sysfs: &Sysfs, name: &IfName) -> Result<Device, ReadError> {
    let id = DeviceId::Interface(name.clone());
    let netdev = one_netdev(sysfs, &sysfs.path("class/net"), name)?;
    Ok(Device {
        netdevs: vec![netdev.ok_or_else(|| ReadError::Missing(id.clone()))?],
        ..Device::unknown(id)
    })
}
