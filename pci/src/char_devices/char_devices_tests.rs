//! Trees of files, shaped as the kernel shapes them.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::id::DeviceId;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn sysfs(&self) -> Sysfs {
        Sysfs::at(self.0.path())
    }

    fn file(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
    }

    fn vfio(&self, device: &Device) -> Option<Vfio> {
        Vfio::read(&self.sysfs(), &VfioClasses::read(&self.sysfs()), device)
    }

    fn directory(&self, path: &str) {
        fs::create_dir_all(self.0.path().join(path)).unwrap();
    }
}

const DEVICE: &str = "bus/pci/devices/0000:01:10.0";

fn device(driver: &str) -> Device {
    let id: DeviceId = "0000:01:10.0".parse().unwrap();
    Device {
        driver: (!driver.is_empty()).then(|| driver.to_owned()),
        iommu_group: Some(7),
        ..Device::unknown(id)
    }
}

#[test]
fn vfio_is_what_a_vfio_driver_holds() {
    let tree = Tree::new();
    for driver in ["vfio-pci", "mlx5_vfio_pci", "hisi-acc-vfio-pci"] {
        let expected = Vfio {
            group: Some(7),
            no_iommu: false,
            device: None,
        };
        assert_eq!(tree.vfio(&device(driver)), Some(expected), "{driver}");
    }
    for driver in ["igbvf", "vfio", ""] {
        assert_eq!(tree.vfio(&device(driver)), None, "{driver}");
    }
    tree.directory(&format!("{DEVICE}/vfio-dev/vfio3"));
    tree.directory("class/vfio-dev/vfio3");
    assert!(tree.vfio(&device("novel")).is_some());
}

#[test]
fn a_group_without_protection_is_told() {
    let tree = Tree::new();
    tree.file("class/vfio/noiommu-6/dev", "510:0");
    assert!(!tree.vfio(&device("vfio-pci")).unwrap().no_iommu);
    tree.file("class/vfio/noiommu-7/dev", "510:1");
    assert!(tree.vfio(&device("vfio-pci")).unwrap().no_iommu);
}

#[test]
fn a_device_has_a_file_of_its_own_where_it_has_a_number() {
    let tree = Tree::new();
    tree.directory(&format!("{DEVICE}/vfio-dev/vfio3"));
    tree.directory("class/vfio-dev/vfio3");
    let read = || tree.vfio(&device("vfio-pci")).unwrap();
    assert_eq!((read().device, read().group), (None, Some(7)));
    tree.file(&format!("{DEVICE}/vfio-dev/vfio3/dev"), "511:0");
    // With files of devices, a kernel may be built without those of groups.
    assert_eq!((read().device.as_deref(), read().group), (Some("vfio3"), None));
    tree.file("class/vfio/7/dev", "510:0");
    assert_eq!((read().device.as_deref(), read().group), (Some("vfio3"), Some(7)));
}

#[test]
fn uio_is_what_a_uio_driver_holds() {
    let tree = Tree::new();
    let name = |driver| uio(&tree.sysfs(), &device(driver));
    assert_eq!(name("igb_uio"), None);
    tree.file(&format!("{DEVICE}/uio/uio12/dev"), "240:0");
    for driver in ["uio", "igb_uio", "uio_pci_generic"] {
        assert_eq!(name(driver).as_deref(), Some("uio12"), "{driver}");
    }
    assert_eq!(name("bnx2"), None);
}

#[test]
fn a_vdpa_device_has_a_file_while_vhost_has_it() {
    let tree = Tree::new();
    tree.file(&format!("{DEVICE}/vdpa0/vhost-vdpa-5/dev"), "241:0");
    let name = |driver| {
        let name = "vdpa0".to_owned();
        vhost_vdpa(&tree.sysfs(), &device("mlx5_core"), &Vdpa { name, driver })
    };
    assert_eq!(name(Some(VdpaDriver::Vhost)).as_deref(), Some("vhost-vdpa-5"));
    assert_eq!(name(Some(VdpaDriver::Virtio)), None);
    assert_eq!(name(None), None);
}

#[test]
fn files_of_rdma_devices_are_found_by_name_and_by_parent() {
    let tree = Tree::new();
    tree.file("class/infiniband_verbs/abi_version", "6");
    for (class, name, rdma_device) in [
        ("verbs", "uverbs4", "mlx5_3"),
        ("mad", "umad4", "mlx5_3"),
        ("mad", "issm4", "mlx5_3"),
        ("cm", "ucm4", "mlx5_3"),
        ("verbs", "uverbs0", "mlx5_0"),
    ] {
        let directory = format!("class/infiniband_{class}/{name}");
        tree.file(&format!("{directory}/ibdev"), rdma_device);
        if rdma_device == "mlx5_3" {
            let link = tree.0.path().join(directory).join("device");
            symlink("../../../0000:01:10.0", link).unwrap();
        }
    }
    let classes = RdmaClasses::read(&tree.sysfs());
    let files = |names: &[&str]| {
        let rdma = names.iter().map(|&name| name.to_owned()).collect();
        let device = Device {
            rdma,
            ..device("mlx5_core")
        };
        let found = classes.of(&device).into_iter();
        found
            .map(|rdma| (rdma.device, rdma.files.join(" ")))
            .collect::<Vec<_>>()
    };
    let of = |name: &str, files: &str| (name.to_owned(), files.to_owned());
    assert_eq!(files(&["mlx5_0"]), [of("mlx5_0", "uverbs0")]);
    assert_eq!(files(&["mlx5_9"]), [of("mlx5_9", "")]);
    // Moved into a pod.
    assert_eq!(files(&[]), [of("mlx5_3", "issm4 ucm4 umad4 uverbs4")]);
}
