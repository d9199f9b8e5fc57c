//! Slices: what schedulers see of this node.

use std::time::Instant;

use hardwire_tests::kubelet::claim;

use super::*;

/// Waits until the slices are right.
#[track_caller]
fn wait_for(running: &Running, is_right: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + SOON;
    loop {
        let slices: Vec<Value> = running.api.slices().into_values().collect();
        if is_right(&slices) {
            return slices;
        }
        assert!(Instant::now() < deadline, "{slices:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn devices(slices: &[Value]) -> Vec<Value> {
    let each = slices
        .iter()
        .flat_map(|slice| slice["spec"]["devices"].as_array().unwrap());
    each.cloned().collect()
}

fn writes(running: &Running) -> usize {
    running
        .api
        .requests()
        .iter()
        .filter(|request| request.is_of_slices())
        .count()
}

#[test]
fn each_device_is_told_with_its_attributes_and_an_attachment_changes_nothing() {
    let running = Running::start(&for_claims(), 3);
    let slices = wait_for(&running, |slices| devices(slices).len() == 3);
    let spec = &slices[0]["spec"];
    assert_eq!((&spec["driver"], &spec["nodeName"]), (&json!(DRIVER), &json!(NODE)));
    assert_eq!(
        spec["pool"],
        json!({"name": NODE, "generation": 1, "resourceSliceCount": 1})
    );
    let device = &spec["devices"][1];
    assert_eq!(device["name"], "0000-01-10-1");
    for (name, value) in [
        ("pool", json!({"string": "intel.com/vfs"})),
        ("pf", json!({"string": "eth0"})),
        ("vf", json!({"int": 1})),
        ("resource.kubernetes.io/pciBusID", json!({"string": "0000:01:10.1"})),
    ] {
        assert_eq!(device["attributes"][name], value, "{name}: {device:#}");
    }
    let before = writes(&running);
    running
        .api
        .put_claim("red", "c", allocated("c-1", &["0000-01-10-1"], &["u1"], false));
    let driver = running.kubelet.driver(DRIVER, SOON);
    assert_eq!(
        driver.prepare(&[claim("red", "c", "c-1")]).unwrap().claims["c-1"].error,
        ""
    );
    driver.unprepare(&[claim("red", "c", "c-1")]).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(writes(&running), before);
}

#[test]
fn slices_have_64_devices_and_the_next_daemon_finds_them_as_they_should_be() {
    let mut running = Running::start(&for_claims(), 128);
    let slices = wait_for(&running, |slices| devices(slices).len() == 128);
    assert_eq!(slices.len(), 2);
    for slice in &slices {
        assert_eq!(slice["spec"]["devices"].as_array().unwrap().len(), 64);
        assert_eq!(slice["spec"]["pool"]["resourceSliceCount"], 2);
        assert!(slice.to_string().len() < 128 << 10, "{}", slice.to_string().len());
    }
    assert_eq!(writes(&running), 2);
    running.restart(&for_claims());
    running.daemon.wait_for_log("the cluster has this node's slices", SOON);
    assert_eq!(writes(&running), 2, "nothing changed");
}

#[test]
fn slices_that_a_kubelet_deletes_when_it_starts_come_back() {
    let running = Running::start(&for_claims(), 2);
    wait_for(&running, |slices| devices(slices).len() == 2);
    running.api.delete_slices();
    // It dials the driver, and says that it has it.
    running.kubelet.driver(DRIVER, SOON);
    let again = wait_for(&running, |slices| devices(slices).len() == 2);
    assert_eq!(again[0]["spec"]["pool"]["generation"], 1);
}

#[test]
fn what_is_not_to_be_given_out_has_a_taint() {
    let running = Running::start(&for_claims(), 2);
    wait_for(&running, |slices| devices(slices).len() == 2);
    running
        .kubelet
        .remember("red/old", "main", "intel.com/vfs", &["0000:01:10.1"]);
    running.daemon.signal(rustix::process::Signal::HUP);
    let tainted = wait_for(&running, |slices| {
        devices(slices).iter().any(|device| device["taints"].is_array())
    });
    let device = &devices(&tainted)[1];
    assert_eq!(
        device["taints"],
        json!([{"key": "hardwire.dev/unhealthy", "value": "held-as-other", "effect": "NoSchedule"}])
    );
}

#[test]
fn where_the_api_server_keeps_no_taints_what_somebody_else_has_stays_and_nothing_is_written_twice() {
    let running = Running::start(&for_claims(), 2);
    running.api.drop_taints();
    wait_for(&running, |slices| devices(slices).len() == 2);
    running
        .kubelet
        .remember("red/old", "main", "intel.com/vfs", &["0000:01:10.1"]);
    running.daemon.signal(rustix::process::Signal::HUP);
    let mut running = running;
    running.daemon.wait_for_log("the API server keeps no taints", SOON);
    std::thread::sleep(Duration::from_secs(3));
    let before = writes(&running);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(writes(&running), before, "it is no loop");
}
