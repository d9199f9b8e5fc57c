//! Which port is taken, for each kind of evidence that a card gives.

use super::*;
use crate::journal::Hardware;

const FUNCTION: &str = "0000:05:00.4";

fn record(device: &str, hardware: Hardware) -> Record {
    Record {
        link: Some(OriginalLink {
            name: "ens1".parse().unwrap(),
            index: 7,
            altnames: Vec::new(),
            mac: None,
            mtu: 1500,
            alias: None,
            flags: 0,
            settings: crate::journal::InterfaceSettings::default(),
            hardware,
        }),
        ..Record::fixture(device, "c1")
    }
}

fn link(index: u32) -> Link {
    Link {
        index,
        name: format!("port{index}"),
        parent_bus: Some("pci".to_owned()),
        parent_name: Some(FUNCTION.to_owned()),
        ..Link::default()
    }
}

fn permanent(index: u32, last: u8) -> Link {
    Link {
        permanent_address: vec![2, 0, 0, 0, 0, last],
        ..link(index)
    }
}

fn chosen(record: &Record, links: &[Link], index: Option<u32>) -> Option<u32> {
    which(record, record.link.as_ref().unwrap(), links, index).map(|link| link.index)
}

#[test]
fn rule_2_the_permanent_address_chooses_between_ports_whatever_their_order_and_index() {
    let hardware = Hardware {
        permanent: Some(MacAddr([2, 0, 0, 0, 0, 2])),
        port: Some(1),
        ..Hardware::default()
    };
    let record = record("0000:05:00.4/p1", hardware);
    assert_eq!(chosen(&record, &[permanent(3, 1), permanent(4, 2)], None), Some(4));
    // The neighbour has got the index that ours had.
    assert_eq!(chosen(&record, &[permanent(3, 1), permanent(4, 2)], Some(3)), Some(4));
    assert_eq!(
        chosen(&record, &[permanent(3, 1)], Some(3)),
        None,
        "only the neighbour is here"
    );
}

#[test]
fn rule_2_phys_port_id_chooses_between_ports() {
    let hardware = Hardware {
        phys_port_id: Some("0a02".to_owned()),
        ..Hardware::default()
    };
    let record = record(FUNCTION, hardware);
    let with = |index, id: &str| Link {
        phys_port_id: Some(id.to_owned()),
        ..link(index)
    };
    assert_eq!(chosen(&record, &[with(3, "0a01"), with(4, "0a02")], None), Some(4));
    assert_eq!(chosen(&record, &[with(3, "0a01")], None), None);
}

#[test]
fn rule_2_the_index_chooses_where_nothing_else_does_and_a_neighbour_is_never_taken() {
    let several = Hardware {
        port: Some(0),
        ..Hardware::default()
    };
    let record = record(FUNCTION, several);
    assert_eq!(chosen(&record, &[link(3), link(4)], Some(4)), Some(4));
    assert_eq!(chosen(&record, &[link(3), link(4)], None), None);
    assert_eq!(chosen(&record, &[link(3)], None), None, "it may be the neighbour");
    assert_eq!(chosen(&record, &[link(3)], Some(4)), None);
}

#[test]
fn rule_2_names_of_ports_speak_against_but_not_for() {
    let hardware = Hardware {
        phys_port_name: Some("p1".to_owned()),
        ..Hardware::default()
    };
    let record = record(FUNCTION, hardware);
    let named = |index, name: &str| Link {
        phys_port_name: Some(name.to_owned()),
        ..link(index)
    };
    assert_eq!(chosen(&record, &[named(3, "p0"), named(4, "p1")], None), Some(4));
    assert_eq!(chosen(&record, &[named(3, "p0")], None), None);
}

#[test]
fn a_function_with_one_interface_needs_only_its_bus() {
    // As of a VF, or of a record that an older version wrote.
    let record = record(FUNCTION, Hardware::default());
    assert_eq!(chosen(&record, &[permanent(9, 7)], None), Some(9));
    assert_eq!(
        chosen(&record, &[link(3), link(4)], None),
        None,
        "two have come up since"
    );
    let elsewhere = Link {
        parent_name: Some("0000:05:00.5".to_owned()),
        ..link(3)
    };
    assert_eq!(chosen(&record, &[elsewhere], Some(3)), None);
}

#[test]
fn what_is_on_a_bus_without_ids_of_ours_is_known_by_its_parent() {
    let on = |bus: &str, name: &str| Link {
        parent_bus: Some(bus.to_owned()),
        parent_name: Some(name.to_owned()),
        ..link(3)
    };
    let hardware = Hardware {
        parent: Parent::of(&on("usb", "1-1:1.0")),
        ..Hardware::default()
    };
    let record = record("net/usb0", hardware);
    assert_eq!(chosen(&record, &[on("usb", "1-1:1.0")], None), Some(3));
    assert_eq!(chosen(&record, &[on("usb", "1-2:1.0")], Some(3)), None);
    let forged = Link {
        name: "net1".to_owned(),
        parent_bus: None,
        parent_name: None,
        ..link(3)
    };
    assert_eq!(chosen(&record, &[forged], Some(3)), None, "a veth of the pod's");
}
