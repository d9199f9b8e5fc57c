//! How often the PF is asked for its VFs: never while the record counts, once where anything puts it in doubt.

use std::fs;

use hardwire_cni::baseline::{Baseline, BaselineVf};
use hardwire_cni::report::SOCKET;
use hardwire_pci::MacAddr;
use serde_json::{Value, json};

use super::{GENERATION, Known};

const VLAN: u64 = 50;

fn wanted() -> Value {
    json!({"vlan": VLAN})
}

/// An ADD that asks so often, and its DEL.
#[track_caller]
fn attached(known: &Known, questions: usize, of_del: usize) {
    let added = known.add(&wanted());
    added.asks(questions);
    added.tells(1);
    assert_eq!(known.vlan(), VLAN);
    known.del_asking(of_del, &wanted()).tells(1);
    known.unchanged();
}

fn vf(record: &mut Baseline) -> &mut BaselineVf {
    record.vf.as_mut().expect("a VF")
}

#[test]
fn the_pf_is_not_asked_while_the_record_counts() {
    let known = Known::new("counts");
    attached(&known, 0, 0);
    // And again: an attachment of ours is no event that takes the record out of use here.
    attached(&known, 0, 0);
}

#[test]
fn every_attribute_is_restored_from_the_record_alone() {
    let known = Known::new("all");
    let wanted = json!({"vlan": VLAN, "vlanQoS": 3, "spoofchk": "off", "trust": "on", "mtu": 1400});
    let added = known.add(&wanted);
    added.asks(0);
    added.tells(1);
    let vf = known.igb.vf(super::VF);
    assert_eq!((&vf["spoofchk"], &vf["trust"]), (&json!(false), &json!(true)));
    known.del(&wanted).tells(1);
    known.unchanged();
}

/// A record that is in doubt, or of something else, is asked about once; it says what is not so here, so that a DEL that
/// believed it would be seen to. The DEL asks where nobody hears of what happens to the PF.
#[test]
fn the_pf_is_asked_once_where_the_record_does_not_count() {
    type Doubt = (&'static str, fn(&mut Known));
    let unheard = [
        "no daemon listens any more",
        "no daemon ever listened",
        "the generation was withdrawn",
    ];
    let doubts: [Doubt; 11] = [
        ("no daemon listens any more", |known| known.socket = None),
        ("no daemon ever listened", |known| {
            known.socket = None;
            fs::remove_file(known.plugin.state().join(SOCKET)).expect("a socket");
        }),
        ("the generation was withdrawn", |known| known.withdraw()),
        ("another generation", |known| {
            let set = known.records.set_generation(&known.pf(), GENERATION + 1);
            set.expect("a generation");
        }),
        ("another boot", |known| {
            known.records(|record| record.boot = "another".to_owned());
        }),
        ("another interface of the PF", |known| {
            known.records(|record| vf(record).pf_index += 1000);
        }),
        ("another PF", |known| {
            known.records(|record| vf(record).pf = "0000:7f:00.0".parse().expect("an address"));
        }),
        ("another interface of the VF", |known| {
            known.records(|record| record.link.as_mut().expect("a link").index += 1000);
        }),
        ("another MAC of the VF", |known| {
            let mac = Some(MacAddr([2, 0, 0, 0, 0, 9]));
            known.records(|record| record.link.as_mut().expect("a link").mac = mac);
        }),
        ("another driver", |known| {
            known.records(|record| record.driver = Some("vfio-pci".to_owned()));
        }),
        ("no record", |known| {
            known.records.remove(&known.record.device).expect("no record");
        }),
    ];
    for (doubt, cause) in doubts {
        println!("{doubt}");
        let mut known = Known::new("doubt");
        known.record.vf.as_mut().expect("a VF").state.spoofchk = Some(false);
        known.records(|_false_already| {});
        cause(&mut known);
        attached(&known, 1, usize::from(unheard.contains(&doubt)));
    }
}

#[test]
fn a_record_that_is_not_understood_is_none() {
    for text in ["", "{", r#"{"version": 2}"#] {
        let known = Known::new("torn");
        let idle = known.plugin.state().join("idle");
        let entries = fs::read_dir(&idle).expect("the records").filter_map(Result::ok);
        let mut torn = 0;
        for entry in entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "json")) {
            fs::write(entry.path(), text).expect("a file");
            torn += 1;
        }
        assert_eq!(torn, 1);
        attached(&known, 1, 0);
    }
}

#[test]
fn nothing_is_asked_or_told_where_nothing_is_wanted() {
    let known = Known::new("nothing");
    let none = json!({});
    for in_force in [true, false] {
        if !in_force {
            known.records.remove(&known.record.device).expect("no record");
        }
        let added = known.add(&none);
        added.asks(0);
        added.tells(0);
        known.del(&none).tells(0);
        known.unchanged();
    }
}
