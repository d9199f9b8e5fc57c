//! A PF that somebody took to another network namespace: not seen is not gone, and a VF keeps nothing of its attachment.

use std::fs;
use std::path::Path;

use hardwire_tests::node::{Pod, run, vf};
use serde_json::{Value, json};

use super::{Known, VF};

fn wanted() -> Value {
    json!({"vlan": 50, "trust": "on"})
}

/// A namespace that only a file of ours names.
struct Hidden(tempfile::NamedTempFile);

impl Hidden {
    fn new(pod: Pod) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file");
        run(&["mount", "--bind", &pod.path(), file.path().to_str().expect("UTF-8")]);
        pod.delete();
        Self(file)
    }

    fn run(&self, words: &[&str]) -> String {
        let enter = format!("--net={}", self.0.path().display());
        run(&[&["nsenter", &enter], words].concat())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        run(&["umount", self.0.path().to_str().expect("UTF-8")]);
    }
}

impl Known {
    /// Its VF as the PF shows it in its namespace.
    fn vf_in(&self, pod: &Pod) -> Value {
        let text = pod.run(&["ip", "-json", "link", "show", "dev", &self.igb.name]);
        let link: Value = serde_json::from_str(&text).expect("JSON of ip");
        link[0]["vfinfo_list"][VF as usize].clone()
    }

    fn pf_is_back(&self) {
        assert!(Path::new(&format!("/sys/class/net/{}", self.igb.name)).exists());
        self.igb.up();
    }
}

#[test]
fn a_pf_in_another_namespace_is_found_and_told_there() {
    let known = Known::new("elsewhere");
    known.add(&wanted());
    let other = Pod::new("pf");
    run(&["ip", "link", "set", &known.igb.name, "netns", other.name()]);
    known.withdraw();
    known.call("DEL", &wanted()).outcome.silence();
    let seen = known.vf_in(&other);
    assert_eq!(
        (&seen["vlan_list"][0]["vlan"], &seen["trust"]),
        (&Value::Null, &json!(false))
    );
    assert!(known.plugin.state_files().is_empty());
    assert!(known.igb.vf_netdev(VF).is_some(), "the VF is home");
    other.run(&["ip", "link", "set", &known.igb.name, "netns", "1"]);
    known.pf_is_back();
    assert_eq!(known.vlan(), 0);
}

#[test]
fn while_its_pf_is_hidden_a_vf_that_keeps_its_vlan_keeps_its_record_and_is_nobodys() {
    let known = Known::new("hidden");
    known.add(&wanted());
    let hidden = Hidden::new(Pod::new("pf"));
    let file = hidden.0.path().to_str().expect("UTF-8").to_owned();
    run(&["ip", "link", "set", &known.igb.name, "netns", &file]);
    known.withdraw();
    for _ in 0..2 {
        known.call("DEL", &wanted()).outcome.silence();
        assert!(known.igb.vf_netdev(VF).is_some(), "the VF is home");
        let record = known
            .plugin
            .state()
            .join(format!("attachments/{}.json", known.igb.vf_address(VF)));
        let record: Value = serde_json::from_slice(&fs::read(record).expect("its record")).expect("JSON");
        assert_eq!(record["step"], "released");
    }
    let next = Pod::new("next");
    let refused = known.plugin.request("ADD", &next, &known.conf(&json!({}))).run();
    assert_eq!(refused.error()["code"], 11);
    hidden.run(&["ip", "link", "set", &known.igb.name, "netns", "1"]);
    known.pf_is_back();
    assert_eq!(vf(&known.igb.name, VF)["vlan_list"][0]["vlan"], 50, "it kept it");
    known.plugin.add(&next, &known.conf(&json!({})));
    assert_eq!(known.vlan(), 0, "the next pod does not get it");
    known.plugin.del(&next, &known.conf(&json!({})));
    assert_eq!((known.vlan(), known.igb.vf(VF)["trust"].clone()), (0, json!(false)));
    assert!(known.plugin.state_files().is_empty());
}

#[test]
fn a_pf_whose_vfs_are_gone_holds_nothing_of_them() {
    let known = Known::new("gone");
    known.add(&wanted());
    let del = known.plugin.request("DEL", &known.pod, &known.conf(&wanted()));
    fs::write(format!("/sys/bus/pci/devices/{}/sriov_numvfs", known.igb.address), "0").expect("no VFs");
    let other = Pod::new("pf");
    run(&["ip", "link", "set", &known.igb.name, "netns", other.name()]);
    del.run().silence();
    assert!(known.plugin.state_files().is_empty());
    other.run(&["ip", "link", "set", &known.igb.name, "netns", "1"]);
    known.pf_is_back();
    known.igb.renew();
}
