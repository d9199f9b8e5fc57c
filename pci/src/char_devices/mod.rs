//! The character devices through which user space drives a network device, as sysfs names them.
//!
//! A class device that has a `dev` number has a node of its name in /dev, which is never looked at here: a program in a
//! container may see another /dev than the node's. Contracts: `drivers/vfio/{vfio_main,group,device_cdev}.c`,
//! Documentation/driver-api/uio-howto.rst, `drivers/infiniband/core/{uverbs_main,user_mad}.c`, drivers/vhost/vdpa.c.
//!
//! - [`Vfio`]: group and device files of what a VFIO driver holds; [`VfioClasses`]: what is read once for all of them;
//! - [`RdmaClasses`]: what belongs to which RDMA device, read once for all devices of a node;
//! - [`uio`], [`vhost_vdpa`], [`has_misc`]: the rest;
//! - [`is_userspace_driver`]: which drivers these are.

mod rdma;
mod vfio;

use crate::device::{Device, Vdpa, VdpaDriver};
use crate::sysfs::Sysfs;

pub use rdma::{RdmaClasses, RdmaFiles};
pub use vfio::{Vfio, VfioClasses};

/// Drivers that hand a PCI function to user space through UIO. Others have a UIO device too, for a purpose of their own
/// (bnx2 with cnic).
const UIO_DRIVERS: [&str; 3] = ["uio", "igb_uio", "uio_pci_generic"];

/// Whether a driver hands its devices to user space, so that they have no interface: vfio-pci and its vendors' variants
/// (`mlx5_vfio_pci`), or a UIO one.
pub fn is_userspace_driver(driver: &str) -> bool {
    UIO_DRIVERS.contains(&driver) || driver.replace('_', "-").ends_with("vfio-pci")
}

/// `uioN` of a device that a UIO driver holds.
pub fn uio(sysfs: &Sysfs, device: &Device) -> Option<String> {
    let driver = device.driver.as_deref()?;
    if !UIO_DRIVERS.contains(&driver) {
        return None;
    }
    numbered(sysfs, &Device::directory(sysfs, &device.id).join("uio"), "uio")
}

/// `vhost-vdpa-N` of a vDPA device that is bound to `vhost_vdpa`.
pub fn vhost_vdpa(sysfs: &Sysfs, device: &Device, vdpa: &Vdpa) -> Option<String> {
    if vdpa.driver != Some(VdpaDriver::Vhost) {
        return None;
    }
    let directory = Device::directory(sysfs, &device.id).join(&vdpa.name);
    numbered(sysfs, &directory, "vhost-vdpa-")
}

/// Whether a miscellaneous device (`vhost-net`, `tun`, `iommu`, `rdma_cm`) is registered. The node of one whose module is
/// loaded on first use exists all the same.
pub fn has_misc(sysfs: &Sysfs, name: &str) -> bool {
    sysfs.path("class/misc").join(name).exists()
}

/// The first entry that is a prefix and a number.
fn numbered(sysfs: &Sysfs, directory: &std::path::Path, prefix: &str) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mut names = sysfs.names(directory).into_iter();
    names.find(|name| name.strip_prefix(prefix).is_some_and(is_number))
}

#[cfg(test)]
#[path = "char_devices_tests.rs"]
mod tests;
