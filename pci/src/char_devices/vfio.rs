//! VFIO: a device is opened through its IOMMU group, or, with iommufd, through a file of its own.

use std::collections::BTreeSet;

use super::numbered;
use crate::device::Device;
use crate::sysfs::Sysfs;

/// Of VFIO's files those that belong to no one device, read once for all devices of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VfioClasses {
    /// `7`, or `noiommu-7` for a group that VFIO made up where there is no IOMMU (drivers/vfio/group.c).
    groups: BTreeSet<String>,
    /// Some device has a directory `vfio-dev`.
    has_devices: bool,
}

impl VfioClasses {
    /// Reads the classes.
    pub fn read(sysfs: &Sysfs) -> Self {
        Self {
            groups: sysfs.names(&sysfs.path("class/vfio")).into_iter().collect(),
            has_devices: !sysfs.names(&sysfs.path("class/vfio-dev")).is_empty(),
        }
    }
}

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
    pub fn read(sysfs: &Sysfs, classes: &VfioClasses, device: &Device) -> Option<Self> {
        let own = classes
            .has_devices
            .then(|| Device::directory(sysfs, &device.id).join("vfio-dev"));
        // Variant drivers are called mlx5_vfio_pci, hisi-acc-vfio-pci and so on; vfio-dev came with Linux 6.1.
        let by_name = |driver: &String| driver.replace('-', "_").ends_with("vfio_pci");
        let is_named = device.driver.as_ref().is_some_and(by_name);
        if !(is_named || own.as_ref().is_some_and(|own| own.is_dir())) {
            return None;
        }
        let file = own.and_then(|own| {
            let name = numbered(sysfs, &own, "vfio")?;
            own.join(&name).join("dev").exists().then_some(name)
        });
        let has_group = |name: &str| classes.groups.contains(name);
        let no_iommu = device
            .iommu_group
            .is_some_and(|group| has_group(&format!("noiommu-{group}")));
        let has_file = |group: &u32| file.is_none() || no_iommu || has_group(&group.to_string());
        Some(Self {
            group: device.iommu_group.filter(has_file),
            no_iommu,
            device: file,
        })
    }
}
