//! How a pool becomes known.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn d1_a_kubelet_that_comes_later_is_registered_with() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let mut daemon = site.start(&one_pool(), tree.root());
    daemon.wait_for_log("waiting for the kubelet", SOON);
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 2, SOON)
        .unwrap();
}

#[test]
fn d2_the_registration_has_the_kubelets_form() {
    let running = Running::registered(1);
    let registrations = running.kubelet.state().registrations;
    assert_eq!(registrations.len(), 1, "{registrations:?}");
    let request = &registrations[0];
    assert_eq!(request.version, "v1beta1");
    assert_eq!(request.endpoint, ENDPOINT);
    assert_eq!(request.resource_name, RESOURCE);
}

#[test]
fn d3_options_are_answered_inside_register() {
    let running = Running::registered(1);
    let options = running.kubelet.state().resources[RESOURCE].options;
    assert!(!options.pre_start_required && options.get_preferred_allocation_available);
}

#[test]
fn d4_while_register_takes_long_the_pool_is_served() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    kubelet.behave(|behaviour| behaviour.register_delay = Duration::from_secs(3));
    let _daemon = site.start(&one_pool(), tree.root());
    kubelet.wait_for_registrations(1, SOON).unwrap();
    let mut client = kubelet.client(ENDPOINT).unwrap();
    assert!(client.options().is_ok());
    assert!(kubelet.state().resources.is_empty(), "Register has not answered yet");
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
    assert_eq!(kubelet.state().registrations.len(), 1);
}

#[test]
fn d4_a_refused_registration_is_tried_again_with_growing_pauses() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    kubelet.behave(|behaviour| behaviour.refuse_registrations = 4);
    let begin = Instant::now();
    let mut daemon = site.start(&one_pool(), tree.root());
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
    // 0.1 + 0.2 + 0.4 + 0.8 s at least.
    assert!(begin.elapsed() >= Duration::from_millis(1500), "{:?}", begin.elapsed());
    assert_eq!(kubelet.state().registrations.len(), 5);
    assert!(daemon.log().contains("refused for a test"), "{}", daemon.log());
    assert!(daemon.is_running());
}

#[test]
fn d4_a_kubelet_that_never_listens_is_registered_with_again() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    kubelet.behave(|behaviour| behaviour.no_stream = true);
    let _daemon = site.start(&one_pool(), tree.root());
    kubelet.wait_for_registrations(2, SOON).unwrap();
    kubelet.behave(|behaviour| behaviour.no_stream = false);
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
}

#[test]
fn d5_a_stale_socket_is_replaced() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    drop(UnixListener::bind(site.plugin_dir().join(ENDPOINT)).unwrap());
    let _daemon = site.start(&one_pool(), tree.root());
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
}

#[test]
fn d5_the_socket_of_another_instance_is_not_taken() {
    let mut running = Running::registered(1);
    let mut same_node = running.site.start(&one_pool(), running.tree.root());
    same_node.wait_for_log("is a second hardwired running?", SOON);
    assert_eq!(same_node.wait(SOON).code(), Some(1));
    let mut same_kubelet = running.site.start_elsewhere(&one_pool(), running.tree.root());
    same_kubelet.wait_for_log("another process serves this socket", SOON);
    assert_eq!(same_kubelet.wait(SOON).code(), Some(1));
    running.assert_no_more_registrations_than(1);
    assert!(running.daemon.is_running());
}

#[test]
fn d25_bad_names_never_reach_the_kubelet() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let pool = |prefix: &str, name: &str| json!({"resourcePrefix": prefix, "resourceName": name, "selectors": {}});
    let config = json!({"resourceList": [
        pool("kubernetes.io", "x"),
        pool("requests.a", "b"),
        pool("A.com", "x"),
        pool("a.com", &"n".repeat(64)),
        pool("a.com", "b/c"),
        pool("a.com", "good"),
    ]});
    let mut daemon = site.start(&config, tree.root());
    kubelet.wait_for_devices("a.com/good", |_| true, SOON).unwrap();
    let names: Vec<String> = kubelet.state().resources.into_keys().collect();
    assert_eq!(names, ["a.com/good"]);
    let log = daemon.log();
    assert_eq!(log.matches("pool refused").count(), 5, "{log}");
}
