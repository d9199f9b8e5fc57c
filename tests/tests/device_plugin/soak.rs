//! As long as minutes allow: a kubelet that restarts again and again costs nothing that stays; and a node with 1,024 VFs.

use std::fs;

use hardwire_tests::kubelet::End;
use hardwire_tests::sysfs_tree::Pci;
use rustix::process::Signal;

use super::*;

const RESTARTS: usize = 150;

/// What a process may leak: descriptors, threads, memory.
#[derive(Debug)]
struct Holds {
    descriptors: usize,
    threads: usize,
    resident_kib: u64,
}

impl Holds {
    fn of(process: u32) -> Self {
        let count = |room: &str| fs::read_dir(format!("/proc/{process}/{room}")).unwrap().count();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            descriptors: count("fd"),
            threads: count("task"),
            resident_kib: resident.split_whitespace().next().unwrap().parse().unwrap(),
        }
    }
}

#[test]
fn d31_restarts_of_the_kubelet_and_reloads_leak_nothing() {
    let mut running = Running::registered(16);
    let restart = |running: &mut Running, count: usize| {
        let how = if count.is_multiple_of(2) {
            End::Clean
        } else {
            End::Killed
        };
        running.kubelet.restart(how).unwrap();
        running.wait_for_registration(count + 1);
        running.wait_for(RESOURCE, 16);
        running.kubelet.allocate(RESOURCE, &[&["0000:01:10.3"]]).unwrap();
        running.daemon.signal(Signal::HUP);
    };
    // The first ones warm up what is kept for good.
    for count in 1..=5 {
        restart(&mut running, count);
    }
    let before = Holds::of(running.daemon.id());
    for count in 6..=RESTARTS {
        restart(&mut running, count);
    }
    running
        .daemon
        .wait_for_log("reading configuration and hardware again", SOON);
    let after = Holds::of(running.daemon.id());
    // Threads for what blocks end by themselves, later; a leak would be one per restart.
    let allowance = 5;
    assert!(
        after.descriptors <= before.descriptors + allowance && after.threads <= before.threads + allowance,
        "{before:?} and then {after:?}"
    );
    assert!(
        after.resident_kib < before.resident_kib + 4096,
        "{before:?} and then {after:?}"
    );
}

#[test]
fn a_thousand_vfs_are_listed_allocated_and_listed_again() {
    let (site, tree) = (Site::new(), SysfsTree::new());
    for pf in 0..8 {
        let (address, name) = (format!("0000:{:02x}:00.0", 0x20 + pf), format!("eth{pf}"));
        tree.add_pf(
            &Pci {
                netdev: Some(&name),
                ..Pci::at(&address)
            },
            128,
        );
        for vf in 0..128 {
            let own = format!("0000:{:02x}:{:02x}.{}", 0x20 + pf, 1 + vf / 8, vf % 8);
            let vf_of_it = Pci {
                device: "10ca",
                driver: Some("igbvf"),
                ..Pci::at(&own)
            };
            tree.add_vf(&address, vf, &vf_of_it);
        }
    }
    let mut kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start(&one_pool(), tree.root());
    let all = |devices: &[Device]| devices.len() == 1024 && devices.iter().all(|device| device.health == "Healthy");
    let devices = kubelet.wait_for_devices(RESOURCE, all, SOON).unwrap();
    let ids = ids(&devices);
    let response = kubelet.allocate(RESOURCE, &[&ids]).unwrap();
    let list = &response.container_responses[0].envs["PCIDEVICE_INTEL_COM_VFS"];
    assert_eq!(list.split(',').count(), 1024);
    kubelet.restart(End::Killed).unwrap();
    kubelet.wait_for_devices(RESOURCE, all, SOON).unwrap();
}
