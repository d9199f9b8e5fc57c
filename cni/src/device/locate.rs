//! From the configuration's name of a device to the device.

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::netlink::{Link, NetlinkError, Socket};
use hardwire_pci::{
    AuxiliaryName, Device, DeviceId, IfName, MacAddr, Netdev, NetdevsimPort, PciAddress, PortName, ReadError, Sysfs,
    read_attachable,
};

use super::Candidate;
use crate::config::{DeviceName, Way};
use crate::protocol::{CniError, code};

/// Every way in which the configuration names the device must lead to the same one.
pub(super) fn locate(name: &DeviceName, sysfs: &Sysfs, socket: &mut Socket) -> Result<Candidate, CniError> {
    let mut found: Option<(String, Candidate)> = None;
    for way in name.ways() {
        let candidate = match &way {
            Way::Id(field, id) => by_id(field, id, sysfs, socket)?,
            Way::Interface(interface) => by_interface(way.field(), &find_link(&way, interface, socket)?, sysfs)?,
            Way::Hardware(mac) => by_interface(way.field(), &find_by_mac(*mac, socket)?, sysfs)?,
        };
        match &found {
            Some((first, other)) if other.device.id != candidate.device.id => {
                return Err(CniError::config(format!(
                    "{first} (which is {}) and {way} (which is {}) name different devices: give one of them",
                    other.device.id, candidate.device.id
                )));
            }
            Some(_) => {}
            None => found = Some((way.to_string(), candidate)),
        }
    }
    found.map(|(_, candidate)| candidate).ok_or_else(missing)
}

/// The error for a configuration that names no device.
pub(crate) fn missing() -> CniError {
    CniError::config(
        "deviceID: missing: give deviceID (a PCI address, which Multus fills in for a resource), or device (the name of a \
         host interface), hwaddr (its MAC address) or kernelpath (its directory below /sys/devices)",
    )
}

fn find_link(way: &Way<'_>, name: &str, socket: &mut Socket) -> Result<Link, CniError> {
    let asked = |error: NetlinkError| CniError::new(code::INTERNAL, format!("looking up interface {name}: {error}"));
    let link = socket.link_by_name(name).map_err(asked)?;
    link.ok_or_else(|| CniError::config(format!("{}: no interface {name:?} on this host", way.field())))
}

/// The hardware interface with this MAC; VLANs and the like have their lower device's.
pub(crate) fn find_by_mac(mac: MacAddr, socket: &mut Socket) -> Result<Link, CniError> {
    let asked = |error: NetlinkError| CniError::new(code::INTERNAL, format!("looking up {mac}: {error}"));
    let links = socket.links().map_err(asked)?;
    let mut with_it = links
        .into_iter()
        .filter(|link| link.mac() == Some(mac))
        .collect::<Vec<_>>();
    with_it.sort_by_key(|link| (link.lower.is_some(), link.kind.is_some(), link.index));
    let none = || CniError::config(format!("hwaddr: no interface with the MAC address {mac} on this host"));
    with_it.into_iter().next().ok_or_else(none)
}

fn by_id(field: &str, id: &DeviceId, sysfs: &Sysfs, socket: &mut Socket) -> Result<Candidate, CniError> {
    let device = read_attachable(sysfs, id).map_err(|error| unreadable(field, id, &error))?;
    let netdev = device.netdev().cloned();
    let link = if let Some(netdev) = &netdev {
        Some(link_of(netdev, socket)?)
    } else {
        no_interface(&device)?;
        None
    };
    Ok(Candidate {
        device,
        netdev,
        link,
        pf: None,
        node_use: None,
    })
}

fn link_of(netdev: &Netdev, socket: &mut Socket) -> Result<Link, CniError> {
    let failed = |error| CniError::new(code::INTERNAL, format!("reading {}: {error}", netdev.name));
    let link = socket.link_by_index(netdev.index).map_err(failed)?;
    link.ok_or_else(|| CniError::new(code::TRY_AGAIN, format!("{} went away", netdev.name)))
}

fn unreadable(field: &str, id: &DeviceId, error: &ReadError) -> CniError {
    match error {
        ReadError::Missing(_) => CniError::config(format!("{field}: no such device on this host: {id}")),
        ReadError::Sysfs(error) => CniError::new(code::INTERNAL, format!("{field}: {id} cannot be read: {error}")),
    }
}

/// A device without an interface here is user space's, somebody else's, or nobody's.
fn no_interface(device: &Device) -> Result<(), CniError> {
    let id = &device.id;
    if device.representors().next().is_some() {
        return Err(CniError::config(format!(
            "{id} has only representors here: they are never attached"
        )));
    }
    match device.driver.as_deref() {
        Some(driver) if is_userspace_driver(driver) => Ok(()),
        Some(driver) => Err(CniError::new(
            code::TRY_AGAIN,
            format!("{id} (driver {driver}) has no interface in the host's network namespace: another pod has it"),
        )),
        None => Err(CniError::new(
            code::REFUSED,
            format!("{id} is bound to no driver: it has no interface to attach"),
        )),
    }
}

fn by_interface(field: &str, link: &Link, sysfs: &Sysfs) -> Result<Candidate, CniError> {
    let name = &link.name;
    if link.flags.is_loopback() {
        return Err(CniError::config(format!("{field}: {name} is the loopback interface")));
    }
    let id = id_of_link(link, sysfs).map_err(|error| CniError::config(format!("{field}: {error}")))?;
    let device = match &id {
        // There is nothing to it but its interface.
        DeviceId::Interface(name) => Device {
            netdevs: vec![Netdev {
                name: name.clone(),
                index: link.index,
                mac: link.mac(),
                mtu: link.mtu,
                link_type: link.hardware.into(),
                port: link.phys_port_name.as_deref().and_then(PortName::parse),
                switch_id: None,
            }],
            ..Device::unknown(id.clone())
        },
        id => read_attachable(sysfs, id).map_err(|error| unreadable(field, id, &error))?,
    };
    let netdev = device.netdevs.iter().find(|netdev| netdev.index == link.index).cloned();
    let netdev = netdev.ok_or_else(|| CniError::config(format!("{field}: interface {name:?} went away")))?;
    if matches!(id, DeviceId::Pci(_)) && netdev.is_representor() {
        let port = netdev.port.map(|port| port.to_string()).unwrap_or_default();
        return Err(CniError::config(format!(
            "{field}: {name} is the representor of {port}: it is never attached"
        )));
    }
    Ok(Candidate {
        device,
        netdev: Some(netdev),
        link: Some(link.clone()),
        pf: None,
        node_use: None,
    })
}

/// The device behind a link of the host.
pub fn id_of_link(link: &Link, sysfs: &Sysfs) -> Result<DeviceId, hardwire_pci::BadIfName> {
    let parent = link.parent_name.as_deref().unwrap_or_default();
    let port = link.phys_port_name.as_deref().and_then(PortName::parse);
    match link.parent_bus.as_deref() {
        Some("pci") => {
            if let Ok(address) = parent.parse() {
                return Ok(DeviceId::Pci(address));
            }
        }
        Some("netdevsim") => {
            let device = parent.strip_prefix("netdevsim").and_then(|n| n.parse().ok());
            if let Some((device, port)) = device.zip(port) {
                return Ok(DeviceId::Netdevsim(NetdevsimPort { device, port }));
            }
        }
        Some("auxiliary") => {
            if let Some(name) = AuxiliaryName::parse(parent) {
                return Ok(DeviceId::Auxiliary(name));
            }
        }
        _ => {}
    }
    let name: IfName = link.name.parse()?;
    Ok(pci_of_virtio(&name, sysfs).map_or(DeviceId::Interface(name), DeviceId::Pci))
}

/// The PCI function of a virtio NIC, whose interface hangs below the virtio device, one level deeper. Whatever else may
/// stand between an interface and a PCI function (USB) makes it another device than that function.
fn pci_of_virtio(name: &IfName, sysfs: &Sysfs) -> Option<PciAddress> {
    let link = sysfs.path("class/net").join(name.as_str()).join("device");
    sysfs.link_name(&link)?.strip_prefix("virtio")?;
    let directory = link.canonicalize().ok()?;
    directory.parent()?.file_name()?.to_str()?.parse().ok()
}

/// Whether a link is the interface of a device on a bus, wherever it is now; `None` if the device is on no bus that links
/// tell of, and something else must tell.
pub(crate) fn is_link_of(link: &Link, id: &DeviceId) -> Option<bool> {
    let parent = link.parent_name.as_deref();
    match id {
        // Behind a virtio function the parent is on bus virtio, and tells nothing of PCI.
        DeviceId::Pci(_) if link.parent_bus.as_deref() == Some("virtio") => None,
        DeviceId::Pci(address) => Some(parent == Some(&address.to_string())),
        DeviceId::Netdevsim(wanted) => {
            let port = link.phys_port_name.as_deref().and_then(PortName::parse);
            Some(parent == Some(&format!("netdevsim{}", wanted.device)) && port == Some(wanted.port))
        }
        DeviceId::Auxiliary(name) => Some(parent == Some(name.as_str())),
        DeviceId::Interface(_) => None,
    }
}
