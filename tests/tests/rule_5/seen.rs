//! What is seen from the device.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hardwire_pci::netlink::Socket;
use hardwire_pci::{LinkType, Netdev, NodeUse, NodeUses, Sysfs, node_use};
use hardwire_tests::node::run;

use super::{ip, on_a_node};

fn netdev(name: &str) -> Netdev {
    let link = Socket::open().expect("a socket").link_by_name(name);
    let link = link.expect("an answer").expect("the link");
    Netdev {
        name: name.parse().expect("a name"),
        index: link.index,
        mac: None,
        mtu: 0,
        link_type: LinkType::Ether,
        port: None,
        number: None,
        switch_id: None,
    }
}

/// What is found when it is asked for alone, and among many.
#[track_caller]
fn both(name: &str) -> Option<NodeUse> {
    let (mut socket, sysfs, netdev) = (Socket::open().expect("a socket"), Sysfs::default(), netdev(name));
    let alone = node_use(&mut socket, &sysfs, &netdev).expect("an answer");
    let mut many = NodeUses::read(&mut socket).expect("all");
    let among = many.of(&mut socket, &sysfs, &netdev).expect("an answer");
    assert_eq!(alone.is_some(), among.is_some(), "{alone:?}, {among:?}");
    alone
}

#[test]
fn rule_5_a_default_route_is_found_however_it_is_made() {
    on_a_node(|_node| {
        ip("link add nic1 type veth peer name nic1p");
        ip("link set nic1 up");
        ip("link set nic1p up");
        ip("address add 169.254.1.1/16 dev nic0 scope link");
        ip("address add 169.254.2.1/16 dev nic1 scope link");
        assert_eq!(both("nic0"), None);
        let cases: [(&[&str], bool); 10] = [
            (&["route add default dev nic0 table 7"], false),
            (&["route add default via 169.254.1.9 dev nic0"], false),
            (&["route add table 8 default nexthop dev nic1 nexthop dev nic0"], false),
            (
                &[
                    "nexthop add id 1 dev nic1",
                    "nexthop add id 2 dev nic0",
                    "nexthop add id 3 group 1/2",
                    "route add default nhid 3 table 9",
                ],
                false,
            ),
            (&["route add 0.0.0.0/0 via inet6 fe80::9 dev nic0"], false),
            (&["-6 route add default dev nic0 table 10"], true),
            (
                &["-6 route add table 11 default nexthop via fe80::8 dev nic1 nexthop via fe80::9 dev nic0"],
                true,
            ),
            (
                &[
                    "-6 nexthop add id 11 via fe80::8 dev nic1",
                    "-6 nexthop add id 12 via fe80::9 dev nic0",
                    "nexthop add id 13 group 11/12",
                    "-6 route add default nhid 13",
                ],
                true,
            ),
            (&["-6 route add default from 2001:db8::/64 dev nic0 table 12"], true),
            (
                &["-6 route add default via fe80::9 dev nic0 proto ra expires 300"],
                true,
            ),
        ];
        for (lines, is_v6) in cases {
            for line in lines {
                ip(line);
            }
            let found = both("nic0");
            assert!(
                matches!(found, Some(NodeUse::DefaultRoute { v6, .. }) if v6 == is_v6),
                "{lines:?}: {found:?}"
            );
            ip("nexthop flush");
            for (family, table) in [("-4", "all"), ("-6", "all")] {
                run(&["ip", family, "route", "flush", "table", table, "exact", "default"]);
            }
            assert_eq!(both("nic0"), None, "{lines:?} undone");
        }
    });
}

#[test]
fn rule_5_a_leg_of_a_default_route_counts_while_it_is_dead() {
    on_a_node(|_node| {
        ip("link add nic1 type veth peer name nic1p");
        ip("link set nic1 up");
        ip("route add default nexthop dev nic1 nexthop dev nic0");
        ip("link set nic0 down");
        assert!(matches!(both("nic0"), Some(NodeUse::DefaultRoute { v6: false, .. })));
    });
}

#[test]
fn rule_5_an_address_beyond_its_link_counts_and_a_link_local_one_does_not() {
    on_a_node(|_node| {
        for line in [
            "169.254.1.1/16 dev nic0 scope link",
            "192.0.2.1/24 dev nic0 scope link",
            "fe80::77/64 dev nic0",
        ] {
            ip(&format!("address add {line}"));
            assert_eq!(both("nic0"), None, "{line}");
            run(&["ip", "address", "flush", "dev", "nic0"]);
        }
        for line in [
            "192.0.2.1/24 dev nic0",
            "192.0.2.1/32 dev nic0 scope host",
            "192.0.2.1/32 dev nic0 scope site",
            "192.0.2.1 peer 192.0.2.2/32 dev nic0",
            "2001:db8::1/64 dev nic0",
            "2001:db8::1/64 dev nic0 preferred_lft 0",
            "fec0::1/64 dev nic0",
            "fd00::1/64 dev nic0 nodad",
        ] {
            ip(&format!("address add {line}"));
            let found = both("nic0");
            assert!(matches!(found, Some(NodeUse::Address(_))), "{line}: {found:?}");
            run(&["ip", "address", "flush", "dev", "nic0"]);
        }
    });
}

/// The kernel takes the links of uppers away for a moment when either interface gets another name.
#[test]
fn rule_5_what_is_renamed_while_it_is_looked_at_is_in_use() {
    on_a_node(|_node| {
        for (upper, renamed, at_once) in [
            ("type bridge", "up0", 400),
            ("type bridge", "nic0", 400),
            // Of two renames within one look, sysfs may hide what stands on it without being its master.
            ("link nic0 type macvlan", "up0", 1),
            ("link nic0 type macvlan", "nic0", 1),
        ] {
            let (parent, kind) = upper.split_at(upper.find("type").expect("a type"));
            ip(&format!("link add {parent} name up0 {kind}"));
            if kind == "type bridge" {
                ip("link set nic0 master up0");
            }
            let netdev = netdev("nic0");
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    ip(&format!("link set {renamed} down"));
                    let mut names = ["a", "b"].map(|suffix| format!("{renamed}{suffix}"));
                    ip(&format!("link set {renamed} name {}", names[0]));
                    while !done.load(Ordering::Relaxed) {
                        let mut lines = Vec::new();
                        for _ in 0..at_once {
                            lines.push(format!("link set {} name {}", names[0], names[1]));
                            names.reverse();
                        }
                        fs::write("/run/renames", lines.join("\n")).expect("a file");
                        ip("-batch /run/renames");
                    }
                    ip(&format!("link set {} name {renamed}", names[0]));
                });
                let (mut socket, sysfs) = (Socket::open().expect("a socket"), Sysfs::default());
                let end = Instant::now() + Duration::from_secs(3);
                let mut spare = 0;
                while Instant::now() < end {
                    spare += u32::from(matches!(node_use(&mut socket, &sysfs, &netdev), Ok(None)));
                }
                done.store(true, Ordering::Relaxed);
                assert_eq!(spare, 0, "{upper}, {renamed} renamed");
            });
            ip("link delete up0");
        }
    });
}

#[test]
fn rule_5_a_directory_that_cannot_be_read_is_no_spare_device() {
    on_a_node(|_node| {
        let netdev = netdev("nic0");
        let mut socket = Socket::open().expect("a socket");
        let tree = tempfile::tempdir().expect("a directory");
        let sysfs = Sysfs::at(tree.path());
        let class = tree.path().join("class/net");
        fs::create_dir_all(&class).expect("a directory");
        let place = class.join("nic0");
        let mut judge = |what: &str| {
            let found = node_use(&mut socket, &sysfs, &netdev);
            assert!(found.is_err(), "{what}: {found:?}");
        };
        judge("no directory");
        symlink(&place, &place).expect("a link");
        judge("a link to itself");
        fs::remove_file(&place).expect("gone");
        fs::write(&place, "").expect("a file");
        judge("a file");
        fs::remove_file(&place).expect("gone");
        fs::create_dir(&place).expect("a directory");
        judge("no index");
        fs::write(place.join("ifindex"), "x\n").expect("a file");
        judge("a wrong index");
        fs::write(place.join("ifindex"), "9999\n").expect("a file");
        judge("another interface's index");
        fs::write(place.join("ifindex"), format!("{}\n", netdev.index)).expect("a file");
        assert_eq!(node_use(&mut socket, &sysfs, &netdev).expect("an answer"), None);
    });
}
