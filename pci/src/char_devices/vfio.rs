//! VFIO: a device is opened through its IOMMU group, or, with iommufd, through a file of its own.

use super::numbered;
use crate::device::Device;
use crate::sysfs::Sysfs;

/// The `name` that VFIO gives to the groups it makes up where there is no IOMMU.
const NO_IOMMU: &str = "vfio-noiommu";

/// What a VFIO driver shows of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vfio {
    /// The number of its IOMMU group, if that has a file: kernels without `CONFIG_VFIO_GROUP` have none.
    pub group: Option<u32>,
    /// The group protects nobody: its file is `noiommu-N`.
    pub no_iommu: bool,
    /// `vfioN`, its own file for use with iommufd, where the kernel has such files (6.6 and later).
    pub device: Option<String>,
}

impl Vfio {
    /// Reads it; `None` unless the device's driver is a VFIO driver.
    pub fn read(sysfs: &Sysfs, device: &Device) -> Option<Self> {
        let directory = Device::directory(sysfs, &device.id);
        let own = directory.join("vfio-dev");
        // Variant drivers are called mlx5_vfio_pci, hisi-acc-vfio-pci and so on; vfio-dev came with Linux 6.1.
        let by_name = |driver: &String| driver.replace('-', "_").ends_with("vfio_pci");
        if !(device.driver.as_ref().is_some_and(by_name) || own.is_dir()) {
            return None;
        }
        let with_file = |name: &String| own.join(name).join("dev").exists();
        let file = numbered(sysfs, &own, "vfio").filter(with_file);
        let name = sysfs.optional_text(&directory.join("iommu_group/name"));
        let no_iommu = name.is_some_and(|name| name == NO_IOMMU);
        let has_file = |group: &u32| {
            let prefix = if no_iommu { "noiommu-" } else { "" };
            file.is_none() || sysfs.path(format!("class/vfio/{prefix}{group}")).exists()
        };
        Some(Self {
            group: device.iommu_group.filter(has_file),
            no_iommu,
            device: file,
        })
    }
}
