//! Devices that user space drives: what sysfs shows of them, below the device and in their classes.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;

use super::SysfsTree;

impl SysfsTree {
    /// Binds a device to another driver.
    pub fn bind(&self, address: &str, driver: &str) {
        let link = self.device(address).join("driver");
        match fs::remove_file(&link) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", link.display()),
            _ => {}
        }
        symlink(format!("../../../bus/pci/drivers/{driver}"), link).expect("a link");
    }

    /// Binds a device to vfio-pci, in an IOMMU group.
    pub fn bind_vfio(&self, address: &str, group: u32) {
        self.bind(address, "vfio-pci");
        let link = self.device(address).join("iommu_group");
        let _replaced = fs::remove_file(&link);
        symlink(format!("../../../../kernel/iommu_groups/{group}"), link).expect("a link");
    }

    /// Binds a device to a UIO driver.
    pub fn bind_uio(&self, address: &str, driver: &str, number: u32) {
        self.bind(address, driver);
        let directory = self.device(address).join(format!("uio/uio{number}"));
        self.write(&directory.join("dev"), &format!("240:{number}"));
    }

    /// Gives a device an RDMA device, with a character device of each kind.
    pub fn add_rdma(&self, address: &str, name: &str, number: u32) {
        let directory = self.device(address).join("infiniband").join(name);
        fs::create_dir_all(directory).expect("a directory");
        for (class, file) in [("verbs", "uverbs"), ("mad", "umad"), ("mad", "issm"), ("cm", "ucm")] {
            let class = self.root().join(format!("class/infiniband_{class}"));
            self.write(&class.join(format!("{file}{number}/ibdev")), name);
        }
        self.write(&self.root().join("class/misc/rdma_cm/dev"), "10:122");
    }

    /// Gives a device a vDPA device that is bound to `vhost_vdpa`.
    pub fn add_vhost_vdpa(&self, address: &str, name: &str, number: u32) {
        let directory = self.device(address).join(name);
        self.write(&directory.join(format!("vhost-vdpa-{number}/dev")), "241:0");
        symlink("../../../../../bus/vdpa/drivers/vhost_vdpa", directory.join("driver")).expect("a link");
    }
}
