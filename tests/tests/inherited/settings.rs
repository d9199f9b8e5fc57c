//! Flags, queue length, group, link mode, broadcast address, and the limits of GSO and GRO.

use super::Attached;

const DIRTY: [&[&str]; 7] = [
    &["arp", "off", "multicast", "off", "dynamic", "on", "trailers", "off"],
    &["allmulticast", "on", "promisc", "on"],
    &["txqueuelen", "77"],
    &["group", "42"],
    &["mode", "dormant"],
    &["broadcast", "02:00:00:00:00:77"],
    &["gso_max_size", "30000", "gso_max_segs", "30", "gro_max_size", "30000"],
];

#[test]
fn each_setting_is_as_it_was_before_the_pod() {
    let attached = Attached::new("hwset");
    for words in DIRTY {
        attached.sets(words);
    }
    attached.del();
}

#[test]
fn what_the_operator_had_set_is_back() {
    let attached = Attached::prepared("hwown", |nic| {
        for words in DIRTY {
            nic.set(words);
        }
    });
    attached.sets(&["arp", "on", "multicast", "on", "dynamic", "off", "trailers", "on"]);
    attached.sets(&[
        "allmulticast",
        "off",
        "promisc",
        "off",
        "txqueuelen",
        "1000",
        "group",
        "0",
    ]);
    attached.sets(&["mode", "default", "broadcast", "ff:ff:ff:ff:ff:ff"]);
    attached.sets(&[
        "gso_max_size",
        "65536",
        "gso_max_segs",
        "65535",
        "gro_max_size",
        "65536",
    ]);
    attached.del();
}
