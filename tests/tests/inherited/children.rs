//! VLANs, macvlans and the like that a pod made on its interface.

use hardwire_tests::node::{run, succeeds};

use super::Attached;

#[test]
fn a_macvlan_that_the_pod_made_ends_with_the_attachment() {
    let attached = Attached::new("hwmac");
    attached.pod.run(&[
        "ip", "link", "add", "mine", "link", "net1", "type", "macvlan", "mode", "passthru",
    ]);
    attached.del();
    assert_eq!(attached.pod.link_names(), ["lo"]);
}

#[test]
fn links_of_every_kind_end_with_the_attachment() {
    for (kind, more) in [
        ("macvlan", &["mode", "bridge"][..]),
        ("macvtap", &[]),
        ("ipvlan", &[]),
        ("vlan", &["id", "7"]),
    ] {
        let module = if kind == "vlan" { "8021q" } else { kind };
        if !succeeds(&["modprobe", module]) {
            // Only in the emulated node are all of them.
            continue;
        }
        let attached = Attached::new("hwkind");
        let add = ["ip", "link", "add", "mine", "link", "net1", "type", kind];
        attached.pod.run(&[&add[..], more].concat());
        attached.del();
        assert_eq!(attached.pod.link_names(), ["lo"], "{kind}");
    }
}

#[test]
fn a_del_that_was_killed_after_the_move_is_finished_by_the_next() {
    let attached = Attached::new("hwhalf");
    attached
        .pod
        .run(&["ip", "link", "add", "mine", "link", "net1", "type", "macvlan"]);
    let home = ["ip", "-netns", attached.pod.name(), "link", "set", "net1"];
    run(&[&home[..], &["netns", "1", "name", "hwhalf"]].concat());
    attached.del();
    assert_eq!(attached.pod.link_names(), ["lo"]);
}

#[test]
fn many_end_together() {
    let attached = Attached::new("hwmany");
    for number in 0..20 {
        let name = format!("mine{number}");
        attached
            .pod
            .run(&["ip", "link", "add", &name, "link", "net1", "type", "macvlan"]);
    }
    attached
        .pod
        .run(&["ip", "link", "add", "own", "type", "veth", "peer", "name", "ownp"]);
    attached.del();
    assert_eq!(
        attached.pod.link_names(),
        ["lo", "ownp", "own"],
        "what stands on nothing of ours"
    );
}
