//! netdevsim: a PF in software, whose VFs have ports in switchdev mode (drivers/net/netdevsim).

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::links::vf;
use super::shell::run;

/// How many VFs a device may have unless it is told otherwise (`NSIM_BUS_DEV_MAX_VFS`).
const MAX_VFS: u32 = 4;

static NEXT: AtomicU32 = AtomicU32::new(100);

/// A netdevsim device with one physical port, removed when dropped.
#[derive(Debug)]
pub struct Netdevsim {
    /// N of `netdevsimN`.
    pub number: u32,
}

impl Netdevsim {
    /// In legacy mode: the PF takes every VF attribute, and the VFs have no ports.
    pub fn legacy(vfs: u32) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let made = fs::write("/sys/bus/netdevsim/new_device", format!("{number} 1"));
        made.expect("netdevsim: run this in hack/vm");
        let device = Self { number };
        if vfs > MAX_VFS {
            device.allow(vfs);
        }
        fs::write(device.path("sriov_numvfs"), vfs.to_string()).expect("making VFs");
        device
    }

    /// Raises how many VFs it may have, which debugfs does.
    fn allow(&self, vfs: u32) {
        let debugfs = "/sys/kernel/debug";
        let file = format!("{debugfs}/netdevsim/netdevsim{}/max_vfs", self.number);
        if fs::metadata(&file).is_err() {
            run(&["mount", "-t", "debugfs", "debugfs", debugfs]);
        }
        fs::write(&file, vfs.to_string()).expect("max_vfs");
    }

    /// In switchdev mode: each VF has a port, and the PF refuses rates.
    pub fn switchdev(vfs: u32) -> Self {
        let device = Self::legacy(vfs);
        let handle = format!("netdevsim/netdevsim{}", device.number);
        run(&["devlink", "dev", "eswitch", "set", &handle, "mode", "switchdev"]);
        device
    }

    /// Id of a VF's port.
    pub fn vf_id(&self, index: u32) -> String {
        format!("netdevsim{}/pf0vf{index}", self.number)
    }

    /// Name of the interface of a port (`p0`, `pf0vf1`), if it is on the host.
    pub fn netdev(&self, port: &str) -> Option<String> {
        let names = fs::read_dir(self.path("net"))
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.into_iter().find(|name| {
            let text = fs::read_to_string(self.path(&format!("net/{name}/phys_port_name")));
            text.is_ok_and(|text| text.trim() == port)
        })
    }

    /// Name of the PF's interface.
    pub fn pf(&self) -> String {
        self.netdev(self.pf_port()).expect("a physical port")
    }

    /// Name of the PF's port.
    pub fn pf_port(&self) -> &'static str {
        // Kernels differ in where they begin to count.
        if self.netdev("p0").is_some() { "p0" } else { "p1" }
    }

    /// A VF as the PF shows it.
    #[track_caller]
    pub fn vf(&self, index: u32) -> Value {
        vf(&self.pf(), index)
    }

    fn path(&self, file: &str) -> String {
        format!("/sys/bus/netdevsim/devices/netdevsim{}/{file}", self.number)
    }
}

impl Drop for Netdevsim {
    fn drop(&mut self) {
        // A failed test may have left it gone already; the next device has another number.
        drop(fs::write("/sys/bus/netdevsim/del_device", self.number.to_string()));
    }
}
