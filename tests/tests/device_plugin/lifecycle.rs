//! A kubelet that comes and goes, sockets that vanish, and our own end.

use std::fs;
use std::io;
use std::time::Instant;

use hardwire_tests::kubelet::End;
use rustix::process::Signal;

use super::*;

#[test]
fn d14_a_stream_that_follows_another_needs_no_registration() {
    let mut running = Running::registered(1);
    let mut client = running.kubelet.client(ENDPOINT).unwrap();
    running.kubelet.cancel_stream(RESOURCE);
    running.daemon.wait_for_log("the kubelet's stream ended", SOON);
    let mut stream = client.list_and_watch().unwrap();
    assert_eq!(stream.next(SOON).unwrap().unwrap().len(), 1);
    running.assert_no_more_registrations_than(1);
}

#[test]
fn a_stream_that_none_follows_leads_to_a_registration() {
    let running = Running::registered(1);
    running.kubelet.cancel_stream(RESOURCE);
    running.wait_for_registration(2);
    running.assert_no_more_registrations_than(2);
}

#[test]
fn d15_a_removed_socket_is_made_anew_and_registered() {
    let running = Running::registered(2);
    fs::remove_file(running.site.plugin_dir().join(ENDPOINT)).unwrap();
    running.wait_for_registration(2);
    running.wait_for(RESOURCE, 2);
    assert!(running.site.plugin_dir().join(ENDPOINT).exists());
    // The kubelet may throw the new registration out once; what counts is that it ends well.
    running.kubelet.allocate(RESOURCE, &[&["0000:01:10.1"]]).unwrap();
}

#[test]
fn a_pools_socket_whose_mode_is_changed_stays_and_so_does_its_registration() {
    let running = Running::registered(1);
    let socket = running.site.plugin_dir().join(ENDPOINT);
    fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    // A reason to look at the directory.
    let other = running.site.plugin_dir().join("another.sock");
    drop(std::os::unix::net::UnixListener::bind(&other).unwrap());
    fs::remove_file(&other).unwrap();
    running.assert_no_more_registrations_than(1);
    running.kubelet.allocate(RESOURCE, &[&["0000:01:10.0"]]).unwrap();
}

#[test]
fn a_kubelet_that_restarts_is_registered_with_again() {
    for how in [End::Clean, End::Killed] {
        let mut running = Running::registered(2);
        for restarts in 1..=3 {
            running.kubelet.restart(how).unwrap();
            running.wait_for_registration(restarts + 1);
            running.wait_for(RESOURCE, 2);
        }
        running.kubelet.allocate(RESOURCE, &[&["0000:01:10.0"]]).unwrap();
        let registrations = running.kubelet.state().registrations.len();
        running.assert_no_more_registrations_than(registrations);
    }
}

#[test]
fn a_kubelet_that_stays_away_is_waited_for() {
    for how in [End::Clean, End::Killed] {
        let mut running = Running::registered(1);
        running.kubelet.end(how);
        running.daemon.wait_for_log("registering again", SOON);
        let mut again = Kubelet::start(&running.site.kubelet_dir()).unwrap();
        again
            .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
            .unwrap();
        again.end(End::Clean);
    }
}

#[test]
fn a_directory_that_is_made_anew_is_watched_again() {
    let mut running = Running::registered(1);
    running.kubelet.end(End::Clean);
    // The daemon makes a folder anew as soon as it is gone, which may be before the rest is.
    while fs::remove_dir_all(running.site.kubelet_dir()).is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {}
    let kubelet = Kubelet::start(&running.site.kubelet_dir()).unwrap();
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 1, SOON)
        .unwrap();
}

#[test]
fn d16_the_end_is_clean_and_quick() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = Running::registered(1);
        let mut client = running.kubelet.client(ENDPOINT).unwrap();
        let mut stream = client.list_and_watch().unwrap();
        stream.next(SOON).unwrap().unwrap();
        let begin = Instant::now();
        running.daemon.signal(signal);
        assert_eq!(stream.next(SOON).unwrap(), None, "the stream ends");
        assert_eq!(running.daemon.wait(SOON).code(), Some(0));
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert!(!running.site.plugin_dir().join(ENDPOINT).exists());
        let left = running.kubelet.state();
        assert!(!left.resources[RESOURCE].connected);
        let log = running.daemon.log();
        assert!(!log.contains("did not end"), "{log}");
    }
}

#[test]
fn d16_the_end_is_clean_without_a_kubelet_too() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let mut daemon = site.start(&one_pool(), tree.root());
    daemon.wait_for_log("waiting for the kubelet", SOON);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(SOON).code(), Some(0));
    assert!(!site.plugin_dir().join(ENDPOINT).exists());
}

#[test]
fn a_daemon_that_restarts_is_registered_again() {
    let mut running = Running::registered(2);
    let held = running.kubelet.admit("default/a", "app", RESOURCE, 1).unwrap();
    running.daemon.signal(Signal::KILL);
    running.daemon.wait(SOON);
    let unhealthy = |state: &hardwire_tests::kubelet::State| !state.resources[RESOURCE].connected;
    running.kubelet.wait_for(unhealthy, SOON).unwrap();
    running.kubelet.admit("default/b", "app", RESOURCE, 1).unwrap_err();
    running.daemon = running.site.start(&one_pool(), running.tree.root());
    running.wait_for(RESOURCE, 2);
    let other = running.kubelet.admit("default/b", "app", RESOURCE, 1).unwrap();
    assert_ne!(held.devices, other.devices);
}

#[test]
fn d26_pools_live_on_their_own() {
    let config = json!({"resourceList": [
        {"resourceName": "one", "selectors": {"pfNames": ["eth0#0"]}},
        {"resourceName": "two", "selectors": {"pfNames": ["eth0#1-2"]}},
    ]});
    let running = Running::start(&config, 3);
    running.wait_for("intel.com/one", 1);
    running.wait_for("intel.com/two", 2);
    fs::remove_file(running.site.plugin_dir().join("intel.com_one.sock")).unwrap();
    running.kubelet.wait_for_registrations(3, SOON).unwrap();
    running.wait_for("intel.com/one", 1);
    let names: Vec<String> = running
        .kubelet
        .state()
        .registrations
        .into_iter()
        .map(|request| request.resource_name)
        .collect();
    assert_eq!(
        names.iter().filter(|name| *name == "intel.com/two").count(),
        1,
        "{names:?}"
    );
    running.kubelet.allocate("intel.com/two", &[&["0000:01:10.1"]]).unwrap();
}
