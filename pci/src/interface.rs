//! What sysfs tells of one interface or device and nothing else does.
//!
//! Contract: `/sys/class/net/NAME/addr_assign_type` (Documentation/ABI/testing/sysfs-class-net), and that kernfs gives each
//! directory an inode number of its own (`kernfs_node.id`, fs/kernfs/dir.c), which moves with a device into another network
//! namespace and under another name.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::device::Device;
use crate::id::DeviceId;
use crate::ifname::IfName;
use crate::sysfs::Sysfs;

/// `NET_ADDR_RANDOM` (include/uapi/linux/netdevice.h).
const RANDOM: u8 = 1;

/// Whether an interface's address was made up by its driver, for nobody gave it one. One that netlink set is not.
pub fn has_random_address(sysfs: &Sysfs, name: &IfName) -> bool {
    let file = sysfs.path("class/net").join(name.as_str()).join("addr_assign_type");
    sysfs.number::<u8>(&file).is_ok_and(|kind| kind == RANDOM)
}

/// A number that no device made later has, under whatever id: of a PCI function, a VF for instance, and, for a device on
/// another bus, of its interface `netdev`. `None` where there is nothing to be seen.
pub fn instance(sysfs: &Sysfs, id: &DeviceId, netdev: Option<&str>) -> Option<u64> {
    let directory = match id {
        DeviceId::Pci(_) | DeviceId::PciPort { .. } => Device::directory(sysfs, id),
        // The directory of a netdevsim device is that of all its ports, and outlives them.
        DeviceId::Netdevsim(_) | DeviceId::Auxiliary(_) | DeviceId::Interface(_) => {
            sysfs.path("class/net").join(netdev?.parse::<IfName>().ok()?.as_str())
        }
    };
    fs::metadata(directory).ok().map(|metadata| metadata.ino())
}

/// Index of the interface that is this [`instance`], whatever it is called by now; `None` if it is not among those that this
/// sysfs shows, which are those of one network namespace.
pub fn index_of_instance(sysfs: &Sysfs, instance: u64) -> Option<u32> {
    let entries = fs::read_dir(sysfs.path("class/net")).ok()?;
    let mut directories = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_it = |directory: &PathBuf| fs::metadata(directory).is_ok_and(|metadata| metadata.ino() == instance);
    sysfs.number(&directories.find(is_it)?.join("ifindex")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_random_only_where_the_kernel_says_so() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        let name: IfName = "eth1".parse().unwrap();
        assert!(!has_random_address(&sysfs, &name));
        let file = sysfs.path("class/net/eth1/addr_assign_type");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for (text, random) in [
            ("0\n", false),
            ("1\n", true),
            ("2\n", false),
            ("3\n", false),
            ("\n", false),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(has_random_address(&sysfs, &name), random, "{text:?}");
        }
    }

    #[test]
    fn a_device_made_anew_is_another_instance() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        let id: DeviceId = "0000:01:10.0".parse().unwrap();
        assert_eq!(instance(&sysfs, &id, None), None);
        let device = sysfs.path("bus/pci/devices/0000:01:10.0");
        fs::create_dir_all(&device).unwrap();
        let first = instance(&sysfs, &id, None);
        assert!(first.is_some() && first == instance(&sysfs, &id, Some("eth1")));
        fs::rename(&device, sysfs.path("old")).unwrap();
        fs::create_dir_all(&device).unwrap();
        assert_ne!(instance(&sysfs, &id, None), first);
        let port: DeviceId = "netdevsim10/pf0vf1".parse().unwrap();
        assert_eq!(instance(&sysfs, &port, None), None);
        assert_eq!(instance(&sysfs, &port, Some("../..")), None);
    }

    #[test]
    fn an_interface_is_found_by_its_instance_whatever_its_name() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        for (name, index) in [("eth1", "3\n"), ("eth2", "4\n")] {
            fs::create_dir_all(sysfs.path("class/net").join(name)).unwrap();
            fs::write(sysfs.path("class/net").join(name).join("ifindex"), index).unwrap();
        }
        let id: DeviceId = "net/eth2".parse().unwrap();
        let second = instance(&sysfs, &id, Some("eth2")).unwrap();
        fs::rename(sysfs.path("class/net/eth2"), sysfs.path("class/net/\u{e9}")).unwrap();
        assert_eq!(index_of_instance(&sysfs, second), Some(4));
        fs::remove_dir_all(sysfs.path("class/net/\u{e9}")).unwrap();
        assert_eq!(index_of_instance(&sysfs, second), None);
        assert_eq!(index_of_instance(&Sysfs::at(root.path().join("none")), second), None);
    }
}
