//! Records on disk: whole, torn, foreign, and the lock beside them.

use hardwire_pci::netlink::VfState;
use serde_json::{Value, json};

use super::*;
use crate::journal::{Hardware, Ipam, OriginalLink, OriginalVf, Step};
use crate::pf::AdminMac;

fn record(device: &str, container: &str) -> Record {
    Record {
        instance: Some(7),
        step: Step::Begun,
        link: Some(OriginalLink {
            name: "eth1".parse().unwrap(),
            index: 5,
            altnames: vec!["enp1s16".into()],
            mac: Some("02:00:00:00:00:01".parse().unwrap()),
            mtu: 1500,
            alias: None,
            flags: 0x1002,
            settings: crate::journal::InterfaceSettings::default(),
            hardware: Hardware::default(),
        }),
        vf: Some(OriginalVf {
            pf: "0000:01:00.0".parse().unwrap(),
            index: 0,
            state: VfState::default(),
            requested: VfState {
                vlan: 100,
                ..VfState::default()
            },
            admin_mac: AdminMac::Unset,
            in_force: None,
        }),
        ipam: Some(Ipam {
            plugin: "host-local".into(),
            config: "{}".into(),
            args: String::new(),
            path: "/p".into(),
        }),
        ..Record::fixture(device, container)
    }
}

fn ids(container: &str) -> (ContainerId, IfName) {
    (container.parse().unwrap(), "net1".parse().unwrap())
}

#[test]
fn what_is_written_is_found_by_device_and_by_owner() {
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::at(state.path());
    let (a, b) = (record("0000:01:10.0", "a"), record("netdevsim10/pf0vf1", "b"));
    journal.put(&a).unwrap();
    journal.put(&b).unwrap();
    assert_eq!(journal.get(&a.device).unwrap(), Some(a.clone()));
    let (container, ifname) = ids("b");
    assert_eq!(
        journal.find(&container, &ifname, Some(&a.device)).unwrap(),
        Some(b.clone())
    );
    journal.remove(&b.device).unwrap();
    journal.remove(&b.device).unwrap();
    assert_eq!(journal.find(&container, &ifname, None).unwrap(), None);
}

#[test]
fn records_that_make_no_sense_hide_no_other() {
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::at(state.path());
    journal.put(&record("0000:01:10.0", "a")).unwrap();
    let directory = state.path().join("attachments");
    let mut newer: Value = serde_json::to_value(record("0000:01:10.2", "c")).unwrap();
    newer["version"] = json!(99);
    fs::write(directory.join("0000:01:10.2.json"), newer.to_string()).unwrap();
    fs::write(directory.join("0000:01:10.4.json"), "").unwrap();
    fs::write(directory.join("0000:01:10.6.json"), "{\"version\":1,\"att").unwrap();
    fs::write(directory.join("0000:01:11.0.tmp"), "left by a kill").unwrap();
    let (records, unreadable) = journal.all().unwrap();
    assert_eq!((records.len(), unreadable.len()), (1, 3));
    assert!(unreadable.iter().any(|record| record.reason.contains("99")));
    assert!(journal.find(&ids("a").0, &ids("a").1, None).unwrap().is_some());
    assert!(matches!(
        journal.get(&"0000:01:10.4".parse().unwrap()),
        Err(JournalError::Unreadable(_))
    ));
}

#[test]
fn a_lock_is_one_holders_and_its_file_goes_with_the_record() {
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::at(state.path());
    let device: DeviceId = "0000:01:10.0".parse().unwrap();
    let file = state.path().join("locks/0000:01:10.0.lock");
    let lock = journal.lock(&device).unwrap();
    assert!(fs::File::open(&file).unwrap().try_lock().is_err(), "held");
    journal.put(&record("0000:01:10.0", "a")).unwrap();
    journal.unlock(&device, lock).unwrap();
    assert!(file.exists(), "the record is still there");
    let waiting = {
        let held = journal.lock(&device).unwrap();
        let other = journal.clone();
        let id = device.clone();
        let waiting = std::thread::spawn(move || other.lock(&id).map(|lock| other.unlock(&id, lock)));
        journal.remove(&device).unwrap();
        journal.unlock(&device, held).unwrap();
        waiting
    };
    waiting.join().unwrap().unwrap().unwrap();
    assert!(!file.exists());
}

#[test]
fn a_device_is_changing_while_its_lock_is_held() {
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::at(state.path());
    let device: DeviceId = "0000:3b:02.1".parse().unwrap();
    assert!(!journal.is_changing(&device));
    let lock = journal.lock(&device).unwrap();
    assert!(journal.is_changing(&device));
    drop(lock);
    assert!(!journal.is_changing(&device));
}

#[test]
fn rule_5_the_records_of_a_function_are_those_of_all_its_ports() {
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::at(state.path());
    let function: DeviceId = "0000:3b:00.0".parse().unwrap();
    assert!(journal.of_all_ports(&function).unwrap().is_empty());
    for device in [
        "0000:3b:00.0",
        "0000:3b:00.0/p1",
        "0000:3b:00.0/p12",
        "0000:3b:00.1",
        "0000:3b:00.1/p1",
    ] {
        journal.put(&record(device, "a")).unwrap();
    }
    let found = journal.of_all_ports(&function).unwrap().into_iter();
    let mut found: Vec<String> = found.map(|record| record.device.to_string()).collect();
    found.sort();
    assert_eq!(found, ["0000:3b:00.0", "0000:3b:00.0/p1", "0000:3b:00.0/p12"]);
    // What cannot be read may be such a record.
    fs::write(state.path().join("attachments/0000:3b:00.0_p1.json"), "").unwrap();
    assert!(journal.of_all_ports(&function).is_err());
}
