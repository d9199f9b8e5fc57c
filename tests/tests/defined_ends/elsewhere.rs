//! The application did something to the interface: it is in another namespace, below another interface, called otherwise.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use hardwire_tests::daemon::Site;
use hardwire_tests::node::{Pod, run, succeeds};

use super::{NETWORK, Stage, VF};

/// An attachment whose interface went on into a namespace that no call names, after its DEL.
fn nested(name: &str) -> (Stage, Pod) {
    let stage = Stage::new(name);
    let del = stage.add();
    let nested = Pod::new("nested");
    stage.pod().run(&["ip", "link", "set", "net1", "netns", nested.name()]);
    del.run().silence();
    waits(&stage);
    // Nobody gets it, and nobody harms it, while it is there.
    let other = Pod::new("other");
    assert_eq!(stage.call("ADD", &other).run().error()["code"], 11);
    stage.call("DEL", &other).run().silence();
    del.run().silence();
    assert!(nested.link("net1").is_some());
    waits(&stage);
    (stage, nested)
}

/// Asserts that a device that could not be reached waits for the end of its namespace, isolated as it was.
#[track_caller]
fn waits(stage: &Stage) {
    assert_eq!(stage.record()["step"], "released");
    assert_eq!(stage.igb.vf(VF)["vlan_list"][0]["vlan"], 60);
    assert!(stage.plugin.reservations(NETWORK).is_empty());
}

impl Stage {
    /// An ADD that has to put the device right first.
    #[track_caller]
    pub(super) fn serves_the_next_after_a_release(&self) {
        let next = Pod::new("next");
        self.call("ADD", &next).run().success();
        self.call("DEL", &next).run().silence();
    }
}

fn ends(stage: &Stage, nested: Pod) {
    nested.delete();
    stage.igb.wait_for_vf(VF);
}

#[test]
fn a_nested_namespace_that_ended_before_the_next_del() {
    let (stage, nested) = nested("nestdel");
    ends(&stage, nested);
    stage.call("DEL", stage.pod()).run().silence();
    stage.ended();
}

#[test]
fn a_nested_namespace_that_ended_before_the_next_add() {
    let (stage, nested) = nested("nestadd");
    ends(&stage, nested);
    stage.serves_the_next_after_a_release();
    stage.ended();
}

#[test]
fn a_nested_namespace_that_ended_while_the_daemon_watched() {
    let (stage, nested) = nested("nestdmn");
    let site = Site::new();
    let mut daemon = site.start_repairing(&stage.plugin.state());
    ends(&stage, nested);
    daemon.wait_for_log("released: the device is as it was", Duration::from_secs(90));
    stage.ended();
}

/// A process that DEL does not wait for keeps it, after the runtime removed its name.
#[test]
fn a_namespace_that_outlives_its_path() {
    let mut stage = Stage::new("outlives");
    let del = stage.add();
    let mut inside = Command::new("ip");
    inside
        .args(["netns", "exec", stage.pod().name(), "cat"])
        .stdin(Stdio::piped());
    // Its answer tells that it is inside.
    let mut inside = inside.stdout(Stdio::piped()).spawn().expect("ip");
    let mut stdin = inside.stdin.take().expect("stdin");
    stdin.write_all(b"x").expect("a byte");
    let answered = inside.stdout.take().expect("stdout").read_exact(&mut [0]);
    answered.expect("a byte");
    stage.pod = None;
    for _ in 0..2 {
        del.run().silence();
        waits(&stage);
    }
    assert!(stage.igb.vf_netdev(VF).is_none());
    drop(stdin);
    inside.wait().expect("cat");
    stage.igb.wait_for_vf(VF);
    stage.serves_the_next_after_a_release();
    stage.ended();
}

#[test]
fn a_bridge_in_the_pod() {
    let stage = Stage::new("bridge");
    let del = stage.add();
    stage.pod().run(&["ip", "link", "add", "br7", "type", "bridge"]);
    stage.pod().run(&["ip", "link", "set", "net1", "master", "br7"]);
    del.run().silence();
    stage.ended();
}

#[test]
fn a_bond_in_the_pod_that_changed_the_mac() {
    for ends_first in [false, true] {
        let mut stage = Stage::new("bond");
        let del = stage.add();
        run(&["modprobe", "bonding"]);
        let ip = |words: &[&str]| stage.pod().run(&[&["ip", "link"], words].concat());
        ip(&["add", "bond7", "type", "bond", "mode", "active-backup"]);
        ip(&["add", "dummy7", "type", "dummy"]);
        ip(&["set", "dummy7", "master", "bond7"]);
        let mac = |name: &str| stage.pod().link(name).expect("a link")["address"].clone();
        let before = mac("net1");
        ip(&["set", "net1", "down"]);
        ip(&["set", "net1", "master", "bond7"]);
        assert_eq!(mac("net1"), mac("bond7"));
        assert_ne!(mac("net1"), before);
        if ends_first {
            stage.end_namespace();
        }
        del.run().silence();
        stage.ended();
    }
}

#[test]
fn another_name_mac_and_mtu_of_the_applications() {
    for ends_first in [false, true] {
        let mut stage = Stage::new("renamed");
        let del = stage.add();
        for words in [
            &["down"][..],
            &["name", "data0"],
            &["address", "02:00:00:00:0e:0e"],
            &["mtu", "1280"],
            &["promisc", "on"],
            &["up"],
        ] {
            let name = if stage.pod().link("data0").is_some() {
                "data0"
            } else {
                "net1"
            };
            stage.pod().run(&[&["ip", "link", "set", name], words].concat());
        }
        if ends_first {
            stage.end_namespace();
        }
        del.run().silence();
        stage.ended();
    }
}

#[test]
fn a_namesake_of_the_interface_in_the_pod() {
    let stage = Stage::new("swap");
    let del = stage.add();
    for words in [
        &["set", "net1", "down"][..],
        &["set", "net1", "name", "real"],
        &["add", "net1", "type", "dummy"],
    ] {
        stage.pod().run(&[&["ip", "link"], words].concat());
    }
    del.run().silence();
    assert!(succeeds(&["ip", "-netns", stage.pod().name(), "link", "show", "net1"]));
    stage.ended();
}
