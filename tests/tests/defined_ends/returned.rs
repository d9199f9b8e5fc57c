//! The device is back on the host before DEL, or its names are others' when DEL brings it back.

use std::time::Duration;

use hardwire_cni::release::fallback_name;
use hardwire_tests::daemon::Site;
use hardwire_tests::node::{run, succeeds};

use super::{Namesake, Stage, VF, seen};

#[test]
fn a_vf_that_came_back_under_the_pods_name() {
    let mut stage = Stage::new("gone");
    let del = stage.add();
    assert_eq!(stage.end_namespace(), "net1");
    del.run().silence();
    stage.ended();
}

#[test]
fn a_vf_that_came_back_under_a_name_of_the_kernels() {
    let mut stage = Stage::new("dev");
    let del = stage.add();
    let namesake = Namesake::new("net1");
    let name = stage.end_namespace();
    assert!(name.starts_with("dev"), "{name}");
    del.run().silence();
    drop(namesake);
    stage.ended();
}

#[test]
fn a_vf_that_came_back_without_a_namespace_to_name() {
    let mut stage = Stage::new("unnamed");
    let del = stage.add().unset("CNI_NETNS");
    stage.end_namespace();
    del.run().silence();
    stage.ended();
}

/// Nobody comes again after status 0: the device goes by its fallback name from then on.
#[test]
fn a_host_name_that_is_taken_is_a_defined_end() {
    for ends_first in [false, true] {
        let mut stage = Stage::new("taken");
        let del = stage.add();
        let namesake = Namesake::new(&stage.name);
        if ends_first {
            stage.end_namespace();
        }
        let outcome = del.run();
        outcome.silence();
        has_its_fallback_name(&stage);
        assert!(outcome.stderr.contains(&stage.name), "{}", outcome.stderr);
        stage.serves_the_next();
        del.run().silence();
        named_again(&stage, namesake);
    }
}

#[test]
fn a_host_name_that_is_taken_stops_no_next_add() {
    let mut stage = Stage::new("takenadd");
    stage.add();
    let namesake = Namesake::new(&stage.name);
    stage.end_namespace();
    stage.serves_the_next_after_a_release();
    has_its_fallback_name(&stage);
    named_again(&stage, namesake);
}

#[test]
fn a_host_name_that_is_taken_stops_no_repair() {
    let mut stage = Stage::new("takenfix");
    stage.add();
    let namesake = Namesake::new(&stage.name);
    let site = Site::new();
    let mut daemon = site.start_repairing(&stage.plugin.state());
    stage.end_namespace();
    daemon.wait_for_log("released: the device is as it was", Duration::from_secs(90));
    has_its_fallback_name(&stage);
    drop(daemon);
    named_again(&stage, namesake);
}

#[track_caller]
fn has_its_fallback_name(stage: &Stage) {
    let expected = fallback_name(&stage.device.parse().expect("an id")).expect("a name");
    assert_eq!(stage.igb.vf_netdev(VF).as_deref(), Some(expected.as_str()));
    assert_eq!(stage.igb.vf(VF), stage.before.vfs[VF as usize], "the PF has it back");
    stage.released();
}

#[track_caller]
fn named_again(stage: &Stage, namesake: Namesake) {
    drop(namesake);
    let name = stage.igb.vf_netdev(VF).expect("it is on the host");
    run(&["ip", "link", "set", &name, "down"]);
    run(&["ip", "link", "set", &name, "name", &stage.name]);
    stage.ended();
}

#[test]
fn a_host_name_that_the_device_has_as_an_alternative_one() {
    let mut stage = Stage::new("alt");
    let del = stage.add();
    let name = stage.end_namespace();
    run(&["ip", "link", "property", "add", "dev", &name, "altname", &stage.name]);
    run(&["ip", "link", "property", "add", "dev", &name, "altname", "of-nobody"]);
    del.run().silence();
    stage.ended();
}

#[test]
fn an_alternative_name_that_the_pod_gave_and_the_host_has() {
    let stage = Stage::new("altpod");
    let del = stage.add();
    for altname in [stage.igb.name.as_str(), "of-the-pod"] {
        stage
            .pod()
            .run(&["ip", "link", "property", "add", "dev", "net1", "altname", altname]);
    }
    del.run().silence();
    stage.ended();
}

/// It is no part of what makes a device free, so the device goes without, and a log line says so.
#[test]
fn an_alternative_name_that_another_interface_took() {
    const ALTNAME: &str = "vf-of-the-first-port";
    let altname = |name: &str| run(&["ip", "link", "property", "add", "dev", name, "altname", ALTNAME]);
    for ends_first in [false, true] {
        let mut stage = Stage::prepared("alttaken", |name| {
            run(&["ip", "link", "property", "add", "dev", name, "altname", "and-another"]);
            // Last, where it will be when it is given back.
            altname(name);
        });
        let del = stage.add();
        let other = Namesake::new("hwother");
        altname(&other.0);
        if ends_first {
            stage.end_namespace();
        }
        let outcome = del.run();
        outcome.silence();
        assert!(outcome.stderr.contains(ALTNAME), "{}", outcome.stderr);
        stage.released();
        stage.serves_the_next();
        drop(other);
        altname(&stage.name);
        stage.ended();
        for name in [ALTNAME, "and-another"] {
            run(&["ip", "link", "property", "del", "dev", &stage.name, "altname", name]);
        }
    }
}

#[test]
fn a_pf_that_was_renamed() {
    for ends_first in [false, true] {
        let mut stage = Stage::new("pf");
        let del = stage.add();
        // igb is renamed only while it is down, and forgets what it told its VFs then.
        let name = stage.igb.name.clone();
        let rename = |from: &str, to: &str| run(&["ip", "link", "set", from, "name", to]);
        let live = succeeds(&["ip", "link", "set", &name, "name", "hwpf"]);
        if !live {
            run(&["ip", "link", "set", &name, "down"]);
            rename(&name, "hwpf");
        }
        if ends_first {
            stage.end_namespace();
        }
        del.run().silence();
        if live {
            rename("hwpf", &name);
        } else {
            run(&["ip", "link", "set", "hwpf", "down"]);
            rename("hwpf", &name);
            stage.igb.up();
        }
        stage.released();
        assert_eq!(seen(&stage.igb), stage.before, "renamed while up: {live}");
        stage.serves_the_next();
    }
}
