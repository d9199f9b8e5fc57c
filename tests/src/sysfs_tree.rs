//! A sysfs tree of files, for devices that this machine does not have.

mod characters;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Indices of interfaces start where no machine has any, so that nothing is asked of this one's kernel about them.
const FIRST_INDEX: u32 = 1_000_000;

/// A tree, removed when dropped.
#[derive(Debug)]
pub struct SysfsTree {
    root: tempfile::TempDir,
}

/// A PCI network device to be made.
#[derive(Debug, Clone)]
pub struct Pci<'a> {
    /// `0000:01:00.0`.
    pub address: &'a str,
    /// Four hexadecimal digits.
    pub vendor: &'a str,
    /// Four hexadecimal digits.
    pub device: &'a str,
    /// The bound driver.
    pub driver: Option<&'a str>,
    /// -1 for none.
    pub numa_node: i32,
    /// Name of its interface.
    pub netdev: Option<&'a str>,
}

// === impl Pci ===

impl<'a> Pci<'a> {
    /// An Intel 82576 port, without interface.
    pub fn at(address: &'a str) -> Self {
        Self {
            address,
            vendor: "8086",
            device: "10c9",
            driver: Some("igb"),
            numa_node: -1,
            netdev: None,
        }
    }
}

// === impl SysfsTree ===

impl Default for SysfsTree {
    fn default() -> Self {
        Self::new()
    }
}

impl SysfsTree {
    /// An empty one.
    ///
    /// # Panics
    /// As everything here, if the file system does not do what it is told.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("hardwire-sysfs-").tempdir();
        Self {
            root: root.expect("a directory"),
        }
    }

    /// One PF, `eth0` at 0000:01:00.0 on NUMA node 1, and VFs at 0000:01:10.0, .1, ... without interfaces.
    pub fn with_vfs(count: u32) -> Self {
        let tree = Self::new();
        let pf = "0000:01:00.0";
        tree.add_pf(
            &Pci {
                numa_node: 1,
                netdev: Some("eth0"),
                ..Pci::at(pf)
            },
            7,
        );
        for index in 0..count {
            let address = Self::vf(index);
            let vf = Pci {
                device: "10ca",
                driver: Some("igbvf"),
                numa_node: 1,
                ..Pci::at(&address)
            };
            tree.add_vf(pf, index, &vf);
        }
        tree
    }

    /// Address of a VF of [`Self::with_vfs`].
    pub fn vf(index: u32) -> String {
        format!("0000:01:{:02x}.{}", 0x10 + index / 8, index % 8)
    }

    /// What stands for /sys.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Directory of a PCI device.
    pub fn device(&self, address: &str) -> PathBuf {
        self.root().join("bus/pci/devices").join(address)
    }

    /// Writes an attribute, with its line end.
    pub fn write(&self, path: &Path, content: &str) {
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, format!("{content}\n")).expect("a file");
    }

    /// Adds a device without SR-IOV.
    pub fn add(&self, pci: &Pci<'_>) {
        let directory = self.device(pci.address);
        self.write(&directory.join("vendor"), &format!("0x{}", pci.vendor));
        self.write(&directory.join("device"), &format!("0x{}", pci.device));
        self.write(&directory.join("class"), "0x020000");
        self.write(&directory.join("numa_node"), &pci.numa_node.to_string());
        if let Some(driver) = pci.driver {
            let target = format!("../../../bus/pci/drivers/{driver}");
            symlink(target, directory.join("driver")).expect("a link");
        }
        if let Some(netdev) = pci.netdev {
            self.add_netdev(&directory, netdev, FIRST_INDEX);
        }
    }

    /// Adds a PF, without VFs as yet.
    pub fn add_pf(&self, pci: &Pci<'_>, total_vfs: u32) {
        self.add(pci);
        let directory = self.device(pci.address);
        self.write(&directory.join("sriov_totalvfs"), &total_vfs.to_string());
        self.write(&directory.join("sriov_numvfs"), "0");
    }

    /// Adds a VF to a PF.
    pub fn add_vf(&self, pf: &str, index: u32, pci: &Pci<'_>) {
        self.add(pci);
        let (pf_directory, directory) = (self.device(pf), self.device(pci.address));
        symlink(format!("../{pf}"), directory.join("physfn")).expect("a link");
        let virtfn = pf_directory.join(format!("virtfn{index}"));
        symlink(format!("../{}", pci.address), virtfn).expect("a link");
        self.write(&pf_directory.join("sriov_numvfs"), &(index + 1).to_string());
    }

    /// Adds an interface to a device.
    pub fn add_netdev(&self, device: &Path, name: &str, index: u32) {
        let directory = device.join("net").join(name);
        self.write(&directory.join("ifindex"), &index.to_string());
        self.write(&directory.join("address"), "02:00:00:00:00:0a");
        self.write(&directory.join("mtu"), "1500");
        self.write(&directory.join("type"), "1");
        let class = self.root().join("class/net");
        fs::create_dir_all(&class).expect("a directory");
        symlink(&directory, class.join(name)).expect("a link");
    }
}
