//! The device manager on a node with 1,024 VFs: how soon the kubelet has its list, what it weighs, how fast it allocates,
//! and what it costs while nothing happens.
//!
//! The node is a tree of files (`tree`): 8 PFs with 128 VFs each, bound to vfio-pci, so that no interface of the machine has
//! a part in it. How fast it follows a change is measured in the emulated node ([`events`]). sriov-network-device-plugin runs on the same tree, in the same run (`process`).

mod cluster;
mod events;
mod namespaces;
mod process;
mod tree;

use std::path::Path;
use std::time::{Duration, Instant};

use super::contestant::Programs;
use super::measured::{Effort, Measured};
use super::stats::{median, ms, quantile, ratio};
use crate::kubelet::Kubelet;
use crate::node::run;

pub use events::events;
use process::Manager;
use tree::{RESOURCE, VFS};

/// More than enough for any of them.
const BOUND: Duration = Duration::from_secs(60);
const KIB_PER_MIB: f64 = 1024.0;

/// All figures of the device manager that need no emulated node.
pub fn manager(programs: &Programs, directory: &Path, effort: Effort, measured: &mut Measured) {
    let Some(hardwired) = programs.find("hardwired") else {
        return measured.note("left out: daemon.*, for hardwired is missing");
    };
    let directory = directory.join("manager");
    tree::build(&directory.join("sys"));
    let config = tree::config(&directory);
    let kubelet_dir = directory.join("kubelet");
    let ours = || Manager::ours(&hardwired, &directory, &config, &kubelet_dir);

    let (first, weight) = start_often(ours, &kubelet_dir, effort);
    measured.time("daemon.first_list", first);
    measured.figure("daemon.first_list_ms", ms(first));
    measured.figure("daemon.rss_mib_at_1024", weight);
    allocate(ours, &kubelet_dir, measured);
    namespaces::namespaces(effort, measured);
    idle(ours, &kubelet_dir, effort, measured);
    let telling = |kubeconfig: &Path| Manager::telling(&hardwired, &directory, &config, &kubelet_dir, kubeconfig);
    cluster::cluster(telling, &kubelet_dir, &directory, effort, measured);

    match programs.find("sriovdp") {
        None => measured.note("left out: daemon.upstream_*, for no --peers folder has `sriovdp`"),
        Some(sriovdp) => {
            // Where it looks for the kubelet is fixed; the mount ends with the bench's own place.
            run(&["mount", "-t", "tmpfs", "tmpfs", "/var/lib"]);
            let kubelet_dir = Path::new(process::KUBELET);
            let theirs = || Manager::upstream(&sriovdp, &directory, &config);
            let (their_first, their_weight) = start_often(theirs, kubelet_dir, effort);
            measured.time("sriovdp.first_list", their_first);
            measured.figure("daemon.upstream_first_list_over_ours", ratio(their_first, first));
            measured.figure("daemon.upstream_rss_over_ours", their_weight / weight);
        }
    }
}

/// The time from the start of the process to the first whole list at the kubelet, and MiB resident 10 s after it.
fn start_often(start: impl Fn() -> Manager, kubelet_dir: &Path, effort: Effort) -> (Duration, f64) {
    let mut times = Vec::new();
    let mut weight = 0.0;
    for round in 0..effort.rounds {
        let kubelet = Kubelet::start(kubelet_dir).expect("the kubelet's directory");
        let begun = Instant::now();
        let manager = start();
        let whole = kubelet.wait_for_devices(RESOURCE, |devices| devices.len() == VFS, BOUND);
        whole.unwrap_or_else(|error| panic!("no list of {VFS} devices: {error}\n{}", manager.log()));
        times.push(begun.elapsed());
        if round == 0 {
            std::thread::sleep(Duration::from_secs(10));
            weight = f64::from(manager.resident_kib()) / KIB_PER_MIB;
        }
        manager.end();
    }
    (median(&times), weight)
}

/// 1,000 calls on one connection.
fn allocate(start: impl Fn() -> Manager, kubelet_dir: &Path, measured: &mut Measured) {
    let kubelet = Kubelet::start(kubelet_dir).expect("the kubelet's directory");
    let manager = start();
    let devices = kubelet.wait_for_devices(RESOURCE, |devices| devices.len() == VFS, BOUND);
    let devices = devices.unwrap_or_else(|error| panic!("no list: {error}\n{}", manager.log()));
    let mut times = Vec::new();
    for device in devices.iter().take(1000) {
        let begun = Instant::now();
        let allocated = kubelet.allocate(RESOURCE, &[&[&device.id]]);
        times.push(begun.elapsed());
        allocated.unwrap_or_else(|status| panic!("Allocate of {}: {status}", device.id));
    }
    manager.end();
    measured.time("daemon.allocate", median(&times));
    measured.figure("daemon.allocate_p99_ms", ms(quantile(&times, 0.99)));
}

/// What a minute without anything to do costs.
fn idle(start: impl Fn() -> Manager, kubelet_dir: &Path, effort: Effort, measured: &mut Measured) {
    let kubelet = Kubelet::start(kubelet_dir).expect("the kubelet's directory");
    let manager = start();
    let whole = kubelet.wait_for_devices(RESOURCE, |devices| devices.len() == VFS, BOUND);
    whole.unwrap_or_else(|error| panic!("no list: {error}\n{}", manager.log()));
    // What belongs to the start is over by then.
    std::thread::sleep(Duration::from_secs(15));
    let before = manager.spent();
    std::thread::sleep(effort.idle);
    let after = manager.spent();
    manager.end();
    let minutes = effort.idle.as_secs_f64() / 60.0;
    measured.figure("daemon.idle_cpu_ms", ms(after.cpu.saturating_sub(before.cpu)) / minutes);
    let switches = u32::try_from(after.switches - before.switches).unwrap_or(u32::MAX);
    measured.figure("daemon.idle_switches", f64::from(switches) / minutes);
}
