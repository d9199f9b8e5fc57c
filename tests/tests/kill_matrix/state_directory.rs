//! A state directory that really is full or read-only, and records that nobody can read.

use std::fs;
use std::path::Path;

use hardwire_tests::matrix::{Subject, View};
use hardwire_tests::node::{Pod, isolated, run};
use hardwire_tests::plugin::Outcome;
use serde_json::Value;

use crate::nic::{NAME, Nic};

/// The NIC on a file system of its own for the state directory, with a pod.
struct Room {
    nic: Nic,
    pod: Pod,
}

impl Room {
    fn new() -> Self {
        let nic = Nic::new();
        fs::create_dir_all(nic.plugin().state()).expect("a directory");
        let room = Self {
            nic,
            pod: Pod::new("room"),
        };
        run(&["mount", "-t", "tmpfs", "-o", "size=64k", "state", &room.state()]);
        room
    }

    fn state(&self) -> String {
        self.nic.plugin().state().to_str().expect("UTF-8").to_owned()
    }

    fn call(&self, command: &str) -> Outcome {
        self.nic.plugin().call(command, &self.pod, &self.nic.conf())
    }

    fn record(&self) -> std::path::PathBuf {
        Path::new(&self.state()).join(format!("attachments/net_{NAME}.json"))
    }

    fn look(&self) -> View {
        let mut view = View::default();
        view.add_host();
        view.add_netns("pod", self.pod.name());
        view.add_files("state", Path::new(&self.state()));
        view.add_files("ipam", &self.nic.plugin().directory().join("ipam"));
        view
    }

    /// Asserts that all is as it was, but for the files that mean nothing.
    #[track_caller]
    fn is_as(&self, before: &View) {
        let changes = self.look().without_leftovers().changes_since(before);
        assert!(changes.is_empty(), "{}", changes.join("\n"));
    }

    /// Makes every write to the state directory fail until what it returns is dropped.
    fn spoil(&self, how: &str) -> Spoiled {
        if how == "EROFS" {
            run(&["mount", "-o", "remount,ro", &self.state()]);
            return Spoiled(["mount", "-o", "remount,rw", &self.state()].map(str::to_owned).into());
        }
        let filler = format!("{}/filler", self.state());
        assert!(fs::write(&filler, vec![0; 1 << 20]).is_err(), "the file system is full");
        Spoiled(vec!["rm".to_owned(), filler])
    }
}

/// How to put it right.
struct Spoiled(Vec<String>);

impl Drop for Spoiled {
    fn drop(&mut self) {
        let words: Vec<&str> = self.0.iter().map(String::as_str).collect();
        run(&words);
    }
}

#[test]
fn an_add_that_cannot_write_its_record_changes_nothing() {
    isolated(|| {
        for (how, said) in [("ENOSPC", "No space left"), ("EROFS", "Read-only file system")] {
            let room = Room::new();
            let before = room.look();
            let spoiled = room.spoil(how);
            room.call("ADD").failure_naming(5, &["journal", said]);
            for _ in 0..2 {
                room.call("DEL").silence();
            }
            drop(spoiled);
            room.is_as(&before);
            room.call("ADD").success();
            room.call("DEL").silence();
            room.is_as(&before);
        }
    });
}

#[test]
fn a_del_needs_no_space() {
    isolated(|| {
        let room = Room::new();
        let before = room.look();
        room.call("ADD").success();
        let spoiled = room.spoil("ENOSPC");
        room.call("DEL").silence();
        drop(spoiled);
        room.is_as(&before);
    });
}

#[test]
fn a_del_that_cannot_remove_the_record_says_so_and_is_finished_later() {
    isolated(|| {
        let room = Room::new();
        let before = room.look();
        room.call("ADD").success();
        let spoiled = room.spoil("EROFS");
        room.call("DEL").failure_naming(5, &["Read-only file system"]);
        drop(spoiled);
        room.call("DEL").silence();
        room.is_as(&before);
    });
}

/// Contents that no version of hardwire writes or that only another one does.
fn unreadable(record: &str) -> Vec<String> {
    let half = record[..record.len() / 2].to_owned();
    vec![String::new(), half, newer(record), "\0\0\0\0".to_owned()]
}

fn newer(record: &str) -> String {
    let mut newer: Value = serde_json::from_str(record).expect("a record");
    newer["version"] = 99.into();
    newer.to_string()
}

#[test]
fn a_free_device_with_an_unreadable_record_is_free() {
    isolated(|| {
        let room = Room::new();
        let before = room.look();
        room.call("ADD").success();
        let record = fs::read_to_string(room.record()).expect("the record");
        room.call("DEL").silence();
        for content in unreadable(&record) {
            fs::write(room.record(), &content).expect("a record");
            room.call("DEL").silence();
            room.call("ADD").success();
            room.call("DEL").silence();
            let aside = room.record().with_extension("unreadable");
            assert_eq!(fs::read_to_string(&aside).expect("what was set aside"), content);
            fs::remove_file(aside).expect("what was set aside");
            room.is_as(&before);
        }
    });
}

#[test]
fn an_attachment_whose_record_is_torn_ends_with_its_namespace() {
    isolated(|| {
        let first = Room::new();
        first.call("ADD").success();
        let record = fs::read_to_string(first.record()).expect("the record");
        drop(first);
        for content in unreadable(&record) {
            let room = Room::new();
            room.call("ADD").success();
            // Half of a record says whose it is, but it is no JSON.
            let of_another_version = content.contains("\"version\":99");
            let own = fs::read_to_string(room.record()).expect("the record");
            let content = if of_another_version { newer(&own) } else { content };
            fs::write(room.record(), &content).expect("a record");
            if of_another_version {
                // Another version's, and whose it is can be read: nothing is done, and that is said.
                room.call("DEL").failure_naming(5, &["its version is 99", NAME]);
                assert_eq!(room.nic.plugin().reservations("net-a").len(), 1);
            } else {
                // Nothing says where the device was: DEL gives back the addresses, and leaves it where it is.
                room.call("DEL").silence();
                assert!(room.nic.plugin().reservations("net-a").is_empty());
            }
            assert!(room.pod.link("net1").is_some());
            let Room { nic, pod } = room;
            pod.delete();
            nic.renew();
            let room = Room {
                nic,
                pod: Pod::new("next"),
            };
            room.call("ADD").success();
            room.call("DEL").silence();
        }
    });
}
