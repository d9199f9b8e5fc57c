//! A device as an attachment needs to know it: which interface, which driver, which VF of which PF, and nothing else.
//!
//! Read once for each ADD and each DEL, so every file counts: in [`Device`] as it is returned here the ids, the class, the
//! NUMA node, the groups and the interfaces' addresses and MTU are left out. Contract: as [`crate::read_device`].

use std::path::Path;

use crate::address::PciAddress;
use crate::device::{Device, Function};
use crate::id::DeviceId;
use crate::ifname::IfName;
use crate::netdevs::{Extent, netdevs};
use crate::read::{pci_net_directories, read_whole};
use crate::read_error::ReadError;
use crate::sysfs::Sysfs;

/// Reads what an attachment needs of a device. Of a function with several ports all are read; of a port, which may be given
/// by its number although it is the first, only itself, under its own id.
pub fn read_attachable(sysfs: &Sysfs, id: &DeviceId) -> Result<Device, ReadError> {
    let (address, port) = match id {
        DeviceId::Pci(address) => (address, None),
        DeviceId::PciPort { function, port } => (function, Some(*port)),
        _ => return read_whole(sysfs, id),
    };
    let directory = Device::directory(sysfs, id);
    let driver = sysfs.link_name(&directory.join("driver"));
    if driver.is_none() && !directory.exists() {
        return Err(ReadError::Missing(id.clone()));
    }
    let function = function(sysfs, &directory, *address);
    let extent = Extent::Attachment {
        is_vf: matches!(function, Function::Vf { .. }),
        numbered: port.is_some(),
    };
    let device = Device {
        driver,
        netdevs: netdevs(sysfs, &pci_net_directories(sysfs, &directory), extent)?,
        function,
        ..Device::unknown(DeviceId::Pci(*address))
    };
    Ok(match port {
        Some(port) => device.into_port(id.clone(), port),
        None => device,
    })
}

/// The number of the port of a function whose interface has this index, though it be the only one that is here.
pub fn number_of_port(sysfs: &Sysfs, function: PciAddress, index: u32) -> Option<u32> {
    let directories = pci_net_directories(sysfs, &Device::directory(sysfs, &DeviceId::Pci(function)));
    let extent = Extent::Attachment {
        is_vf: false,
        numbered: true,
    };
    let netdevs = netdevs(sysfs, &directories, extent).ok()?;
    netdevs.into_iter().find(|netdev| netdev.index == index)?.number
}

/// Name and index of the interface through which a PF is asked; `None` if it has none here. Of a PF with several ports that
/// is the first one.
pub fn pf_interface(sysfs: &Sysfs, pf: &DeviceId) -> Option<(IfName, u32)> {
    let device = match pf {
        DeviceId::Pci(_) | DeviceId::PciPort { .. } => {
            let directories = pci_net_directories(sysfs, &Device::directory(sysfs, pf));
            let extent = Extent::Attachment {
                is_vf: false,
                numbered: false,
            };
            Device {
                netdevs: netdevs(sysfs, &directories, extent).ok()?,
                ..Device::unknown(pf.clone())
            }
        }
        _ => read_whole(sysfs, pf).ok()?,
    };
    let netdev = device.netdev()?;
    Some((netdev.name.clone(), netdev.index))
}

fn function(sysfs: &Sysfs, directory: &Path, address: PciAddress) -> Function {
    let Some(pf) = sysfs.link_name(&directory.join("physfn")) else {
        return Function::Plain;
    };
    let Ok(pf) = pf.parse::<PciAddress>() else {
        return Function::Vf { pf: None, index: None };
    };
    let pf = DeviceId::Pci(pf);
    let parent = Device::directory(sysfs, &pf);
    let own = address.to_string();
    let vfs = (0..).map_while(|index: u32| Some((index, sysfs.link_name(&parent.join(format!("virtfn{index}")))?)));
    let index = vfs.into_iter().find(|(_, vf)| *vf == own).map(|(index, _)| index);
    Function::Vf { pf: Some(pf), index }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, Sysfs) {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        for (device, netdev, index) in [("0000:01:00.0", "eth1", 5), ("0000:01:10.2", "eth1v1", 6)] {
            let net = sysfs.path(format!("bus/pci/devices/{device}/net/{netdev}"));
            fs::create_dir_all(&net).unwrap();
            fs::write(net.join("ifindex"), format!("{index}\n")).unwrap();
            fs::write(net.join("type"), "1\n").unwrap();
            symlink(
                "../../drivers/igb",
                sysfs.path(format!("bus/pci/devices/{device}/driver")),
            )
            .unwrap();
        }
        let pf = sysfs.path("bus/pci/devices/0000:01:00.0");
        symlink("../0000:01:10.0", pf.join("virtfn0")).unwrap();
        symlink("../0000:01:10.2", pf.join("virtfn1")).unwrap();
        symlink("../0000:01:00.0", sysfs.path("bus/pci/devices/0000:01:10.2/physfn")).unwrap();
        (root, sysfs)
    }

    #[test]
    fn a_vf_has_its_interface_driver_index_and_pf() {
        let (_root, sysfs) = tree();
        let pf: DeviceId = "0000:01:00.0".parse().unwrap();
        let vf = read_attachable(&sysfs, &"0000:01:10.2".parse().unwrap()).unwrap();
        assert_eq!(
            (vf.pf(), vf.vf_index(), vf.driver.as_deref()),
            (Some(&pf), Some(1), Some("igb"))
        );
        let netdev = vf.netdev().unwrap();
        assert_eq!((netdev.name.as_str(), netdev.index), ("eth1v1", 6));
        assert_eq!(
            pf_interface(&sysfs, &pf).map(|(name, index)| (name.to_string(), index)),
            Some(("eth1".to_owned(), 5))
        );
    }

    #[test]
    fn a_pf_in_switchdev_mode_is_asked_through_its_uplink() {
        let (_root, sysfs) = tree();
        let net = sysfs.path("bus/pci/devices/0000:01:00.0/net");
        for (name, index, port) in [("aa_rep0", 8, "pf0vf0"), ("zz_up", 9, "p0")] {
            fs::create_dir_all(net.join(name)).unwrap();
            fs::write(net.join(name).join("ifindex"), index.to_string()).unwrap();
            fs::write(net.join(name).join("type"), "1").unwrap();
            fs::write(net.join(name).join("phys_port_name"), port).unwrap();
            fs::write(net.join(name).join("phys_switch_id"), "00").unwrap();
        }
        let (name, index) = pf_interface(&sysfs, &"0000:01:00.0".parse().unwrap()).unwrap();
        assert_eq!((name.as_str(), index), ("zz_up", 9));
    }

    #[test]
    fn what_is_not_there_is_missing() {
        let (_root, sysfs) = tree();
        let missing = read_attachable(&sysfs, &"0000:01:10.4".parse().unwrap());
        assert!(matches!(missing, Err(ReadError::Missing(_))));
        assert!(pf_interface(&sysfs, &"0000:02:00.0".parse().unwrap()).is_none());
    }
}
