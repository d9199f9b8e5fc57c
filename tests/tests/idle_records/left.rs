//! Attributes that somebody left on a free VF, and that no configuration asks about: idle for the pod's time, and after it
//! as they were found.

use serde_json::{Value, json};

use super::{Known, VF};

fn attribute(known: &Known, name: &str) -> Value {
    known.igb.vf(VF)[name].clone()
}

#[test]
fn a_spoof_check_that_was_left_off_is_on_for_the_pod() {
    let mut known = Known::new("spoof");
    known.withdraw();
    known.leave(&["spoofchk", "off"]);
    let wanted = json!({"vlan": 50});
    let added = known.add(&wanted);
    added.asks(1);
    added.tells(1);
    assert_eq!((known.vlan(), attribute(&known, "spoofchk")), (50, json!(true)));
    known.del_in_doubt(&wanted).tells(1);
    known.unchanged();
    assert_eq!(attribute(&known, "spoofchk"), json!(false));
}

#[test]
fn a_vlan_that_was_left_is_none_for_the_pod() {
    let mut known = Known::new("vlan");
    known.withdraw();
    known.leave(&["vlan", "77", "qos", "4"]);
    let wanted = json!({"trust": "on"});
    known.add(&wanted).asks(1);
    assert_eq!((known.vlan(), attribute(&known, "trust")), (0, json!(true)));
    known.del_in_doubt(&wanted);
    known.unchanged();
    assert_eq!(known.vlan(), 77);
}

#[test]
fn what_is_asked_for_goes_before_what_is_idle() {
    let mut known = Known::new("asked");
    known.withdraw();
    known.leave(&["vlan", "77", "spoofchk", "off"]);
    let wanted = json!({"vlan": 78, "spoofchk": "off"});
    known.add(&wanted).asks(1);
    assert_eq!((known.vlan(), attribute(&known, "spoofchk")), (78, json!(false)));
    known.del_in_doubt(&wanted);
    known.unchanged();
}

#[test]
fn a_pod_that_asks_for_nothing_gets_an_idle_vf() {
    for doubt in ["withdrawn", "no daemon"] {
        let mut known = Known::new("nothing");
        if doubt == "withdrawn" {
            known.withdraw();
        } else {
            known.socket = None;
        }
        known.leave(&["vlan", "77", "spoofchk", "off", "trust", "on"]);
        let added = known.add(&json!({}));
        added.asks(1);
        added.tells(1);
        assert_eq!(
            (known.vlan(), attribute(&known, "spoofchk"), attribute(&known, "trust")),
            (0, json!(true), json!(false)),
            "{doubt}"
        );
        known.del_in_doubt(&json!({})).tells(1);
        known.unchanged();
    }
}

#[test]
fn an_idle_vf_in_doubt_is_asked_about_and_told_nothing() {
    let known = Known::new("idle");
    known.withdraw();
    let added = known.add(&json!({}));
    added.asks(1);
    added.tells(0);
    known.del(&json!({})).tells(0);
    known.unchanged();
}

/// A record of something else says nothing of what is idle.
#[test]
fn nothing_is_set_to_what_another_devices_record_says() {
    let mut known = Known::new("other");
    known.records(|record| record.link.as_mut().expect("a link").index += 1000);
    known.leave(&["vlan", "77", "spoofchk", "off"]);
    let added = known.add(&json!({"trust": "on"}));
    added.asks(1);
    assert_eq!((known.vlan(), attribute(&known, "spoofchk")), (77, json!(false)));
    known.del(&json!({"trust": "on"}));
    known.unchanged();
}

#[test]
fn what_was_left_is_back_after_an_add_that_failed() {
    let mut known = Known::new("failed");
    known.withdraw();
    known.leave(&["vlan", "77", "spoofchk", "off"]);
    for wanted in [
        // Refused by the PF, and by IPAM.
        json!({"trust": "on", "link_state": "enable"}),
        json!({"trust": "on", "ipam": {"type": "nosuch"}}),
    ] {
        known.call("ADD", &wanted).outcome.error();
        assert!(known.plugin.state_files().is_empty());
        known.unchanged();
    }
}

#[test]
fn what_was_left_is_back_after_the_namespace_ended() {
    let mut known = Known::new("ended");
    known.withdraw();
    known.leave(&["vlan", "77", "spoofchk", "off"]);
    known.add(&json!({}));
    assert_eq!(known.vlan(), 0);
    let del = known.plugin.request("DEL", &known.pod, &known.conf(&json!({})));
    known.pod = hardwire_tests::node::Pod::new("after");
    known.igb.wait_for_vf(VF);
    del.run().silence();
    known.unchanged();
}
