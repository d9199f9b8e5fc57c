//! In the emulated node: how soon the kubelet has the list after the last event of a change.
//!
//! A VF loses its driver, and gets it again; the VFs take turns, so that none is held back for coming and going too often. The
//! bench hears of the events from the kernel itself, beside the daemon.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use serde_json::json;

use super::super::contestant::Programs;
use super::super::measured::{Effort, Measured};
use super::super::stats::{median, ms, quantile};
use super::process::Manager;
use crate::kubelet::Kubelet;
use crate::node::Igb;

const RESOURCE: &str = "intel.com/vfs";
const BOUND: Duration = Duration::from_secs(20);
/// So that a VF's turn comes less often than the daemon calls flapping.
const PACE: Duration = Duration::from_millis(850);
/// The kernel's own uevents, and link changes (`RTMGRP_LINK`).
const GROUP: u32 = 1;

/// `daemon.event_to_list_ms`.
pub fn events(programs: &Programs, directory: &Path, effort: Effort, measured: &mut Measured) {
    let Some(hardwired) = programs.find("hardwired") else {
        return measured.note("left out: daemon.event_to_list_ms, for hardwired is missing");
    };
    let igb = Igb::get();
    igb.up();
    let vfs: Vec<String> = (0..7).map(|vf| igb.vf_address(vf)).collect();
    let directory = directory.join("events");
    std::fs::create_dir_all(&directory).expect("a directory");
    let config = directory.join("config.json");
    let pool = json!({"resourceName": "vfs", "selectors": {"pciAddresses": vfs}});
    std::fs::write(&config, json!({"resourceList": [pool]}).to_string()).expect("a file");
    let kubelet_dir = directory.join("kubelet");
    let kubelet = Kubelet::start(&kubelet_dir).expect("the kubelet's directory");
    let manager = Manager::live(&hardwired, &directory, &config, &kubelet_dir);
    let wait = |vf: &str, healthy: bool| {
        let is_so = |devices: &[hardwire_proto::deviceplugin::Device]| {
            devices.len() == vfs.len()
                && devices
                    .iter()
                    .any(|device| device.id == vf && (device.health == "Healthy") == healthy)
        };
        let list = kubelet.wait_for_devices(RESOURCE, is_so, BOUND);
        list.unwrap_or_else(|error| panic!("{vf}, healthy {healthy}: {error}\n{}", manager.log()));
        Instant::now()
    };
    for vf in &vfs {
        wait(vf, true);
    }
    let last = Last::listen();
    let mut times = Vec::new();
    let changes = if effort.samples < 100 { vfs.len() } else { 56 };
    for vf in vfs.iter().cycle().take(changes) {
        for bound in [false, true] {
            let begun = Instant::now();
            let verb = if bound { "bind" } else { "unbind" };
            std::fs::write(format!("/sys/bus/pci/drivers/igbvf/{verb}"), vf).expect("the driver takes it");
            let told = wait(vf, bound);
            times.push(told - last.before(told));
            thread::sleep(PACE.saturating_sub(begun.elapsed()));
        }
    }
    manager.end();
    measured.time("daemon.event_to_list", median(&times));
    measured.figure("daemon.event_to_list_ms", ms(quantile(&times, 0.99)));
}

/// When the kernel told of something, the latest last.
#[derive(Debug, Clone, Default)]
struct Last(Arc<Mutex<Vec<Instant>>>);

impl Last {
    fn listen() -> Self {
        let last = Self::default();
        // Without a protocol it is rtnetlink's, number 0.
        let sockets = [Some(netlink::KOBJECT_UEVENT), None].map(|protocol| {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol);
            let socket = socket.expect("a netlink socket");
            bind(&socket, &SocketAddrNetlink::new(0, GROUP)).expect("a group of it");
            socket
        });
        let heard = last.clone();
        // Ends with the bench.
        thread::spawn(move || heard.hear(&sockets));
        last
    }

    fn hear(&self, sockets: &[OwnedFd; 2]) {
        let mut datagram = vec![0; 64 * 1024];
        loop {
            let mut waiting = sockets.each_ref().map(|socket| PollFd::new(socket, PollFlags::IN));
            // A signal, or more events than fit: the next ones count.
            let _ = poll(&mut waiting, None);
            let now = Instant::now();
            for socket in sockets {
                while recv(socket, &mut datagram[..], RecvFlags::DONTWAIT).is_ok() {
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).push(now);
                }
            }
        }
    }

    /// The last event until a moment, which then counts from it.
    fn before(&self, moment: Instant) -> Instant {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().rev().find(|at| **at <= moment).copied().unwrap_or(moment)
    }
}
