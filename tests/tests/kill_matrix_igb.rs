//! Killed at any instant, nothing is lost: the requests that change a PF or its VF, on the emulated igb.
//!
//! Every other system call is in `kill_matrix`, on veth. Here the kernel brings the device back when its namespace ends, so
//! that a DEL after that, and the daemon's repair, have something to put right.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use hardwire_tests::matrix::{Matrix, Subject, Verb, View};
use hardwire_tests::node::{Igb, run};
use hardwire_tests::plugin::Plugin;
use hardwire_tests::trace::{Kind, Point};
use nix::libc::{EBUSY, EOPNOTSUPP};
use serde_json::{Value, json};

const VF: u32 = 5;
const ALTNAME: &str = "a-vf-name-longer-than-15-bytes";

struct Vf {
    plugin: Plugin,
    igb: Igb,
}

impl Vf {
    fn new() -> Self {
        let igb = Igb::get();
        igb.wait_for_vf(VF);
        let name = igb.vf_netdev(VF).expect("the VF is on the host");
        run(&["ip", "link", "set", "dev", &name, "mtu", "1450"]);
        if !run(&["ip", "link", "show", "dev", &name]).contains(ALTNAME) {
            run(&["ip", "link", "property", "add", "dev", &name, "altname", ALTNAME]);
        }
        Self {
            plugin: Plugin::new(),
            igb,
        }
    }
}

impl Subject for Vf {
    fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    fn conf(&self) -> Value {
        json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire", "deviceID": self.igb.vf_address(VF),
               "vlan": 100, "vlanQoS": 3, "spoofchk": "off", "trust": "on", "mtu": 1400, "mac": "02:00:00:00:0c:0a"})
    }

    fn look(&self, view: &mut View) {
        view.add("VF", self.igb.vf(VF));
    }

    fn renew(&self) {
        self.igb.wait_for_vf(VF);
    }
}

fn changes(point: &Point) -> bool {
    point.kind == Kind::Change
}

fn matrix(title: &str, runs: impl FnOnce(&mut Matrix<Vf, fn() -> Vf>)) {
    let mut matrix = Matrix::new(title, Vf::new as fn() -> Vf);
    runs(&mut matrix);
    matrix.finish();
}

#[test]
fn an_add_that_is_killed_leaves_the_vf_as_it_was() {
    matrix("ADD of a VF killed", |matrix| matrix.kill(Verb::Add, changes));
}

#[test]
fn a_del_that_is_killed_is_finished_by_the_next() {
    matrix("DEL of a VF killed", |matrix| matrix.kill(Verb::Del, changes));
}

#[test]
fn a_del_after_the_end_of_the_namespace_that_is_killed_is_finished_by_the_next() {
    matrix("late DEL of a VF killed", |matrix| matrix.kill(Verb::LateDel, changes));
}

#[test]
fn a_change_of_the_vf_that_is_refused_leaves_no_trace() {
    matrix("changes of a VF refused", |matrix| {
        for verb in [Verb::Add, Verb::Del, Verb::LateDel] {
            matrix.refuse(verb, &[(EBUSY, "EBUSY"), (EOPNOTSUPP, "EOPNOTSUPP")], changes);
        }
    });
}
