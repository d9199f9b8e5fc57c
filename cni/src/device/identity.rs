//! Which device is behind an interface, and whether an interface is a device's.

use hardwire_pci::netlink::Link;
use hardwire_pci::{AuxiliaryName, DeviceId, IfName, NetdevsimPort, PciAddress, PortName, Sysfs};

/// The device behind a link of the host. Of a PCI function with several ports that is the function: which port it is only
/// sysfs tells.
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

/// Whether a link is an interface of the function or device with this id, wherever it is now; `None` if the device is on no
/// bus that links tell of, and something else must tell. All ports of a function are: which one it is, is another question.
pub(crate) fn is_link_of(link: &Link, id: &DeviceId) -> Option<bool> {
    let parent = link.parent_name.as_deref();
    match id {
        // Behind a virtio function the parent is on bus virtio, and tells nothing of PCI.
        DeviceId::Pci(_) | DeviceId::PciPort { .. } if link.parent_bus.as_deref() == Some("virtio") => None,
        DeviceId::Pci(function) | DeviceId::PciPort { function, .. } => Some(parent == Some(&function.to_string())),
        DeviceId::Netdevsim(wanted) => {
            let port = link.phys_port_name.as_deref().and_then(PortName::parse);
            Some(parent == Some(&format!("netdevsim{}", wanted.device)) && port == Some(wanted.port))
        }
        DeviceId::Auxiliary(name) => Some(parent == Some(name.as_str())),
        DeviceId::Interface(_) => None,
    }
}
