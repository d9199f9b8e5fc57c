//! Who has a device is one question with one answer: for lists, Allocate and the advice.

use hardwire_cni::journal::Journal;
use rustix::process::Signal;

use super::given_away::attached;
use super::*;

fn health(devices: &[Device], id: &str) -> Option<String> {
    let device = devices.iter().find(|device| device.id == id);
    device.map(|device| device.health.clone())
}

/// A pool of all VFs, of this name.
fn pool_named(name: &str) -> Value {
    json!({"resourceList": [{"resourceName": name, "selectors": {"drivers": ["igbvf"]}}]})
}

#[test]
fn rule_6_a_renamed_pool_gives_out_nothing_that_a_pod_holds_under_the_old_name() {
    let running = Running::registered(3);
    let held = running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap().devices;
    let [held] = &held[..] else { panic!("{held:?}") };
    running.site.config(&pool_named("renamed"));
    let renamed = "intel.com/renamed";
    let is_right = |devices: &[Device]| {
        let healthy = devices.iter().filter(|device| device.health == "Healthy").count();
        devices.len() == 3 && healthy == 2
    };
    let devices = running.kubelet.wait_for_devices(renamed, is_right, SOON).unwrap();
    assert_eq!(health(&devices, held).as_deref(), Some("Unhealthy"));

    let refused = running.kubelet.allocate(renamed, &[&[held]]).unwrap_err();
    let message = refused.message();
    assert!(
        message.contains(held) && message.contains("red/a has it as intel.com/vfs"),
        "{message}"
    );
    // It is asked anew: what the pod has given back is given out before the daemon hears of that otherwise.
    running.kubelet.free("red/a");
    running.kubelet.allocate(renamed, &[&[held]]).unwrap();
}

#[test]
fn rule_6_the_old_name_counts_over_our_restart_and_without_podresources() {
    let mut running = Running::registered(2);
    let device = running
        .kubelet
        .admit("red/a", "main", RESOURCE, 1)
        .unwrap()
        .devices
        .remove(0);
    let journal = Journal::at(&running.site.state_dir());
    journal.put(&attached(&device, Some(("red", "a")))).unwrap();
    // The view that the next daemon finds.
    let listed = |site: &Site| {
        let view = hardwire_device_plugin::ask::view::View::left(&site.state_dir()).unwrap_or_default();
        view.devices.len() == 2
    };
    let deadline = std::time::Instant::now() + SOON;
    while !listed(&running.site) {
        assert!(std::time::Instant::now() < deadline);
    }
    running.daemon.signal(Signal::TERM);
    assert!(running.daemon.wait(SOON).success());
    std::fs::remove_file(running.site.kubelet_dir().join("pod-resources/kubelet.sock")).unwrap();
    running.daemon = running.site.start(&pool_named("renamed"), running.tree.root());
    let is_right = |devices: &[Device]| health(devices, &device).as_deref() == Some("Unhealthy");
    running
        .kubelet
        .wait_for_devices("intel.com/renamed", is_right, SOON)
        .unwrap();
    let refused = running
        .kubelet
        .allocate("intel.com/renamed", &[&[&device]])
        .unwrap_err();
    assert!(refused.message().contains("has it as intel.com/vfs"), "{refused:?}");
}

#[test]
fn rule_5_what_has_lost_its_driver_is_not_given_out_and_no_allocate_makes_it_healthy() {
    let running = Running::registered(2);
    let lost = SysfsTree::vf(0);
    std::fs::remove_file(running.tree.device(&lost).join("driver")).unwrap();
    running.daemon.signal(Signal::HUP);
    let is_unhealthy = |devices: &[Device]| health(devices, &lost).as_deref() == Some("Unhealthy");
    running.kubelet.wait_for_devices(RESOURCE, is_unhealthy, SOON).unwrap();
    let refused = running.kubelet.allocate(RESOURCE, &[&[&lost]]).unwrap_err();
    assert!(refused.message().contains("no driver is bound to it"), "{refused:?}");
    // Neither does a container that gets another one besides.
    let other = SysfsTree::vf(1);
    running.kubelet.allocate(RESOURCE, &[&[&other], &[&lost]]).unwrap_err();
    running.kubelet.allocate(RESOURCE, &[&[&other]]).unwrap();
    running.kubelet.wait_for_devices(RESOURCE, is_unhealthy, SOON).unwrap();
    let bound = Duration::from_secs(1);
    let healthy = |devices: &[Device]| health(devices, &lost).as_deref() == Some("Healthy");
    running.kubelet.wait_for_devices(RESOURCE, healthy, bound).unwrap_err();
}

/// At grace 0 the kubelet calls a device free while its attachment is still being taken down.
#[test]
fn rule_7_what_is_still_attached_is_advised_last_and_given_out_where_nothing_else_is_left() {
    let running = Running::registered(4);
    let ids: Vec<String> = (0..4).map(SysfsTree::vf).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let advice = |size: i32| {
        let mut answer = running.kubelet.preferred(RESOURCE, &ids, &[], size).unwrap();
        answer.container_responses.remove(0).device_i_ds
    };
    assert_eq!(advice(1), [ids[0]]);
    let journal = Journal::at(&running.site.state_dir());
    for id in &ids[..2] {
        journal.put(&attached(id, Some(("red", "a")))).unwrap();
    }
    let deadline = std::time::Instant::now() + SOON;
    while advice(1) != [ids[2]] {
        assert!(std::time::Instant::now() < deadline, "{:?}", advice(1));
    }
    assert_eq!(advice(2), [ids[2], ids[3]]);
    assert_eq!(advice(3).len(), 3);
    // It is granted: the next ADD waits for the DEL of the old one.
    running.kubelet.allocate(RESOURCE, &[&[ids[0]]]).unwrap();
}
