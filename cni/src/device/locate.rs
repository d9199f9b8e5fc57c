//! From the configuration's name of a device to the device.

use hardwire_pci::netlink::{Link, NetlinkError, Socket};
use hardwire_pci::{Device, DeviceId, IfName, NetdevsimPort, PciAddress, PortName, ReadError, Sysfs, read_device};

use super::{Candidate, is_userspace_driver};
use crate::config::DeviceName;
use crate::protocol::{CniError, code};

pub(super) fn locate(name: &DeviceName, sysfs: &Sysfs, socket: &mut Socket) -> Result<Candidate, CniError> {
    let by_name = name
        .interface
        .as_deref()
        .map(|interface| by_interface(interface, sysfs, socket))
        .transpose()?;
    let by_id = name
        .ids
        .first()
        .map(|(field, id)| by_id(field, id, sysfs))
        .transpose()?;
    match (by_id, by_name) {
        (Some(device), Some(other)) if device.device.id != other.device.id => Err(CniError::config(format!(
            "{} {} and device {} (which is {}) name different devices: give one of them",
            name.ids[0].0,
            device.device.id,
            name.interface.as_deref().unwrap_or_default(),
            other.device.id
        ))),
        (Some(device), _) | (None, Some(device)) => Ok(device),
        (None, None) => Err(CniError::config(
            "deviceID: missing: give deviceID (a PCI address, which Multus fills in for a resource), or device (the name \
             of a host interface)",
        )),
    }
}

fn by_id(field: &str, id: &DeviceId, sysfs: &Sysfs) -> Result<Candidate, CniError> {
    let device = read_device(sysfs, id).map_err(|error| unreadable(field, id, &error))?;
    let netdev = device.netdev().cloned();
    if netdev.is_none() {
        no_interface(&device)?;
    }
    Ok(Candidate {
        device,
        netdev,
        pf: None,
    })
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

fn by_interface(name: &str, sysfs: &Sysfs, socket: &mut Socket) -> Result<Candidate, CniError> {
    let asked = |error: NetlinkError| CniError::new(code::INTERNAL, format!("looking up interface {name}: {error}"));
    let link = socket.link_by_name(name).map_err(asked)?;
    let link = link.ok_or_else(|| CniError::config(format!("device: no interface {name:?} on this host")))?;
    if link.flags.is_loopback() {
        return Err(CniError::config(format!("device: {name} is the loopback interface")));
    }
    let id = id_of_link(&link, sysfs).map_err(|error| CniError::config(format!("device: {error}")))?;
    let device = read_device(sysfs, &id).map_err(|error| unreadable("device", &id, &error))?;
    let netdev = device.netdevs.iter().find(|netdev| netdev.index == link.index).cloned();
    let netdev = netdev.ok_or_else(|| CniError::config(format!("device: interface {name:?} went away")))?;
    if matches!(id, DeviceId::Pci(_)) && netdev.is_representor() {
        let port = netdev.port.map(|port| port.to_string()).unwrap_or_default();
        return Err(CniError::config(format!(
            "device: {name} is the representor of {port}: it is never attached"
        )));
    }
    Ok(Candidate {
        device,
        netdev: Some(netdev),
        pf: None,
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
        _ => {}
    }
    let name: IfName = link.name.parse()?;
    Ok(pci_above(&name, sysfs).map_or(DeviceId::Interface(name), DeviceId::Pci))
}

/// The PCI function that an interface hangs below, for buses between the two (virtio).
fn pci_above(name: &IfName, sysfs: &Sysfs) -> Option<PciAddress> {
    let directory = sysfs
        .path("class/net")
        .join(name.as_str())
        .join("device")
        .canonicalize()
        .ok()?;
    directory
        .ancestors()
        .find_map(|ancestor| ancestor.file_name()?.to_str()?.parse().ok())
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
        DeviceId::Interface(_) => None,
    }
}
