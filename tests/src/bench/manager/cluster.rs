//! What it costs to tell a cluster's API of 1,024 VFs, over TLS: memory of both processes, and requests in a minute in which
//! pods come all the time and are attached.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hardwire_cni::journal::{InPod, Journal, Owner, PodName, Record};
use hardwire_cni::netns::Netns;

use super::super::measured::{Effort, Measured};
use super::process::Manager;
use super::tree::{RESOURCE, VFS};
use super::{BOUND, KIB_PER_MIB};
use crate::api_server::{ApiServer, Request};
use crate::kubelet::Kubelet;
use crate::records;

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
    let api = ApiServer::start_with_tls(directory).expect("a port");
    let kubelet = Kubelet::start(kubelet_dir).expect("the kubelet's directory");
    let manager = start(&api.kubeconfig(directory));
    let devices = kubelet.wait_for_devices(RESOURCE, |devices| devices.len() == VFS, BOUND);
    let devices = devices.unwrap_or_else(|error| panic!("no list: {error}\n{}", manager.log()));
    api.wait_for(Request::is_write, BOUND);
    thread::sleep(Duration::from_secs(10));
    let (before, _) = api.writes();
    let journal = Journal::at(&directory.join("state"));
    let begun = Instant::now();
    for (device, number) in devices.iter().take(1000).zip(0_u32..) {
        let allocated = kubelet.allocate(RESOURCE, &[&[&device.id]]);
        allocated.unwrap_or_else(|status| panic!("Allocate of {}: {status}", device.id));
        journal.put(&attached(&device.id, number)).expect("a record");
        thread::sleep(PACE);
        if begun.elapsed() >= effort.idle {
            break;
        }
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let (writes, bytes) = api.writes();
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let started = manager.started();
    assert!(!started.is_empty(), "nobody tells the cluster\n{}", manager.log());
    let whole = started.iter().map(|(_, kib)| kib).sum::<u32>() + manager.resident_kib();
    let parts: Vec<String> = started.iter().map(|(name, kib)| format!("{name} {kib} KiB")).collect();
    measured.note(format!(
        "resident with the API: hardwired {} KiB, {}",
        manager.resident_kib(),
        parts.join(", ")
    ));
    measured.figure("daemon.rss_mib_with_api", f64::from(whole) / KIB_PER_MIB);
    measured.figure("daemon.api_object_kib_at_1024", count(bytes) / KIB);
    measured.figure("daemon.api_writes_in_busy_minute", count(writes - before) / minutes);
    manager.end();
    // Those who come after know nothing of it.
    drop(fs::remove_dir_all(directory.join("state")));
}

/// A record of a pod that lives as long as this process.
fn attached(device: &str, number: u32) -> Record {
    let own = Netns::own().and_then(Netns::enter).expect("a namespace");
    let record = records::attached(device);
    Record {
        owner: Owner {
            container_id: format!("c{number}").parse().expect("an id"),
            netns_path: "/proc/self/ns/net".into(),
            netns: own.identity,
            ..record.owner
        },
        pod: Some(PodName {
            namespace: "tenant-production".to_owned(),
            name: format!("packet-gateway-6c9f7d5b8-{number:05}"),
            uid: None,
        }),
        in_pod: InPod {
            mac: Some("02:00:00:00:00:01".parse().expect("an address")),
            addresses: vec![format!("10.56.{}.{}/16", number / 250, number % 250 + 1)],
        },
        ..record
    }
}
