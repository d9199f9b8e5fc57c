//! A NIC on which the pod leaves what it can, before its DEL.

use std::cell::RefCell;

use hardwire_tests::matrix::{Subject, View};
use hardwire_tests::node::{Hook, Pod, Program, programs_on, succeeds};
use hardwire_tests::plugin::Plugin;
use serde_json::Value;

use crate::nic::{NAME, Nic};

pub(crate) struct Dirty {
    nic: Nic,
    /// Lives on after the pod, as a process of it may.
    holder: RefCell<Option<Program>>,
}

impl Dirty {
    pub(crate) fn new() -> Self {
        Self {
            nic: Nic::new(),
            holder: RefCell::default(),
        }
    }
}

impl Subject for Dirty {
    fn plugin(&self) -> &Plugin {
        self.nic.plugin()
    }

    fn conf(&self) -> Value {
        self.nic.conf()
    }

    fn leave(&self, pod: &Pod) {
        pod.run(&[
            "ip",
            "link",
            "set",
            "net1",
            "txqueuelen",
            "77",
            "group",
            "9",
            "arp",
            "off",
        ]);
        for (name, kind) in [("left1", "macvlan"), ("left2", "macvlan")] {
            pod.run(&["ip", "link", "add", name, "link", "net1", "type", kind]);
        }
        Program::load(Hook::TcxIngress).attach(pod, "net1");
        *self.holder.borrow_mut() = Some(Program::load(Hook::Xdp).linked(pod, "net1"));
    }

    fn look(&self, view: &mut View) {
        if succeeds(&["ip", "link", "show", "dev", NAME]) {
            view.add("tcx programs", programs_on(NAME, Hook::TcxIngress).into());
        }
    }

    fn renew(&self) {
        self.nic.renew();
    }
}
