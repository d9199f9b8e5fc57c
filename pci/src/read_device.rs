//! Reading any device: a whole one, or one port of a function that has several.

use crate::attachable::read_attachable;
use crate::device::{Device, Netdev};
use crate::id::DeviceId;
use crate::netdevs::one_netdev;
use crate::read::{pci_net_directories, read_whole};
use crate::read_error::ReadError;
use crate::sysfs::Sysfs;

/// Reads one device. Its interfaces are those in the network namespace of the sysfs mount.
pub fn read_device(sysfs: &Sysfs, id: &DeviceId) -> Result<Device, ReadError> {
    match id {
        DeviceId::PciPort { .. } => port(sysfs, id),
        _ => read_whole(sysfs, id),
    }
}

/// A further port of a function. One whose interface is elsewhere is there as long as the function is.
fn port(sysfs: &Sysfs, id: &DeviceId) -> Result<Device, ReadError> {
    let attachable = read_attachable(sysfs, id)?;
    let DeviceId::PciPort { function, port } = attachable.id else {
        return read_device(sysfs, &attachable.id);
    };
    let whole = read_whole(sysfs, &DeviceId::Pci(function))?;
    let directories = pci_net_directories(sysfs, &Device::directory(sysfs, id));
    let mut netdevs = Vec::new();
    for netdev in attachable.netdevs {
        for directory in &directories {
            let full = one_netdev(sysfs, directory, &netdev.name)?.filter(|full| full.index == netdev.index);
            netdevs.extend(full.map(|full| Netdev {
                number: netdev.number,
                ..full
            }));
        }
    }
    Ok(Device {
        netdevs,
        ..whole.into_port(id.clone(), port)
    })
}
