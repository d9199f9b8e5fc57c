//! What failed once is done later, though nothing happens in between; and what is asked of many is not kept from one by others.

use std::os::unix::net::UnixListener;

use hardwire_cni::journal::{Journal, Owner, PodName, Record};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::given_away::attached;
use super::*;

fn pool(name: &str, indices: &str) -> Value {
    json!({"resourceName": name, "selectors": {"pfNames": [format!("eth0#{indices}")]}})
}

fn pools(pools: &[Value]) -> Value {
    json!({"resourceList": pools})
}

#[test]
fn rule_10_a_pool_whose_socket_was_taken_is_served_once_it_is_not() {
    let mut running = Running::start(&pools(&[pool("first", "0")]), 2);
    running.wait_for("intel.com/first", 1);
    let path = running.site.plugin_dir().join("intel.com_second.sock");
    let other = UnixListener::bind(&path).unwrap();
    running.site.config(&pools(&[pool("first", "0"), pool("second", "1")]));
    running.daemon.wait_for_log("not served: ", SOON);
    drop(other);
    std::fs::remove_file(&path).unwrap();
    running.wait_for("intel.com/second", 1);
}

/// The record of an attachment whose namespace is gone.
fn orphan(site: &Site, device: &str, pod: &str) -> Record {
    let record = hardwire_tests::records::attached(device);
    Record {
        owner: Owner {
            netns_path: site.directory().join(format!("no-{pod}")).to_str().unwrap().to_owned(),
            ..record.owner
        },
        attempt: format!("1-{pod}"),
        pod: Some(PodName {
            namespace: "red".to_owned(),
            name: pod.to_owned(),
            uid: None,
        }),
        ..record
    }
}

#[test]
fn rule_2_attachments_that_the_kubelet_keeps_from_repair_keep_no_other_from_it() {
    const VETOED: u32 = 20;
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(VETOED + 1));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    std::fs::create_dir_all(site.state_dir()).unwrap();
    let journal = Journal::at(&site.state_dir());
    for index in 0..=VETOED {
        let (device, pod) = (SysfsTree::vf(index), format!("pod-{index}"));
        journal.put(&orphan(&site, &device, &pod)).unwrap();
        if index < VETOED {
            kubelet.remember(&format!("red/{pod}"), "main", RESOURCE, &[&device]);
        }
    }
    let mut daemon = site.start_with(&one_pool(), tree.root(), &["--repair-grace", "1"]);
    let line = daemon.wait_for_log("no DEL came: releasing the attachment", SOON);
    assert!(line.contains(&SysfsTree::vf(VETOED)), "{line}");
}

/// So many descriptors are all that the daemon may have; returns what it might have before.
fn limit(daemon: &Daemon, descriptors: u64) -> u64 {
    let pid = Pid::from_raw(daemon.id().cast_signed());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let maximum = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let new = Rlimit {
        current: Some(descriptors),
        maximum: maximum.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()),
    };
    let before = rustix::process::prlimit(pid, Resource::Nofile, new).unwrap();
    before.current.unwrap()
}

#[test]
fn rule_6_a_device_that_cannot_be_read_for_want_of_descriptors_is_not_gone() {
    let mut running = Running::registered(2);
    running.daemon.wait_for_log("registered", SOON);
    // None is left.
    let before = limit(&running.daemon, 3);
    running.daemon.signal(Signal::HUP);
    for job in ["Scan failed", "ReadConfig failed"] {
        running.daemon.wait_for_log(job, SOON);
    }
    running
        .site
        .config(&json!({"resourceList": [{"resourceName": "vfs", "selectors": {"pfNames": ["eth0#0"]}}]}));
    running.daemon.wait_for_log("ReadConfig failed", SOON);
    let healthy = |devices: &[Device]| devices.iter().all(|device| device.health == "Healthy");
    let now = running.kubelet.state().resources[RESOURCE].devices.clone();
    assert!(now.len() == 2 && healthy(&now), "{now:?}");
    limit(&running.daemon, before);
    // What was asked for meanwhile is done, and nothing else had to happen.
    running.wait_for(RESOURCE, 1);
    let sets = &running.kubelet.state().resources[RESOURCE].devices;
    assert!(healthy(sets), "{sets:?}");
}

/// Between its first look at the journal and that of repair.
#[test]
fn rule_7_an_attachment_that_ends_while_the_daemon_begins_has_ended() {
    const VFS: u32 = 100;
    let tree = SysfsTree::with_vfs(VFS);
    for _ in 0..6 {
        let site = Site::new();
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        std::fs::create_dir_all(site.state_dir()).unwrap();
        let journal = Journal::at(&site.state_dir());
        let record = attached("0000:01:10.0", Some(("red", "a")));
        journal.put(&record).unwrap();
        let mut daemon = site.start(&one_pool(), tree.root());
        daemon.wait_for_log("looked into all namespaces", SOON);
        journal.remove(&record.device).unwrap();
        let all = |devices: &[Device]| devices.len() == VFS as usize;
        kubelet.wait_for_devices(RESOURCE, all, SOON).unwrap();
        // What somebody has is advised last.
        let deadline = std::time::Instant::now() + SOON;
        let first = || {
            let preferred = kubelet.preferred(RESOURCE, &["0000:01:10.0", "0000:01:10.1"], &[], 1);
            preferred.unwrap().container_responses[0].device_i_ds[0].clone()
        };
        while first() != "0000:01:10.0" {
            assert!(
                std::time::Instant::now() < deadline,
                "it is still held:\n{}",
                daemon.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
