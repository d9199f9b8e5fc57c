//! Configuration and hardware that change under the running daemon, without events: a tree of files, and SIGHUP.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::process::Signal;

use super::*;

fn pool(name: &str, selectors: &Value) -> Value {
    json!({"resourceName": name, "selectors": selectors})
}

fn of_vfs(name: &str, indices: &str) -> Value {
    pool(name, &json!({"pfNames": [format!("eth0#{indices}")]}))
}

fn healthy(devices: &[Device]) -> usize {
    devices.iter().filter(|device| device.health == "Healthy").count()
}

fn registered_names(running: &Running) -> Vec<String> {
    let registrations = running.kubelet.state().registrations;
    registrations.into_iter().map(|request| request.resource_name).collect()
}

#[test]
fn a_changed_file_is_applied_without_touching_other_pools() {
    let list = |pools: &[Value]| json!({"resourceList": pools});
    let running = Running::start(&list(&[of_vfs("stays", "0-1"), of_vfs("goes", "2")]), 4);
    running.wait_for("intel.com/stays", 2);
    running.wait_for("intel.com/goes", 1);
    let mut client = running.kubelet.client("intel.com_stays.sock").unwrap();
    let mut stream = client.list_and_watch().unwrap();
    assert_eq!(stream.next(SOON).unwrap().unwrap().len(), 2);

    running
        .site
        .config(&list(&[of_vfs("stays", "0-1"), of_vfs("comes", "2-3")]));
    running.wait_for("intel.com/comes", 2);
    let gone = |state: &hardwire_tests::kubelet::State| !state.resources["intel.com/goes"].connected;
    running.kubelet.wait_for(gone, SOON).unwrap();
    assert!(!running.site.plugin_dir().join("intel.com_goes.sock").exists());
    let names = registered_names(&running);
    assert_eq!(
        names.iter().filter(|name| *name == "intel.com/stays").count(),
        1,
        "{names:?}"
    );

    // The stream from before is still the one that is told.
    running
        .site
        .config(&list(&[of_vfs("stays", "0"), of_vfs("comes", "2-3")]));
    let bound = std::time::Instant::now() + SOON;
    while stream.next(SOON).unwrap().unwrap().len() != 1 {
        assert!(std::time::Instant::now() < bound);
    }
}

#[test]
fn a_broken_file_leaves_the_one_before_in_force() {
    let mut running = Running::registered(2);
    let path = running.site.config(&one_pool());
    for broken in [
        "{\"resourceList\": [",
        "{\"resourceList\": [{\"resourceName\": \"a b\", \"selectors\": {}}]}",
    ] {
        fs::write(&path, broken).unwrap();
        running
            .daemon
            .wait_for_log("the configuration before stays in force", SOON);
        running.kubelet.allocate(RESOURCE, &[&["0000:01:10.1"]]).unwrap();
    }
    let shown = running.site.output(&["devices"], running.tree.root());
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("0000:01:10.0  eth0  0   igbvf"), "{shown}");
    assert!(shown.contains("  intel.com/vfs\n"), "{shown}");
    // Its lines fit a terminal.
    let words: Vec<&str> = shown.split_whitespace().collect();
    let text = words.join(" ");
    let (_, refused) = text
        .split_once("configuration refused: ")
        .unwrap_or_else(|| panic!("{shown}"));
    assert!(
        refused.contains("config.json: no good pool: resourceList[0] (a b)")
            && refused.ends_with("; the one before stays in force"),
        "{shown}"
    );
    running.site.config(&json!({"resourceList": [of_vfs("vfs", "1")]}));
    running.wait_for(RESOURCE, 1);
    let shown = running.site.output(&["devices"], running.tree.root());
    assert!(!String::from_utf8(shown.stdout).unwrap().contains("refused"));
    running.assert_no_more_registrations_than(1);
}

/// The way of a kubelet with a mounted `ConfigMap`: each version in a folder of its own, and one link that is swapped.
fn swap(mount: &Path, version: &str, config: &Value) {
    fs::create_dir_all(mount.join(version)).unwrap();
    fs::write(mount.join(version).join("config.json"), config.to_string()).unwrap();
    symlink(version, mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
}

#[test]
fn a_mounted_config_map_is_followed() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(3));
    let mount = site.directory().join("mount");
    swap(&mount, "..1", &json!({"resourceList": [of_vfs("vfs", "0")]}));
    let config = mount.join("config.json");
    symlink("..data/config.json", &config).unwrap();
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start_from(&config, tree.root());
    let wait = |count: usize| {
        kubelet
            .wait_for_devices(RESOURCE, |devices| devices.len() == count, SOON)
            .unwrap()
    };
    wait(1);
    swap(&mount, "..2", &json!({"resourceList": [of_vfs("vfs", "0-2")]}));
    wait(3);
    fs::remove_dir_all(mount.join("..1")).unwrap();
    swap(&mount, "..3", &json!({"resourceList": [of_vfs("vfs", "2")]}));
    assert_eq!(ids(&wait(1)), ["0000:01:10.2"]);
}

#[test]
fn sighup_reads_the_hardware_again() {
    let running = Running::registered(2);
    let device = running.tree.device("0000:01:10.1");
    fs::remove_dir_all(&device).unwrap();
    running.daemon.signal(Signal::HUP);
    let ill = |devices: &[Device]| devices.len() == 2 && healthy(devices) == 1;
    running.kubelet.wait_for_devices(RESOURCE, ill, SOON).unwrap();
    running.wait_for(RESOURCE, 1);
    let running_again = |devices: &[Device]| healthy(devices) == 2;
    let pci = hardwire_tests::sysfs_tree::Pci {
        device: "10ca",
        driver: Some("igbvf"),
        ..hardwire_tests::sysfs_tree::Pci::at("0000:01:10.1")
    };
    running.tree.add(&pci);
    symlink("../0000:01:00.0", running.tree.device(pci.address).join("physfn")).unwrap();
    running.daemon.signal(Signal::HUP);
    running.kubelet.wait_for_devices(RESOURCE, running_again, SOON).unwrap();
    running.assert_no_more_registrations_than(1);
}

#[test]
fn nothing_leaves_the_list_around_an_allocate() {
    let mut running = Running::registered(2);
    running.kubelet.allocate(RESOURCE, &[&["0000:01:10.1"]]).unwrap();
    fs::remove_dir_all(running.tree.device("0000:01:10.1")).unwrap();
    running.daemon.signal(Signal::HUP);
    let ill = |devices: &[Device]| devices.len() == 2 && healthy(devices) == 1;
    running.kubelet.wait_for_devices(RESOURCE, ill, SOON).unwrap();
    running.daemon.wait_for_log("unhealthy: gone from the bus", SOON);
    // Longer than the grace, which is one second here.
    let left = running.kubelet.wait_for_devices(
        RESOURCE,
        |devices| devices.len() < 2,
        3 * std::time::Duration::from_secs(1),
    );
    assert!(left.is_err(), "{left:?}");
}

#[test]
fn an_idle_daemon_sleeps() {
    let running = Running::registered(4);
    running.assert_no_more_registrations_than(1);
    let switches = || {
        let threads = fs::read_dir(format!("/proc/{}/task", running.daemon.id())).unwrap();
        let of_thread = |thread: fs::DirEntry| {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
            counts
                .filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok())
                .sum::<u64>()
        };
        threads.filter_map(Result::ok).map(of_thread).sum::<u64>()
    };
    // Threads of the first reads end ten seconds after them.
    std::thread::sleep(std::time::Duration::from_secs(12));
    let before = switches();
    std::thread::sleep(std::time::Duration::from_secs(10));
    assert!(switches() <= before + 2, "{} switches", switches() - before);
}
