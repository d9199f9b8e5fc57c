//! `hardwired` while the node changes under it: the kubelet's list follows the hardware, health follows what is found.
//!
//! In the emulated node: igb VFs and netdevsim, a real kernel's events, and the kubelet's stand-in to see the lists.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod discovery;
mod health;
mod inherited;
mod node_use;
mod pods;

use std::time::{Duration, Instant};

use hardwire_proto::deviceplugin::Device;
use hardwire_tests::daemon::{Daemon, Site};
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::node::Igb;
use hardwire_tests::plugin::Plugin;
use hardwire_tests::records;
use serde_json::{Value, json};

/// For what should take no time at all, on an emulated machine.
const SOON: Duration = Duration::from_secs(30);
const RESOURCE: &str = "intel.com/live";

/// A kubelet, a daemon that is registered with it, and a plugin that shares the daemon's state.
struct Live {
    // In the order in which they end.
    daemon: Daemon,
    kubelet: Kubelet,
    plugin: Plugin,
    site: Site,
    config: Value,
}

impl Live {
    /// One pool, whose list has this many devices.
    fn start(pool: &Value, count: usize) -> Self {
        let mut pool = pool.clone();
        pool["resourceName"] = json!("live");
        let config = json!({"resourceList": [pool]});
        let (site, plugin) = (Site::new(), Plugin::new());
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let daemon = site.start_live(&config, Some(&plugin.state()));
        let live = Self {
            daemon,
            kubelet,
            plugin,
            site,
            config,
        };
        live.wait(|devices| devices.len() == count && devices.iter().all(is_healthy));
        live
    }

    /// All VFs of the igb.
    fn igb(igb: &Igb) -> Self {
        Self::start(&json!({"selectors": {"pfNames": [igb.name]}}), 7)
    }

    #[track_caller]
    fn wait(&self, is_right: impl FnMut(&[Device]) -> bool) -> Vec<Device> {
        self.kubelet.wait_for_devices(RESOURCE, is_right, SOON).unwrap()
    }

    /// Waits until a device's health is right, and returns how long that took.
    #[track_caller]
    fn wait_for_health(&self, id: &str, healthy: bool) -> Duration {
        let begin = Instant::now();
        self.wait(|devices| {
            let device = devices.iter().find(|device| device.id == id);
            device.is_some_and(|device| is_healthy(device) == healthy)
        });
        begin.elapsed()
    }

    /// Nothing about a device's health changes for a while.
    #[track_caller]
    fn assert_stays(&self, id: &str, healthy: bool) {
        let other = |devices: &[Device]| {
            let device = devices.iter().find(|device| device.id == id);
            device.is_none_or(|device| is_healthy(device) != healthy)
        };
        let bound = Duration::from_secs(1);
        let changed = self.kubelet.wait_for_devices(RESOURCE, other, bound);
        assert!(changed.is_err(), "{id}: {changed:?}");
    }

    /// Waits for the idle record of a VF, with its PF's generation in force.
    #[track_caller]
    fn wait_for_idle(&self, id: &str) -> Value {
        let idle = self.plugin.state().join("idle");
        wait_for(&format!("an idle record of {id} in force"), || records::idle(&idle, id))
    }
}

/// Waits for something that the daemon writes.
#[track_caller]
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {SOON:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_healthy(device: &Device) -> bool {
    device.health == "Healthy"
}

fn ids(devices: &[Device]) -> Vec<&str> {
    devices.iter().map(|device| device.id.as_str()).collect()
}
