//! Device-info files, by which Multus learns of a device.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::Signal;

use super::*;

fn file(site: &Site, id: &str) -> PathBuf {
    site.device_info_dir().join(format!("intel.com-vfs-{id}-device.json"))
}

fn document(site: &Site, id: &str) -> Value {
    let path = file(site, id);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn expected(id: &str) -> Value {
    json!({"type": "pci", "version": "1.1.0", "pci": {"pci-address": id, "pf-pci-address": "0000:01:00.0"}})
}

/// They are written beside the first list.
#[track_caller]
fn wait_for_files(site: &Site, count: usize) {
    let files = || fs::read_dir(site.device_info_dir()).map_or(0, Iterator::count);
    let deadline = Instant::now() + SOON;
    while files() != count {
        assert!(Instant::now() < deadline, "{} files, not {count}", files());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn d28_files_are_there_without_an_allocate_and_stay_over_our_end() {
    let mut running = Running::registered(2);
    wait_for_files(&running.site, 2);
    for id in ["0000:01:10.0", "0000:01:10.1"] {
        assert_eq!(document(&running.site, id), expected(id));
    }
    let mode = fs::metadata(file(&running.site, "0000:01:10.0")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o444);
    running.daemon.signal(Signal::TERM);
    assert_eq!(running.daemon.wait(SOON).code(), Some(0));
    assert_eq!(document(&running.site, "0000:01:10.0"), expected("0000:01:10.0"));
}

#[test]
fn d28_a_file_is_right_before_allocate_answers() {
    let running = Running::registered(2);
    wait_for_files(&running.site, 2);
    fs::remove_file(file(&running.site, "0000:01:10.0")).unwrap();
    let stale = file(&running.site, "0000:01:10.1");
    fs::remove_file(&stale).unwrap();
    fs::write(&stale, "{\"type\":").unwrap();
    running
        .kubelet
        .allocate(RESOURCE, &[&["0000:01:10.0", "0000:01:10.1"]])
        .unwrap();
    for id in ["0000:01:10.0", "0000:01:10.1"] {
        assert_eq!(document(&running.site, id), expected(id));
    }
}

#[test]
fn d28_what_a_crash_left_is_overwritten_and_what_is_gone_is_removed() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    fs::create_dir_all(site.device_info_dir()).unwrap();
    for id in ["0000:01:10.0", "0000:09:10.0"] {
        fs::write(file(&site, id), "half").unwrap();
    }
    let others = site.device_info_dir().join("intel.com-vfs-b-0000:09:10.0-device.json");
    fs::write(&others, "another resource's").unwrap();
    let _kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start(&one_pool(), tree.root());
    wait_for_files(&site, 2);
    let deadline = Instant::now() + SOON;
    while fs::read_to_string(file(&site, "0000:01:10.0")).unwrap() == "half" {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(document(&site, "0000:01:10.0"), expected("0000:01:10.0"));
    assert!(others.exists());
}

#[test]
fn files_of_a_removed_pool_go() {
    let mut running = Running::registered(2);
    wait_for_files(&running.site, 2);
    running.daemon.signal(Signal::TERM);
    assert_eq!(running.daemon.wait(SOON).code(), Some(0));
    let renamed = json!({"resourceList": [{"resourceName": "renamed", "selectors": {"pfNames": ["eth0#0"]}}]});
    running.daemon = running.site.start(&renamed, running.tree.root());
    // The old ones go one by one.
    let renamed = running
        .site
        .device_info_dir()
        .join("intel.com-renamed-0000:01:10.0-device.json");
    let deadline = Instant::now() + SOON;
    while !renamed.exists() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(10));
    }
    wait_for_files(&running.site, 1);
}
