//! The steps of one PF, in order; the first that fails ends it, and what stands stays.
//!
//! A write can block for minutes (firmware, or a user of VFIO that does not let go), and nothing can end it: who waits for this has
//! a bound, and says between two steps that nobody waits any more.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::{Device, DeviceId, IfName, Sysfs, pf_interface};

use super::machine::Machine;
use super::step::{Step, VfChange};
use crate::config::pfs::WantedDriver;

/// Between two looks at what the kernel makes by itself and tells in no one order: links of VFs, their drivers, interfaces.
const LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// How long is waited for what the kernel makes.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Links of up to 16 VFs, drivers, interfaces.
    pub few: Duration,
    /// Links of more.
    pub many: Duration,
    /// The carrier of a PF that was set up, without which some VFs have no link; after that it goes on all the same.
    pub carrier: Duration,
}

/// A PF that is changed.
pub struct Site<'a> {
    /// The tree.
    pub sysfs: &'a Sysfs,
    /// What writes.
    pub machine: &'a mut dyn Machine,
    /// The PF.
    pub pf: &'a DeviceId,
    /// How long is waited.
    pub patience: Patience,
}

impl fmt::Debug for Site<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("pf", self.pf).finish_non_exhaustive()
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            few: Duration::from_secs(30),
            many: Duration::from_secs(300),
            carrier: Duration::from_secs(10),
        }
    }
}

// === impl Site ===

impl Site<'_> {
    /// Takes a step. What is so already is not written again.
    pub fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Link { up } => self.set_link(*up),
            Step::PfMtu(mtu) => {
                let file = self.interface()?.join("mtu");
                self.write(&file, &mtu.to_string())
            }
            Step::Autoprobe(on) => self.write_own("sriov_drivers_autoprobe", if *on { "1" } else { "0" }),
            Step::RemoveVfs { .. } => self.set_count(0),
            Step::MakeVfs(count) => {
                self.set_count(*count)?;
                self.await_links(*count)
            }
            Step::UnbindAll => {
                for vf in self.vfs() {
                    self.unbind(&vf)?;
                }
                Ok(())
            }
            Step::Mode(mode) => self.machine.set_mode(self.pf, *mode),
            Step::ProbeAll => {
                for vf in self.vfs() {
                    if driver(&vf).is_none() {
                        self.probe(&vf)?;
                    }
                }
                Ok(())
            }
            Step::Vf { index, change } => self.change(*index, change),
            Step::Forget => Ok(()),
        }
    }

    fn change(&mut self, index: u32, change: &VfChange) -> Result<(), String> {
        match change {
            VfChange::Attributes(attributes) => {
                let (_, pf) = pf_interface(self.sysfs, self.pf).ok_or("the PF has no interface here")?;
                self.machine.set_vf(pf, index, attributes)
            }
            VfChange::Msix(count) => {
                let vf = self.vf(index)?;
                // Vectors are shared out while nobody drives the VF.
                self.unbind(&vf)?;
                self.write(&vf.join("sriov_vf_msix_count"), &count.to_string())
            }
            VfChange::Driver(WantedDriver::Named(name)) => self.bind(index, name),
            VfChange::Driver(WantedDriver::Default) => self.bind_default(index),
            VfChange::Mtu(mtu) => {
                let vf = self.vf(index)?;
                let net = vf.join("net");
                let interface = || {
                    self.sysfs
                        .names(&net)
                        .into_iter()
                        .find_map(|name| name.parse::<IfName>().ok())
                };
                let name = wait(self.patience.few, interface);
                let name = name.ok_or_else(|| format!("{} has no interface here", shown(&vf)))?;
                self.write(&net.join(name.as_str()).join("mtu"), &mtu.to_string())
            }
        }
    }

    fn set_link(&mut self, up: bool) -> Result<(), String> {
        let directory = self.interface()?;
        let file = directory.join("flags");
        let text = self.sysfs.text(&file).map_err(|error| error.to_string())?;
        let flags = text
            .strip_prefix("0x")
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let flags = flags.ok_or_else(|| format!("{}: {text:?} is no number", file.display()))?;
        let flags = if up { flags | 1 } else { flags & !1 };
        self.write(&file, &format!("{flags:#x}"))?;
        if up {
            let carrier = directory.join("carrier");
            let has_carrier =
                || fs::read_to_string(&carrier).map_or(Some(()), |text| (text.trim() != "0").then_some(()));
            // One without a cable is no reason to have no VFs.
            let _ = wait(self.patience.carrier, has_carrier);
        }
        Ok(())
    }

    /// The write succeeds also where the driver made fewer, or none.
    fn set_count(&mut self, count: u32) -> Result<(), String> {
        let file = self.own("sriov_numvfs");
        let now = |site: &Self| site.sysfs.number::<u32>(&file).map_err(|error| error.to_string());
        if now(self)? == count {
            return Ok(());
        }
        self.write(&file, &count.to_string())?;
        match now(self)? {
            made if made == count => Ok(()),
            made => Err(format!("{count} VFs were asked for, and its driver made {made}")),
        }
    }

    fn await_links(&self, count: u32) -> Result<(), String> {
        if self.pf.pci().is_none() {
            return Ok(());
        }
        let bound = if count > 16 {
            self.patience.many
        } else {
            self.patience.few
        };
        let mut first_missing = 0;
        let all = wait(bound, || {
            while first_missing < count && self.own(&format!("virtfn{first_missing}")).join("vendor").exists() {
                first_missing += 1;
            }
            (first_missing == count).then_some(())
        });
        all.ok_or_else(|| format!("VF {first_missing} of {count} is not there after {} s", bound.as_secs()))
    }

    fn bind(&mut self, index: u32, name: &str) -> Result<(), String> {
        let vf = self.vf(index)?;
        let is_bound = || (driver(&vf).as_deref() == Some(name)).then_some(());
        if is_bound().is_none() {
            self.write(&vf.join("driver_override"), name)?;
            self.unbind(&vf)?;
            self.probe(&vf)?;
            let bound = wait(self.patience.few.min(Duration::from_secs(5)), is_bound);
            // What an override forgets would keep the VF from any other driver.
            self.clear_override(&vf)?;
            return bound.ok_or_else(|| {
                let hint = if name == "vfio-pci" {
                    " (is there an IOMMU?)"
                } else {
                    ""
                };
                format!("{name} did not take {}{hint}", shown(&vf))
            });
        }
        self.clear_override(&vf)
    }

    fn bind_default(&mut self, index: u32) -> Result<(), String> {
        let vf = self.vf(index)?;
        self.clear_override(&vf)?;
        if driver(&vf).is_some_and(|driver| is_userspace_driver(&driver)) {
            self.unbind(&vf)?;
        }
        let is_bound = || driver(&vf).map(drop);
        if is_bound().is_none() {
            self.probe(&vf)?;
        }
        let bound = wait(self.patience.few, is_bound);
        bound.ok_or_else(|| format!("no driver takes {}: is its module there?", shown(&vf)))
    }

    fn clear_override(&mut self, vf: &Path) -> Result<(), String> {
        let file = vf.join("driver_override");
        match self.sysfs.optional_text(&file) {
            Some(text) if text != "(null)" => self.write(&file, "\n"),
            _ => Ok(()),
        }
    }

    fn unbind(&mut self, vf: &Path) -> Result<(), String> {
        if driver(vf).is_none() {
            return Ok(());
        }
        let file = vf.join("driver/unbind");
        self.write(&file, &address(vf)?)
    }

    fn probe(&mut self, vf: &Path) -> Result<(), String> {
        let file = self.sysfs.path("bus/pci/drivers_probe");
        self.write(&file, &address(vf)?)
    }

    fn write_own(&mut self, name: &str, text: &str) -> Result<(), String> {
        let file = self.own(name);
        self.write(&file, text)
    }

    fn write(&mut self, file: &Path, text: &str) -> Result<(), String> {
        let written = self.machine.write(file, text);
        written.map_err(|error| format!("{:?} to {}: {error}", text.trim_end(), file.display()))
    }

    fn own(&self, name: &str) -> PathBuf {
        Device::directory(self.sysfs, self.pf).join(name)
    }

    /// The directory of the PF's interface, which may have another name since the last step.
    fn interface(&self) -> Result<PathBuf, String> {
        let (name, _) = pf_interface(self.sysfs, self.pf).ok_or("the PF has no interface in the host's namespace")?;
        Ok(self.sysfs.path("class/net").join(name.as_str()))
    }

    fn vf(&self, index: u32) -> Result<PathBuf, String> {
        let link = self.own(&format!("virtfn{index}"));
        let found = fs::canonicalize(&link);
        found.map_err(|error| format!("VF {index}: {}: {error}", link.display()))
    }

    fn vfs(&self) -> Vec<PathBuf> {
        let directory = self.own("");
        let names = self.sysfs.names(&directory).into_iter();
        let mut indices: Vec<u32> = names
            .filter_map(|name| name.strip_prefix("virtfn")?.parse().ok())
            .collect();
        indices.sort_unstable();
        indices.into_iter().filter_map(|index| self.vf(index).ok()).collect()
    }
}

fn driver(vf: &Path) -> Option<String> {
    let target = fs::read_link(vf.join("driver")).ok()?;
    target.file_name()?.to_str().map(str::to_owned)
}

fn address(vf: &Path) -> Result<String, String> {
    let name = vf.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| format!("{} is no device", vf.display()))
}

fn shown(vf: &Path) -> String {
    address(vf).unwrap_or_else(|error| error)
}

/// Looks until there is something, or the bound is over.
fn wait<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    let mut pause = LOOK;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(pause);
        pause = (pause * 2).min(LONGEST_LOOK);
    }
}

#[cfg(test)]
#[path = "carry_out_tests.rs"]
mod tests;
