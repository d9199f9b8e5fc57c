//! VFs that come and go, drivers that are bound and unbound, interfaces that are renamed.

use std::fs;

use hardwire_tests::node::{Igb, Netdevsim, run};

use super::*;

fn num_vfs(igb: &Igb, count: u32) {
    fs::write(
        format!("/sys/bus/pci/devices/{}/sriov_numvfs", igb.address),
        count.to_string(),
    )
    .unwrap();
}

#[test]
fn d12_vfs_that_vanish_are_unhealthy_first_and_leave_later() {
    let igb = Igb::get();
    let live = Live::igb(&igb);
    let before = live.wait(|_| true);
    num_vfs(&igb, 0);
    let gone = live.wait(|devices| !devices.iter().any(is_healthy));
    assert_eq!(ids(&gone), ids(&before), "unhealthy, but still listed");
    live.wait(<[Device]>::is_empty);
    num_vfs(&igb, 7);
    let begin = Instant::now();
    let after = live.wait(|devices| devices.len() == 7 && devices.iter().all(is_healthy));
    eprintln!("numvfs 0 to 7: {:?} after the write returned", begin.elapsed());
    assert_eq!(ids(&after), ids(&before));
    igb.renew();
}

#[test]
fn d12_fewer_vfs_are_other_vfs() {
    let igb = Igb::get();
    let mut live = Live::igb(&igb);
    num_vfs(&igb, 0);
    num_vfs(&igb, 3);
    let healthy = |devices: &[Device]| devices.iter().filter(|device| is_healthy(device)).count();
    live.wait(|devices| healthy(devices) == 3);
    live.wait(|devices| devices.len() == 3);
    live.daemon.wait_for_log("gone from the bus", SOON);
    igb.renew();
    live.wait(|devices| healthy(devices) == 7);
}

#[test]
fn a_vf_without_a_driver_is_unhealthy_and_back_with_one() {
    let igb = Igb::get();
    let mut live = Live::igb(&igb);
    let address = igb.vf_address(2);
    let driver = "/sys/bus/pci/drivers/igbvf";
    fs::write(format!("{driver}/unbind"), &address).unwrap();
    eprintln!("unbind: {:?}", live.wait_for_health(&address, false));
    live.daemon.wait_for_log("unhealthy: no driver is bound to it", SOON);
    fs::write(format!("{driver}/bind"), &address).unwrap();
    eprintln!("bind: {:?}", live.wait_for_health(&address, true));
    igb.wait_for_vf(2);
    live.wait_for_idle(&address);
    live.assert_stays(&address, true);
}

#[test]
fn d11_a_vf_bound_to_vfio_stays_listed_and_healthy() {
    let igb = Igb::get();
    let live = Live::igb(&igb);
    let address = igb.vf_address(1);
    let bound = igb.bind_vfio(1);
    live.wait_for_health(&address, true);
    live.assert_stays(&address, true);
    drop(bound);
    live.wait_for_health(&address, true);
    live.wait_for_idle(&address);
}

#[test]
fn a_vf_that_another_pool_selects_by_its_driver_moves_there() {
    let igb = Igb::get();
    let config = json!({"resourceList": [
        {"resourceName": "live", "selectors": {"pfNames": [igb.name], "drivers": ["igbvf"]}},
        {"resourceName": "dpdk", "selectors": {"pfNames": [igb.name], "drivers": ["vfio-pci"]}},
    ]});
    let site = Site::new();
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start_live(&config, None);
    let healthy = |resource: &str, count: usize| {
        let right = |devices: &[Device]| devices.iter().filter(|device| is_healthy(device)).count() == count;
        kubelet.wait_for_devices(resource, right, SOON).unwrap()
    };
    healthy(RESOURCE, 7);
    healthy("intel.com/dpdk", 0);
    let bound = igb.bind_vfio(4);
    assert_eq!(healthy("intel.com/dpdk", 1)[0].id, igb.vf_address(4));
    healthy(RESOURCE, 6);
    drop(bound);
    healthy("intel.com/dpdk", 0);
    healthy(RESOURCE, 7);
}

#[test]
fn a_renamed_pf_loses_and_regains_its_vfs() {
    let igb = Igb::get();
    let live = Live::igb(&igb);
    let rename = |from: &str, to: &str| {
        run(&["ip", "link", "set", from, "down"]);
        run(&["ip", "link", "set", from, "name", to]);
        run(&["ip", "link", "set", to, "up"]);
    };
    rename(&igb.name, "renamed0");
    live.wait(|devices| !devices.iter().any(is_healthy));
    rename("renamed0", &igb.name);
    live.wait(|devices| devices.len() == 7 && devices.iter().all(is_healthy));
    igb.renew();
}

#[test]
fn a_nic_that_is_plugged_in_fills_its_pool() {
    let next = Netdevsim::legacy(0);
    let number = next.number + 1;
    let id = format!("netdevsim{number}/{}", next.pf_port());
    let live = Live::start(&json!({"selectors": {"pciAddresses": [id]}}), 0);
    let plugged = Netdevsim::legacy(0);
    assert_eq!(plugged.number, number);
    assert_eq!(ids(&live.wait(|devices| devices.len() == 1)), [id.as_str()]);
    drop(plugged);
    live.wait_for_health(&id, false);
    live.wait(<[Device]>::is_empty);
}
