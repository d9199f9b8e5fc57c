//! What it costs to tell a cluster's API of 1,024 VFs: memory, and requests in a minute in which pods come all the time.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::super::measured::{Effort, Measured};
use super::process::Manager;
use super::tree::{RESOURCE, VFS};
use super::{BOUND, KIB_PER_MIB};
use crate::api_server::{ApiServer, Request};
use crate::kubelet::Kubelet;

/// Between two pods that get a device.
const PACE: Duration = Duration::from_millis(500);
const KIB: f64 = 1024.0;

/// `daemon.rss_mib_with_api`, `daemon.api_object_kib_at_1024` and `daemon.api_writes_in_busy_minute`.
pub(super) fn cluster(
    start: impl Fn(&Path) -> Manager,
    kubelet_dir: &Path,
    directory: &Path,
    effort: Effort,
    measured: &mut Measured,
) {
    let api = ApiServer::start().expect("a port");
    let kubelet = Kubelet::start(kubelet_dir).expect("the kubelet's directory");
    let manager = start(&api.kubeconfig(directory));
    let devices = kubelet.wait_for_devices(RESOURCE, |devices| devices.len() == VFS, BOUND);
    let devices = devices.unwrap_or_else(|error| panic!("no list: {error}\n{}", manager.log()));
    api.wait_for(Request::is_write, BOUND);
    thread::sleep(Duration::from_secs(10));
    let (before, _) = api.writes();
    let begun = Instant::now();
    for device in devices.iter().take(1000) {
        let allocated = kubelet.allocate(RESOURCE, &[&[&device.id]]);
        allocated.unwrap_or_else(|status| panic!("Allocate of {}: {status}", device.id));
        thread::sleep(PACE);
        if begun.elapsed() >= effort.idle {
            break;
        }
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let (writes, bytes) = api.writes();
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    measured.figure(
        "daemon.rss_mib_with_api",
        f64::from(manager.resident_kib()) / KIB_PER_MIB,
    );
    measured.figure("daemon.api_object_kib_at_1024", count(bytes) / KIB);
    measured.figure("daemon.api_writes_in_busy_minute", count(writes - before) / minutes);
    manager.end();
}
