//! For tests: a PF in a tree of files, and a kernel that does what is written there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardwire_cni::kernel::VfAttribute;
use hardwire_pci::{DeviceId, Sysfs};

use super::carry_out::{Patience, Site};
use super::machine::Machine;
use super::step::{Step, described};
use crate::config::pfs::EswitchMode;

pub(super) const PF: &str = "0000:01:00.0";

/// A kernel in a tree of files: it makes VFs when their number is written, binds and unbinds, and notes each write.
#[derive(Clone)]
pub(super) struct Tree {
    pub(super) root: PathBuf,
    pub(super) written: Arc<Mutex<Vec<String>>>,
    /// How many VFs it makes at most, without a word.
    pub(super) most: u32,
    /// It ends with whoever writes, before its write of this number or after it.
    pub(super) dies: Option<(usize, bool)>,
    /// A file that is never written to the end.
    pub(super) hangs: Option<&'static str>,
}

impl Tree {
    fn own(&self) -> PathBuf {
        self.root.join("bus/pci/devices").join(PF)
    }

    fn count(&self, count: u32) {
        let count = count.min(self.most);
        for index in 0..8 {
            let vf = self.root.join(format!("bus/pci/devices/0000:01:10.{index}"));
            let link = self.own().join(format!("virtfn{index}"));
            let _ = fs::remove_file(&link);
            let _ = fs::remove_dir_all(&vf);
            if index < count {
                fs::create_dir_all(vf.join("net/eth9")).unwrap();
                for (file, text) in [
                    ("vendor", "0x8086"),
                    ("device", "0x154c"),
                    ("class", "0x020000"),
                    ("enable", "0"),
                ] {
                    fs::write(vf.join(file), format!("{text}\n")).unwrap();
                }
                for (file, text) in [("ifindex", "90"), ("type", "1"), ("address", "02:00:00:00:00:09")] {
                    fs::write(vf.join("net/eth9").join(file), format!("{text}\n")).unwrap();
                }
                symlink(self.own(), vf.join("physfn")).unwrap();
                fs::write(vf.join("net/eth9/mtu"), "1500\n").unwrap();
                fs::write(vf.join("driver_override"), "(null)\n").unwrap();
                fs::write(vf.join("sriov_vf_msix_count"), "0\n").unwrap();
                symlink(&vf, link).unwrap();
                self.bind(&vf, "vfdrv");
            }
        }
        fs::write(self.own().join("sriov_numvfs"), format!("{count}\n")).unwrap();
    }

    fn bind(&self, vf: &Path, driver: &str) {
        symlink(self.root.join("bus/pci/drivers").join(driver), vf.join("driver")).unwrap();
    }
}

impl Machine for Tree {
    fn write(&mut self, file: &Path, text: &str) -> std::io::Result<()> {
        let file = file.canonicalize()?;
        let name = file.strip_prefix(&self.root).unwrap().display().to_string();
        let name = name.replace("bus/pci/", "").replace("devices/", "");
        let number = {
            let mut written = self.written.lock().unwrap();
            written.push(format!("{name} = {}", text.trim_end()));
            written.len() - 1
        };
        if self.hangs.is_some_and(|hangs| name.ends_with(hangs)) {
            std::thread::sleep(Duration::from_secs(3600));
        }
        let died = || Err(std::io::ErrorKind::Interrupted.into());
        if self.dies == Some((number, false)) {
            return died();
        }
        let text = text.trim_end();
        match file.file_name().unwrap().to_str().unwrap() {
            "sriov_numvfs" => self.count(text.parse().unwrap()),
            "unbind" => fs::remove_file(self.root.join("bus/pci/devices").join(text).join("driver"))?,
            "drivers_probe" => {
                let vf = self.root.join("bus/pci/devices").join(text);
                let override_ = fs::read_to_string(vf.join("driver_override")).unwrap();
                let driver = if override_.trim() == "(null)" {
                    "vfdrv"
                } else {
                    override_.trim()
                };
                if driver != "refuses" {
                    self.bind(&vf, driver);
                }
            }
            "driver_override" if text.is_empty() => fs::write(&file, "(null)\n")?,
            _ => fs::write(&file, text)?,
        }
        if self.dies == Some((number, true)) {
            return died();
        }
        Ok(())
    }

    fn set_vf(&mut self, pf: u32, vf: u32, attributes: &[VfAttribute]) -> Result<(), String> {
        let words: Vec<String> = attributes.iter().map(described).collect();
        self.written
            .lock()
            .unwrap()
            .push(format!("{pf} VF {vf}: {}", words.join(", ")));
        Ok(())
    }

    fn set_mode(&mut self, pf: &DeviceId, mode: EswitchMode) -> Result<(), String> {
        self.written.lock().unwrap().push(format!("{pf} {}", mode.word()));
        Ok(())
    }
}

pub(super) struct Bench {
    _directory: tempfile::TempDir,
    pub(super) sysfs: Sysfs,
    pub(super) tree: Tree,
}

impl Bench {
    pub(super) fn new(vfs: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("class/net")).unwrap();
        for driver in ["vfdrv", "vfio-pci", "pfdrv"] {
            fs::create_dir_all(root.join("bus/pci/drivers").join(driver)).unwrap();
            fs::write(root.join("bus/pci/drivers").join(driver).join("unbind"), "").unwrap();
        }
        fs::write(root.join("bus/pci/drivers_probe"), "").unwrap();
        pf(&root, PF, "pf0");
        pf(&root, "0000:02:00.0", "pf1");
        let tree = Tree {
            root: root.clone(),
            written: Arc::default(),
            most: 8,
            dies: None,
            hangs: None,
        };
        tree.count(vfs);
        Self {
            _directory: directory,
            sysfs: Sysfs::at(root),
            tree,
        }
    }

    /// Takes steps; returns what was written until one failed, if one did.
    pub(super) fn take(&mut self, steps: &[Step]) -> (Vec<String>, Option<String>) {
        let none = Duration::from_millis(50);
        let patience = Patience {
            few: none,
            many: none,
            carrier: none,
        };
        let pf = PF.parse().unwrap();
        let mut site = Site {
            sysfs: &self.sysfs,
            machine: &mut self.tree,
            pf: &pf,
            patience,
        };
        let failed = steps.iter().find_map(|step| site.take(step).err());
        (std::mem::take(&mut *self.tree.written.lock().unwrap()), failed)
    }
}

fn pf(root: &Path, address: &str, name: &str) {
    let own = root.join("bus/pci/devices").join(address);
    let net = own.join("net").join(name);
    fs::create_dir_all(&net).unwrap();
    let of_device = [
        ("sriov_totalvfs", "8"),
        ("sriov_numvfs", "0"),
        ("sriov_drivers_autoprobe", "1"),
        ("class", "0x020000"),
        ("vendor", "0x8086"),
        ("device", "0x1572"),
    ];
    for (file, text) in of_device {
        fs::write(own.join(file), format!("{text}\n")).unwrap();
    }
    let of_interface = [
        ("ifindex", "7"),
        ("mtu", "1500"),
        ("flags", "0x1002"),
        ("type", "1"),
        ("address", "02:00:00:00:00:01"),
    ];
    for (file, text) in of_interface {
        fs::write(net.join(file), format!("{text}\n")).unwrap();
    }
    symlink(root.join("bus/pci/drivers/pfdrv"), own.join("driver")).unwrap();
    symlink(&net, root.join("class/net").join(name)).unwrap();
}
