//! RDMA: one RDMA device has several files, each in a class of its own, and each class device names its RDMA device.

use std::collections::BTreeMap;

use crate::device::Device;
use crate::sysfs::Sysfs;

/// Classes whose devices have a file in /dev/infiniband. `infiniband_cm` is gone since Linux 5.1.
const CLASSES: [&str; 3] = ["infiniband_cm", "infiniband_mad", "infiniband_verbs"];

/// The files of all RDMA devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RdmaClasses {
    by_rdma_device: BTreeMap<String, Vec<String>>,
    by_parent: BTreeMap<String, Vec<String>>,
}

/// An RDMA device and its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdmaFiles {
    /// `mlx5_3`.
    pub device: String,
    /// Names in /dev/infiniband: `issm4`, `ucm4`, `umad4`, `uverbs4`, sorted; `issm` and `umad` once per port.
    pub files: Vec<String>,
}

impl RdmaClasses {
    /// Reads the classes.
    pub fn read(sysfs: &Sysfs) -> Self {
        Self::read_where(sysfs, |_| true)
    }

    /// Reads of the classes what may belong to one device: with a thousand others in them that is much less.
    pub fn read_below(sysfs: &Sysfs, device: &Device) -> Self {
        let id = device.id.to_string();
        Self::read_where(sysfs, |parent| parent == id)
    }

    fn read_where(sysfs: &Sysfs, is_wanted: impl Fn(&str) -> bool) -> Self {
        let mut classes = Self::default();
        for class in CLASSES {
            let class = sysfs.path("class").join(class);
            for name in sysfs.names(&class) {
                let parent = sysfs.link_name(&class.join(&name).join("device"));
                if parent.as_ref().is_some_and(|parent| !is_wanted(parent)) {
                    continue;
                }
                // abi_version, and whatever else is no device.
                let Some(rdma_device) = sysfs.optional_text(&class.join(&name).join("ibdev")) else {
                    continue;
                };
                if let Some(parent) = parent {
                    let devices = classes.by_parent.entry(parent).or_default();
                    if !devices.contains(&rdma_device) {
                        devices.push(rdma_device.clone());
                    }
                }
                classes.by_rdma_device.entry(rdma_device).or_default().push(name);
            }
        }
        for files in classes.by_rdma_device.values_mut() {
            files.sort_unstable();
        }
        classes
    }

    /// The RDMA devices of a device, and their files. One in another network namespace is not to be seen below the device,
    /// yet its files are, which belong to no namespace.
    pub fn of(&self, device: &Device) -> Vec<RdmaFiles> {
        let elsewhere = || self.by_parent.get(&device.id.to_string()).cloned();
        let names = match device.rdma.as_slice() {
            [] => elsewhere().unwrap_or_default(),
            here => here.to_vec(),
        };
        let files = |device: String| RdmaFiles {
            files: self.by_rdma_device.get(&device).cloned().unwrap_or_default(),
            device,
        };
        names.into_iter().map(files).collect()
    }
}
