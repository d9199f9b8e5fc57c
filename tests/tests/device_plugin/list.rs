//! What `ListAndWatch` tells.

use super::*;

#[test]
fn d6_the_first_list_comes_at_once_and_has_every_device() {
    let running = Running::registered(3);
    let mut client = running.kubelet.client(ENDPOINT).unwrap();
    let mut stream = client.list_and_watch().unwrap();
    let devices = stream.next(SOON).unwrap().unwrap();
    assert_eq!(ids(&devices), ["0000:01:10.0", "0000:01:10.1", "0000:01:10.2"]);
    // Nothing changes, so nothing is said, and the stream stays open.
    assert!(stream.next(LONG_ENOUGH).is_err());
}

#[test]
fn d7_a_pool_without_devices_is_registered_and_empty() {
    let running = Running::start(&one_pool(), 0);
    let devices = running.wait_for(RESOURCE, 0);
    assert!(devices.is_empty());
    running.assert_no_more_registrations_than(1);
    assert!(running.kubelet.state().resources[RESOURCE].connected);
}

#[test]
fn d8_ids_are_short_unique_and_healthy() {
    let running = Running::registered(16);
    let devices = running.wait_for(RESOURCE, 16);
    let mut ids = ids(&devices);
    assert!(
        ids.iter().all(|id| id.len() <= 63 && id.starts_with("0000:01:")),
        "{ids:?}"
    );
    ids.dedup();
    assert_eq!(ids.len(), 16);
    assert!(devices.iter().all(|device| device.health == "Healthy"));
}

#[test]
fn d9_a_device_has_its_numa_node_or_none() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    tree.add(&hardwire_tests::sysfs_tree::Pci {
        driver: Some("igbvf"),
        ..hardwire_tests::sysfs_tree::Pci::at("0000:05:00.0")
    });
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let config = json!({"resourceList": [
        {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"], "pfNames": ["eth0"]}, "excludeTopology": false},
        {"resourceName": "nics", "selectors": {"pciAddresses": ["0000:05:00.0"]}},
    ]});
    let _daemon = site.start(&config, tree.root());
    let vfs = kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
    let nodes = &vfs[0].topology.as_ref().unwrap().nodes;
    assert_eq!(nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [1]);
    let nics = kubelet
        .wait_for_devices("intel.com/nics", |devices| devices.len() == 1, SOON)
        .unwrap();
    assert_eq!(nics[0].topology, None);
}

#[test]
fn topology_is_left_out_on_request() {
    let config = json!({"resourceList": [
        {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}, "excludeTopology": true},
    ]});
    let running = Running::start(&config, 2);
    let devices = running.wait_for(RESOURCE, 2);
    assert!(devices.iter().all(|device| device.topology.is_none()));
}

#[test]
fn d13_streams_are_independent() {
    let running = Running::registered(2);
    let mut first = running.kubelet.client(ENDPOINT).unwrap();
    let mut second = running.kubelet.client(ENDPOINT).unwrap();
    let mut one = first.list_and_watch().unwrap();
    let mut other = second.list_and_watch().unwrap();
    assert_eq!(one.next(SOON).unwrap(), other.next(SOON).unwrap());
    // An unknown device makes the daemon send its list again, to everyone.
    running.kubelet.allocate(RESOURCE, &[&["0000:01:1f.7"]]).unwrap_err();
    assert_eq!(one.next(SOON).unwrap().unwrap().len(), 2);
    assert_eq!(other.next(SOON).unwrap().unwrap().len(), 2);
    let twice = |state: &hardwire_tests::kubelet::State| state.resources[RESOURCE].lists == 2;
    running.kubelet.wait_for(twice, SOON).unwrap();
}
