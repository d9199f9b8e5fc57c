//! The device loses its driver, or goes, while a pod has it.

use std::fs;

use super::{Stage, VF, seen};

impl Stage {
    fn num_vfs(&self, count: &str) {
        let path = format!("/sys/bus/pci/devices/{}/sriov_numvfs", self.igb.address);
        fs::write(&path, count).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    fn write(&self, file: &str, text: &str) {
        let path = format!("/sys/bus/pci/devices/{}/{file}", self.device);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Asserts that a VF that was made anew is like those that nobody had, and serves the next pod.
    #[track_caller]
    fn ended_fresh(&self) {
        self.released();
        self.igb.wait_for_vf(VF);
        let without_names = |vf: u32| {
            let mut vf = self.igb.vf(vf);
            for key in ["vf", "address"] {
                vf.as_object_mut().expect("an object").remove(key);
            }
            vf
        };
        assert_eq!(without_names(VF), without_names(VF - 1));
        self.serves_the_next();
    }
}

#[test]
fn a_vf_that_user_space_drives_at_its_del() {
    let stage = Stage::new("vfio");
    let del = stage.add();
    let bound = stage.igb.bind_vfio(VF);
    assert_eq!(bound.driver().as_deref(), Some("vfio-pci"));
    del.run().silence();
    stage.released();
    assert_eq!(bound.driver().as_deref(), Some("vfio-pci"), "the driver is not ours");
    assert_eq!(stage.igb.vf(VF), stage.before.vfs[VF as usize]);
    drop(bound);
    stage.ended_fresh();
}

#[test]
fn a_vf_without_a_driver_at_its_del() {
    let stage = Stage::new("unbound");
    let del = stage.add();
    stage.write("driver/unbind", &stage.device);
    del.run().silence();
    stage.released();
    assert_eq!(stage.igb.vf(VF), stage.before.vfs[VF as usize]);
    fs::write("/sys/bus/pci/drivers_probe", &stage.device).expect("binding");
    stage.ended_fresh();
}

#[test]
fn a_vf_that_got_its_driver_back_before_its_del() {
    let stage = Stage::new("rebound");
    let del = stage.add();
    stage.write("driver/unbind", &stage.device);
    fs::write("/sys/bus/pci/drivers_probe", &stage.device).expect("binding");
    stage.igb.wait_for_vf(VF);
    del.run().silence();
    stage.ended();
}

#[test]
fn vfs_that_were_removed_at_the_del() {
    let stage = Stage::new("novfs");
    let del = stage.add();
    stage.num_vfs("0");
    del.run().silence();
    stage.released();
    stage.num_vfs("7");
    stage.ended_fresh();
}

#[test]
fn vfs_that_were_made_anew_before_the_del() {
    let stage = Stage::new("newvfs");
    let del = stage.add();
    stage.num_vfs("0");
    stage.num_vfs("7");
    stage.igb.wait_for_vf(VF);
    del.run().silence();
    stage.ended_fresh();
}

/// A VF is not to be unplugged alone: the kernel gives it no `remove` (`pci_dev_hp_attrs_are_visible`).
#[test]
fn a_pf_that_was_unplugged_with_its_vfs() {
    for back_first in [false, true] {
        let stage = Stage::new("pfgone");
        let del = stage.add();
        fs::write(format!("/sys/bus/pci/devices/{}/remove", stage.igb.address), "1").expect("removing the PF");
        if !back_first {
            del.run().silence();
            stage.released();
        }
        fs::write("/sys/bus/pci/rescan", "1").expect("a rescan");
        assert_eq!(stage.igb.interface().as_deref(), Some(stage.igb.name.as_str()));
        stage.igb.renew();
        stage.igb.wait_for_vf(VF);
        if back_first {
            del.run().silence();
        }
        stage.ended_fresh();
    }
}

/// An ADD by another finds the record of a device that is gone and came back, and its owner's namespace alive.
#[test]
fn vfs_that_were_made_anew_belong_to_nobody_else_until_the_del() {
    let stage = Stage::new("anew");
    let del = stage.add();
    stage.num_vfs("0");
    stage.num_vfs("7");
    stage.igb.wait_for_vf(VF);
    let (fresh, other) = (seen(&stage.igb), hardwire_tests::node::Pod::new("other"));
    assert_eq!(stage.call("ADD", &other).run().error()["code"], 11);
    assert_eq!(seen(&stage.igb), fresh);
    del.run().silence();
    stage.ended_fresh();
}
