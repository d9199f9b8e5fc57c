//! What others did to a VF while a pod had it, and VFs that were made anew meanwhile: an attachment puts back what is still
//! as it left it, of the device that it attached.

use hardwire_tests::node::{host_link, run};
use serde_json::json;

use super::{Known, VF};

impl Known {
    fn by_hand(&self, words: &[&str]) {
        let vf = VF.to_string();
        run(&[&["ip", "link", "set", &self.igb.name, "vf", &vf], words].concat());
    }

    /// As a daemon hears of it.
    fn heard(&self) {
        self.withdraw();
        self.in_force();
    }
}

#[test]
fn an_attribute_that_somebody_changed_meanwhile_is_left_to_them_and_the_others_go_back() {
    let known = Known::new("changed");
    let wanted = json!({"vlan": 50, "trust": "on", "spoofchk": "off"});
    known.add(&wanted).asks(0);
    known.by_hand(&["vlan", "60"]);
    known.by_hand(&["spoofchk", "on"]);
    known.heard();
    known.del_in_doubt(&wanted).tells(1);
    let vf = known.igb.vf(VF);
    assert_eq!(known.vlan(), 60);
    assert_eq!((&vf["trust"], &vf["spoofchk"]), (&json!(false), &json!(true)));
    known.by_hand(&["vlan", "0"]);
    known.unchanged();
}

#[test]
fn where_nobody_heard_of_it_the_pf_is_asked() {
    let mut known = Known::new("unheard");
    known.socket = None;
    let wanted = json!({"vlan": 50, "vlanQoS": 2, "trust": "on"});
    known.add(&wanted).asks(1);
    known.by_hand(&["vlan", "50", "qos", "3"]);
    known.del_in_doubt(&wanted).tells(1);
    assert_eq!(known.igb.vf(VF)["vlan_list"][0]["qos"], 3);
    assert_eq!(known.igb.vf(VF)["trust"], false);
    known.by_hand(&["vlan", "0"]);
    known.unchanged();
}

#[test]
fn an_admin_mac_that_somebody_gave_meanwhile_is_theirs() {
    let known = Known::new("mac");
    let wanted = json!({"mac": "02:00:00:00:0c:02", "vlan": 50});
    known.add(&wanted);
    known.by_hand(&["mac", "02:00:00:00:0c:03"]);
    known.heard();
    // The VF takes no address but that one now.
    known.call("DEL", &wanted).outcome.silence();
    let name = known.igb.vf_netdev(VF).expect("the VF is on the host");
    let theirs = "02:00:00:00:0c:03";
    assert_eq!(
        (
            known.igb.vf(VF)["address"].as_str(),
            host_link(&name)["address"].as_str()
        ),
        (Some(theirs), Some(theirs))
    );
    assert_eq!(known.vlan(), 0);
    assert!(known.plugin.state_files().is_empty());
    known.igb.renew();
}

#[test]
fn of_vfs_made_anew_nothing_is_changed() {
    for (heard, with_vlan) in [(true, false), (false, true)] {
        let known = Known::new("anew");
        let wanted = json!({"vlan": 50, "trust": "on", "mac": "02:00:00:00:0c:04", "mtu": 1400});
        known.add(&wanted);
        known.igb.renew();
        known.igb.wait_for_vf(VF);
        // The operator's own, among them what the attachment had set as well.
        let vlan = if with_vlan { "50" } else { "70" };
        known.by_hand(&["vlan", vlan]);
        known.by_hand(&["trust", "on"]);
        let name = known.igb.vf_netdev(VF).expect("the VF is on the host");
        run(&[
            "ip",
            "link",
            "set",
            &name,
            "mtu",
            "1300",
            "alias",
            "mine",
            "allmulticast",
            "on",
        ]);
        if heard {
            known.heard();
        }
        let before = (known.igb.vf(VF), host_link(&name));
        let del = known.call("DEL", &wanted);
        del.outcome.silence();
        del.asks(0);
        del.tells(0);
        assert_eq!((known.igb.vf(VF), host_link(&name)), before);
        assert!(known.plugin.state_files().is_empty());
        known.igb.renew();
    }
}

#[test]
fn vfs_made_anew_are_the_next_pods_without_a_del() {
    let known = Known::new("next");
    let wanted = json!({"vlan": 50, "trust": "on"});
    known.add(&wanted);
    known.igb.renew();
    known.igb.wait_for_vf(VF);
    let before = known.igb.vf(VF);
    let del = known.plugin.request("DEL", &known.pod, &known.conf(&wanted));
    del.run().silence();
    let pod = hardwire_tests::node::Pod::new("second");
    known.plugin.add(&pod, &known.conf(&wanted));
    assert_eq!(known.vlan(), 50);
    // A late DEL of the first one's does nothing to it.
    del.run().silence();
    assert_eq!(known.vlan(), 50);
    known.plugin.del(&pod, &known.conf(&wanted));
    assert_eq!(known.igb.vf(VF), before);
}
