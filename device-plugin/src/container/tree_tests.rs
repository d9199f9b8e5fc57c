//! A node of files for tests: sysfs, /dev, and the folders of documents.

use std::fs;
use std::path::PathBuf;

use hardwire_pci::{Device, DeviceId, Function, Sysfs, Vdpa, VdpaDriver};
use serde_json::{Value, json};

use super::{HostPaths, Publisher};
use crate::config::{Config, Defaults, Needs, Pool};
use crate::container::Member;
use crate::pools::offer::Offer;

/// PCI function that the tests' VFs belong to.
pub(crate) const PF: &str = "0000:3b:00.0";

pub(crate) struct Tree {
    root: tempfile::TempDir,
    pub(crate) host_paths: HostPaths,
}

/// The pool `intel.com/x`, with more fields.
pub(crate) fn pool(more: &Value) -> Pool {
    let mut pool = json!({"resourceName": "x", "selectors": {}});
    pool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let defaults = Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let config = Config::from_json(json!({"resourceList": [pool]}), &defaults).unwrap();
    assert!(config.refused.is_empty(), "{:?}", config.refused);
    config.pools.into_iter().next().unwrap()
}

/// VF number 3 of [`PF`].
pub(crate) fn vf(id: &str, driver: &str) -> Device {
    let id: DeviceId = id.parse().unwrap();
    Device {
        driver: Some(driver.to_owned()),
        iommu_group: Some(169),
        function: Function::Vf {
            pf: Some(PF.parse().unwrap()),
            index: Some(3),
        },
        ..Device::unknown(id)
    }
}

pub(crate) fn vdpa(device: Device, driver: VdpaDriver) -> Device {
    let name = "vdpa0".to_owned();
    Device {
        vdpa: vec![Vdpa {
            name,
            driver: Some(driver),
        }],
        ..device
    }
}

// === impl Tree ===

impl Tree {
    pub(crate) fn new(use_cdi: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let publisher = Publisher::new(use_cdi, at("cdi"), at("devinfo"), at("state/published"));
        let host_paths = HostPaths {
            sysfs: Sysfs::at(at("sys")),
            dev: at("dev"),
            publisher,
        };
        Self { root, host_paths }
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.host_paths.publisher
    }

    /// One that knows nothing of what the first did.
    pub(crate) fn another_publisher(&self) -> Publisher {
        let Publisher {
            use_cdi,
            cdi,
            device_info,
            published,
            ..
        } = self.publisher().clone();
        Publisher::new(use_cdi, cdi, device_info, published)
    }

    /// A file of `sys`, `dev` or a folder of documents.
    pub(crate) fn file(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// The names in a folder.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        Sysfs::at(self.root.path()).names(&self.path(folder))
    }

    /// An RDMA device with all of its files.
    pub(crate) fn rdma(&self, name: &str, number: u32) {
        for (class, file) in [("verbs", "uverbs"), ("mad", "umad"), ("mad", "issm"), ("cm", "ucm")] {
            self.file(&format!("sys/class/infiniband_{class}/{file}{number}/ibdev"), name);
        }
        fs::create_dir_all(self.path("sys/class/misc/rdma_cm")).unwrap();
    }

    pub(crate) fn offer(&self, pool: &Pool, devices: &[&Device], needs: Needs) -> Offer {
        let member = |device: &&_| -> (Device, Needs) { (Device::clone(device), needs) };
        let members: Vec<(Device, Needs)> = devices.iter().map(member).collect();
        let members = members.iter().map(|(device, needs)| Member {
            device,
            pf: None,
            needs: *needs,
            healthy: true,
            refused: None,
            held_as: None,
            is_held: false,
        });
        Offer::new(pool, members, &self.host_paths)
    }
}
