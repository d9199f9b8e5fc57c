//! `hardwired` and the kubelet: the device-plugin API v1beta1, as the kubelet's device manager uses it.
//!
//! Natively, without root: a sysfs tree of files, the kubelet's stand-in, and the built program between them.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod allocate;
mod authority;
mod cdi;
mod chain;
mod characters;
mod cluster;
mod commands;
mod configuration;
mod descriptors;
mod device_info;
mod devices;
mod events;
mod given_away;
mod ledger;
mod lifecycle;
mod list;
mod logs;
mod metrics;
mod mounts;
mod networks;
mod node_devices;
mod podresources;
mod pods;
mod preferred;
mod profiles;
mod recovery;
mod registration;
mod reload;
mod soak;
mod terminal;

use std::time::Duration;

use hardwire_proto::deviceplugin::Device;
use hardwire_tests::daemon::{Daemon, Site};
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::sysfs_tree::SysfsTree;
use serde_json::{Value, json};

/// For what should take no time at all, on however slow a machine.
const SOON: Duration = Duration::from_secs(20);
/// Longer than anything that the daemon waits for before it registers again.
const LONG_ENOUGH: Duration = Duration::from_secs(5);

const RESOURCE: &str = "intel.com/vfs";
const ENDPOINT: &str = "intel.com_vfs.sock";

/// One pool of all VFs of the tree's PF.
fn one_pool() -> Value {
    json!({"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}}]})
}

/// A kubelet, a daemon that is registered with it, and a tree with VFs.
struct Running {
    // In the order in which they end.
    daemon: Daemon,
    kubelet: Kubelet,
    site: Site,
    tree: SysfsTree,
}

impl Running {
    fn start(config: &Value, vfs: u32) -> Self {
        let (site, tree) = (Site::new(), SysfsTree::with_vfs(vfs));
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let daemon = site.start(config, tree.root());
        Self {
            daemon,
            kubelet,
            site,
            tree,
        }
    }

    /// With one pool, and its list received.
    fn registered(vfs: u32) -> Self {
        let running = Self::start(&one_pool(), vfs);
        running.wait_for(RESOURCE, vfs as usize);
        running
    }

    #[track_caller]
    fn wait_for(&self, resource: &str, count: usize) -> Vec<Device> {
        let all = |devices: &[Device]| devices.len() == count;
        self.kubelet.wait_for_devices(resource, all, SOON).unwrap()
    }

    /// Waits until the daemon has registered so many times, and its latest stream has sent a list.
    #[track_caller]
    fn wait_for_registration(&self, count: usize) {
        self.kubelet.wait_for_registrations(count, SOON).unwrap();
        self.kubelet.wait_for_devices(RESOURCE, |_| true, SOON).unwrap();
    }

    /// Nothing registers for longer than the daemon ever hesitates.
    #[track_caller]
    fn assert_no_more_registrations_than(&self, count: usize) {
        let more = self.kubelet.wait_for_registrations(count + 1, LONG_ENOUGH);
        assert!(more.is_err(), "registered again: {more:?}");
    }
}

fn ids(devices: &[Device]) -> Vec<&str> {
    devices.iter().map(|device| device.id.as_str()).collect()
}
