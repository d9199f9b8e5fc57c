//! `hardwired devices`: who has what.

use hardwire_cni::journal::{Journal, Owner, Record, Step, Target};
use hardwire_cni::netns::NetnsIdentity;

use super::*;

/// What an ADD leaves, of a namespace that nobody looks for before the daemon's grace is over.
fn record(device: &str) -> Record {
    Record {
        version: Record::VERSION,
        attempt: "1-1".into(),
        device: device.parse().unwrap(),
        instance: None,
        owner: Owner {
            network: "blue".parse().unwrap(),
            container_id: "c1".parse().unwrap(),
            ifname: "net1".parse().unwrap(),
            netns_path: "/run/netns/pod1".into(),
            netns: NetnsIdentity {
                cookie: Some(7),
                device: 4,
                inode: 4_026_532_000,
            },
        },
        step: Step::Attached,
        target: Target::default(),
        link: None,
        vf: None,
        trunk: None,
        ipam: None,
        host_network: None,
        ending: None,
        pod: None,
    }
}

fn printed(site: &Site, tree: &SysfsTree, arguments: &[&str]) -> String {
    let output = site.output(&[&["devices"], arguments].concat(), tree.root());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn who_has_a_device_is_shown() {
    let mut running = Running::registered(3);
    let pod = running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap();
    let attached = pod.devices[0].as_str();
    let journal = Journal::at(&running.site.state_dir());
    journal.put(&record(attached)).unwrap();
    journal.put(&record("0000:09:00.7")).unwrap();

    let show = |running: &Running, arguments: &[&str]| printed(&running.site, &running.tree, arguments);
    let report: Value = serde_json::from_str(&show(&running, &["--json"])).unwrap();
    let row = |report: &Value, id: &str| {
        let devices = report["devices"].as_array().unwrap();
        devices.iter().find(|row| row["device"] == id).unwrap().clone()
    };
    let held = row(&report, attached);
    for (key, value) in [
        ("namespace", "red"),
        ("pod", "a"),
        ("container", "main"),
        ("network", "blue"),
        ("interface", "net1"),
        ("netns", "/run/netns/pod1"),
        ("containerId", "c1"),
    ] {
        assert_eq!(held[key], value, "{key}");
    }
    let free = row(&report, &SysfsTree::vf(2));
    assert!(free["pod"].is_null() && free["network"].is_null(), "{free}");
    let gone = row(&report, "0000:09:00.7");
    assert_eq!(
        (&gone["reason"], &gone["network"]),
        (&json!("not on this node any more"), &json!("blue"))
    );

    let table = show(&running, &[]);
    let line = table.lines().find(|line| line.starts_with(attached)).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[8..12], ["red/a", "blue", "net1", "/run/netns/pod1"], "{table}");

    // Without the kubelet's word the journal's stays.
    running.kubelet.end(hardwire_tests::kubelet::End::Killed);
    let report: Value = serde_json::from_str(&show(&running, &["--json"])).unwrap();
    let held = row(&report, attached);
    assert!(held["pod"].is_null());
    assert_eq!(held["network"], "blue");
}
