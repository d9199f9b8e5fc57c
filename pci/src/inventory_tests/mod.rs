//! The inventory over trees of files: what each kind of device looks like, and what a broken one does.

mod kinds;
mod ports;
mod vfs;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// A sysfs tree under construction.
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

    fn link(&self, path: &str, target: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(Path::new(target), path).unwrap();
    }

    fn pci(&self, address: &str, class: &str) {
        let at = |file: &str| format!("bus/pci/devices/{address}/{file}");
        self.file(&at("vendor"), "0x8086");
        self.file(&at("device"), "0x10c9");
        self.file(&at("class"), class);
        self.file(&at("numa_node"), "-1");
    }

    /// Below a function at 0000:08:00.0 on NUMA node 1, as number 88.
    fn subfunction(&self, name: &str) {
        self.pci("0000:08:00.0", "0x020000");
        self.file("bus/pci/devices/0000:08:00.0/numa_node", "1");
        let device = format!("devices/pci0000:00/0000:08:00.0/{name}");
        self.netdev(&device, "en8f0s4", 9, None);
        self.file(&format!("{device}/sfnum"), "88");
        self.link(&format!("bus/auxiliary/devices/{name}"), &format!("../../../{device}"));
    }

    fn netdev(&self, device: &str, name: &str, index: u32, port: Option<&str>) {
        let at = |file: &str| format!("{device}/net/{name}/{file}");
        self.file(&at("ifindex"), &index.to_string());
        self.file(&at("address"), "02:00:00:00:00:0a");
        self.file(&at("mtu"), "1500");
        self.file(&at("type"), "1");
        if let Some(port) = port {
            self.file(&at("phys_port_name"), port);
            self.file(&at("phys_switch_id"), "525400112233");
        }
    }
}

fn id(text: &str) -> DeviceId {
    text.parse().unwrap()
}
