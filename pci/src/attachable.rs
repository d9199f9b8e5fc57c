//! A device as an attachment needs to know it: which interface, which driver, which VF of which PF, and nothing else.
//!
//! Read once for each ADD and each DEL, so every file counts: in [`Device`] as it is returned here the ids, the class, the
//! NUMA node, the groups and the interfaces' addresses and MTU are left out. Contract: as [`crate::read_device`].

use std::path::{Path, PathBuf};

use crate::address::PciAddress;
use crate::device::{Device, Function, Netdev};
use crate::id::{DeviceId, PortName};
use crate::ifname::IfName;
use crate::read::{ReadError, pci_net_directories, read_device};
use crate::sysfs::Sysfs;

/// Reads what an attachment needs of a device.
pub fn read_attachable(sysfs: &Sysfs, id: &DeviceId) -> Result<Device, ReadError> {
    let DeviceId::Pci(address) = id else {
        return read_device(sysfs, id);
    };
    let directory = Device::directory(sysfs, id);
    let driver = sysfs.link_name(&directory.join("driver"));
    if driver.is_none() && !directory.exists() {
        return Err(ReadError::Missing(id.clone()));
    }
    let function = function(sysfs, &directory, *address);
    let is_vf = matches!(function, Function::Vf { .. });
    Ok(Device {
        driver,
        netdevs: netdevs(sysfs, &directory, is_vf)?,
        function,
        ..Device::unknown(id.clone())
    })
}

/// Name and index of the interface through which a PF is asked; `None` if it has none here.
pub fn pf_interface(sysfs: &Sysfs, pf: &DeviceId) -> Option<(IfName, u32)> {
    let device = match pf {
        DeviceId::Pci(_) => Device {
            netdevs: netdevs(sysfs, &Device::directory(sysfs, pf), false).ok()?,
            ..Device::unknown(pf.clone())
        },
        _ => read_device(sysfs, pf).ok()?,
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

fn netdevs(sysfs: &Sysfs, directory: &Path, is_vf: bool) -> Result<Vec<Netdev>, ReadError> {
    let mut named: Vec<(PathBuf, IfName)> = Vec::new();
    for net in pci_net_directories(sysfs, directory) {
        let names = sysfs.names(&net).into_iter().filter_map(|name| name.parse().ok());
        named.extend(names.map(|name: IfName| (net.join(name.as_str()), name)));
    }
    // Representors stand below a PF, beside its uplink. What is alone is no uplink among them, and a VF has none.
    let ports = !is_vf || named.len() > 1;
    let mut found = Vec::new();
    for (path, name) in named {
        let index = match sysfs.number(&path.join("ifindex")) {
            Err(error) if error.is_missing() => continue,
            index => index?,
        };
        let text = |file: &str| ports.then(|| sysfs.optional_text(&path.join(file))).flatten();
        found.push(Netdev {
            index,
            name,
            mac: None,
            mtu: 0,
            link_type: sysfs.number::<u16>(&path.join("type"))?.into(),
            port: text("phys_port_name").and_then(|port| PortName::parse(&port)),
            switch_id: text("phys_switch_id"),
        });
    }
    Ok(found)
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
