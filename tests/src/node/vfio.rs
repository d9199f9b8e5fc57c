//! A VF that user space drives: bound to `vfio-pci`, as a resource pool for DPDK has them.

use std::fs;

use super::igb::Igb;
use super::shell::{run, wait_until};

/// A VF's binding to a driver for user space; the VF goes back to its own driver when dropped.
#[derive(Debug)]
pub struct VfioBound {
    address: String,
}

impl Igb {
    /// Binds a VF to `vfio-pci`.
    #[track_caller]
    pub fn bind_vfio(&self, index: u32) -> VfioBound {
        self.bind(index, "vfio-pci")
    }

    /// Binds a VF to `uio_pci_generic`, the other way into user space.
    #[track_caller]
    pub fn bind_uio(&self, index: u32) -> VfioBound {
        self.bind(index, "uio_pci_generic")
    }

    #[track_caller]
    fn bind(&self, index: u32, driver: &str) -> VfioBound {
        run(&["modprobe", driver]);
        let bound = VfioBound {
            address: self.vf_address(index),
        };
        bound.bind(driver);
        bound
    }
}

impl VfioBound {
    /// Driver that the VF is bound to now.
    pub fn driver(&self) -> Option<String> {
        let driver = fs::read_link(self.device("driver")).ok()?;
        driver.file_name()?.to_str().map(str::to_owned)
    }

    fn bind(&self, driver: &str) {
        let write = |path: String, text: &str| fs::write(&path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
        write(self.device("driver_override"), driver);
        if self.driver().is_some() {
            write(self.device("driver/unbind"), &self.address);
        }
        write("/sys/bus/pci/drivers_probe".to_owned(), &self.address);
        wait_until("the VF is bound to no driver", || self.driver().is_some());
    }

    fn device(&self, file: &str) -> String {
        format!("/sys/bus/pci/devices/{}/{file}", self.address)
    }
}

impl Drop for VfioBound {
    fn drop(&mut self) {
        // A line feed clears it.
        self.bind("\n");
        let net = self.device("net");
        wait_until("the VF gets no interface", || {
            fs::read_dir(&net).is_ok_and(|mut names| names.next().is_some())
        });
    }
}
