//! A node whose PFs are configured, and what it is like.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hardwire_tests::daemon::Site;
use hardwire_tests::node::{Igb, run};
use serde_json::{Value, json};

/// Tests of the one card take turns.
static CARD: Mutex<()> = Mutex::new(());

/// The card without VFs, for one test. It has them all again afterwards.
pub(crate) struct Card {
    pub(crate) igb: Igb,
    _turn: MutexGuard<'static, ()>,
}

// === impl Card ===

impl Card {
    pub(crate) fn bare() -> Self {
        let turn = CARD.lock().unwrap_or_else(PoisonError::into_inner);
        let igb = Igb::get();
        igb.without_vfs();
        run(&["ip", "link", "set", &igb.name, "mtu", "1500"]);
        run(&["modprobe", "vfio-pci"]);
        run(&["modprobe", "igbvf"]);
        Self { igb, _turn: turn }
    }

    /// An entry for it: 7 VFs, 4 for networks and 3 for user space.
    pub(crate) fn entry(&self, num_vfs: u32) -> Value {
        let mut groups = vec![json!({"indices": "0-3", "driver": "default", "mtu": 1600, "trust": true})];
        if num_vfs > 4 {
            groups.push(json!({"indices": format!("4-{}", num_vfs - 1), "driver": "vfio-pci"}));
        }
        json!({
            "selectors": {"rootDevices": [self.igb.address]},
            "numVfs": num_vfs, "mtu": 2000, "linkUp": true, "vfs": groups,
        })
    }

    pub(crate) fn config(&self, mode: &str, num_vfs: u32) -> Value {
        let pfs = json!({"rootDevices": [self.igb.address]});
        let of = |driver: &str| {
            let mut selectors = pfs.clone();
            selectors["drivers"] = json!([driver]);
            selectors
        };
        json!({
            "provision": mode,
            "pfs": [self.entry(num_vfs)],
            "resourceList": [
                {"resourceName": "net", "selectors": of("igbvf")},
                {"resourceName": "dpdk", "selectors": of("vfio-pci")},
            ],
        })
    }

    pub(crate) fn count(&self) -> u32 {
        self.read("sriov_numvfs").parse().unwrap()
    }

    pub(crate) fn driver(&self, vf: u32) -> String {
        let link = format!("/sys/bus/pci/devices/{}/driver", self.igb.vf_address(vf));
        let target = fs::read_link(link).unwrap_or_default();
        target.file_name().unwrap_or_default().to_str().unwrap().to_owned()
    }

    fn read(&self, file: &str) -> String {
        let path = format!("/sys/bus/pci/devices/{}/{file}", self.igb.address);
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// Everything that is configured, and which instances the VFs are.
    pub(crate) fn state(&self) -> Vec<String> {
        let mut state = vec![self.read(&format!("net/{}/mtu", self.igb.interface().unwrap()))];
        for vf in 0..self.count() {
            let directory = format!("/sys/bus/pci/devices/{}", self.igb.vf_address(vf));
            let inode = fs::metadata(&directory).unwrap().ino();
            state.push(format!("{vf} {} {inode} {}", self.driver(vf), self.igb.vf(vf)));
        }
        state
    }

    /// As [`Card::state`], of a node that was made once more.
    pub(crate) fn made(&self) -> Vec<String> {
        (0..self.count())
            .map(|vf| {
                let mtu = self
                    .igb
                    .vf_netdev(vf)
                    .map(|name| run(&["cat", &format!("/sys/class/net/{name}/mtu")]));
                let at = format!("/sys/bus/pci/devices/{}/driver_override", self.igb.vf_address(vf));
                let left = fs::read_to_string(at).unwrap();
                format!(
                    "{} {:?} {} {}",
                    self.driver(vf),
                    mtu,
                    self.igb.vf(vf)["trust"],
                    left.trim()
                )
            })
            .collect()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        if let Some(name) = self.igb.interface() {
            run(&["ip", "link", "set", &name, "mtu", "1500"]);
        }
        self.igb.renew();
    }
}

/// A command of `hardwired` with this site's configuration and state.
pub(crate) fn command(site: &Site, words: &[&str], config: Option<&Path>) -> Command {
    let mut command = Command::new(hardwire_tests::binaries::hardwired());
    command.args(words).arg("--kubelet-dir").arg(site.kubelet_dir());
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command.env("HARDWIRE_STATE_DIR", site.state_dir());
    command
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs it to its end; returns its exit status and what it said.
pub(crate) fn said(site: &Site, words: &[&str], config: &Value) -> (i32, String) {
    let config: PathBuf = site.config(config);
    let output = command(site, words, Some(&config)).output().unwrap();
    (output.status.code().unwrap(), text(&output))
}

/// The same where a daemon runs.
pub(crate) fn told(site: &Site, words: &[&str]) -> (i32, String) {
    let output = command(site, words, None).output().unwrap();
    (output.status.code().unwrap(), text(&output))
}
