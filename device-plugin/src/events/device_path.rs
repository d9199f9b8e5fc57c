//! Where on a bus something happened.

use std::path::{Component, Path};

use hardwire_pci::{AuxiliaryName, DeviceId, PciAddress};

/// A device as its bus knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DevicePath {
    /// A PCI function.
    Pci(PciAddress),
    /// A netdevsim device with all its ports.
    Netdevsim(u32),
    /// A device on the auxiliary bus.
    Auxiliary(DeviceId),
}

// === impl DevicePath ===

impl DevicePath {
    /// The device that a path of sysfs (`/devices/...`) is, or hangs below. `None` for what is neither.
    pub fn of(path: &Path) -> Option<Self> {
        let names = path.components().rev().filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        names.into_iter().find_map(Self::named)
    }

    /// The path of a device, for those on a bus.
    pub fn of_device(id: &DeviceId) -> Option<Self> {
        match id {
            DeviceId::Pci(address) | DeviceId::PciPort { function: address, .. } => Some(Self::Pci(*address)),
            DeviceId::Netdevsim(port) => Some(Self::Netdevsim(port.device)),
            DeviceId::Auxiliary(_) => Some(Self::Auxiliary(id.clone())),
            DeviceId::Interface(_) => None,
        }
    }

    fn named(name: &str) -> Option<Self> {
        if let Ok(address) = name.parse() {
            return Some(Self::Pci(address));
        }
        if let Some(device) = name.strip_prefix("netdevsim").and_then(|n| n.parse().ok()) {
            return Some(Self::Netdevsim(device));
        }
        AuxiliaryName::parse(name).map(|name| Self::Auxiliary(DeviceId::Auxiliary(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_below_a_device_is_a_change_of_it() {
        let path = |path: &str| DevicePath::of(Path::new(path)).map(|path| format!("{path:?}"));
        let pci = |address: &str| Some(format!("Pci({address})"));
        let bridge = "/devices/pci0000:00/0000:00:01.0";
        assert_eq!(path(&format!("{bridge}/0000:01:10.2")), pci("0000:01:10.2"));
        assert_eq!(path(&format!("{bridge}/0000:01:10.2/net/eth1")), pci("0000:01:10.2"));
        assert_eq!(
            path(&format!("{bridge}/0000:01:10.2/virtio3/net/x")),
            pci("0000:01:10.2")
        );
        assert_eq!(
            path("/devices/netdevsim10/net/eni10np1"),
            Some("Netdevsim(10)".to_owned())
        );
        assert_eq!(
            path(&format!("{bridge}/0000:01:00.0/mlx5_core.sf.4/net/x")),
            Some("Auxiliary(mlx5_core.sf.4)".to_owned())
        );
        assert_eq!(path("/devices/virtual/net/veth0"), None);
    }
}
