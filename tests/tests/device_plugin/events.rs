//! Events of the kernel that make no sense: they are skipped and counted, and what comes after them is heard.

use std::path::Path;

use hardwire_tests::http;
use hardwire_tests::node::{isolated, run};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType, sendto, socket};

use super::*;

const RTM_NEWLINK: u16 = 16;
/// `RTNLGRP_LINK`, as a mask.
const LINKS: u32 = 1;

/// Sends a message, as root may: to the kernel and, of rtnetlink (which is protocol 0), to a group.
fn send(protocol: Option<Protocol>, groups: u32, kind: u16, flags: u16, payload: &[u8]) {
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, protocol).unwrap();
    let length = u32::try_from(16 + payload.len()).unwrap();
    let header = [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &[0; 8],
    ]
    .concat();
    let address = SocketAddrNetlink::new(0, groups);
    sendto(&socket, &[&header, payload].concat(), SendFlags::empty(), &address).unwrap();
}

/// The kernel sends it on to all listeners of this network namespace (`uevent_net_broadcast`, `lib/kobject_uevent.c`).
fn uevent(text: &str) {
    send(Some(KOBJECT_UEVENT), 0, 16, 1, text.as_bytes());
}

/// A number in the metrics.
fn metric(address: &str, name: &str) -> u64 {
    let (_, text) = http::get(address, "/metrics").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

#[test]
fn rule_10_a_malformed_event_is_skipped_and_counted_and_the_next_one_is_heard() {
    isolated(|| {
        run(&["ip", "link", "set", "lo", "up"]);
        let site = Site::new();
        let _kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let config = json!({"resourceList": null});
        let mut daemon = site.start_with(&config, Path::new("/sys"), &["--metrics-bind", "127.0.0.1:0"]);
        let line = daemon.wait_for_log("metrics and probes on http://", SOON);
        let address = line.rsplit_once("http://").unwrap().1.to_owned();
        http::wait_for_metrics(
            &address,
            &[
                r#"hardwired_malformed_events_total{source="udev"} 0"#,
                r#"hardwired_malformed_events_total{source="netlink"} 0"#,
            ],
            SOON,
        );
        let overruns = metric(&address, r#"hardwired_events_total{source="overrun"}"#);
        send(None, LINKS, RTM_NEWLINK, 0, &[0; 4]);
        send(
            None,
            LINKS,
            RTM_NEWLINK,
            0,
            &[[0; 16].as_slice(), &[200, 0, 5, 0]].concat(),
        );
        uevent("nonsense that has neither an action nor a path, and is long enough\0");
        uevent("add@/devices/x\0ACTION=add\0\0\0");
        // Of no concern, and well formed.
        uevent("add@/devices/x\0ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:1f.6/x\0SUBSYSTEM=block\0");
        uevent("short\0");
        http::wait_for_metrics(
            &address,
            &[
                r#"hardwired_malformed_events_total{source="udev"} 3"#,
                r#"hardwired_malformed_events_total{source="netlink"} 2"#,
            ],
            SOON,
        );
        let looks = metric(&address, r#"hardwired_events_total{source="overrun"}"#) - overruns;
        assert_eq!(looks, 5, "each is a reason to read everything again");

        let links = metric(&address, r#"hardwired_events_total{source="netlink"}"#);
        run(&["ip", "link", "set", "lo", "mtu", "1400"]);
        let path = "/devices/pci0000:00/0000:00:1f.7";
        uevent(&format!("add@{path}\0ACTION=add\0DEVPATH={path}\0SUBSYSTEM=pci\0"));
        let udev = format!("{} 1", r#"hardwired_events_total{source="udev"}"#);
        http::wait_for_metrics(&address, &[&udev], SOON);
        http::wait_for(
            &address,
            "/metrics",
            |_| metric(&address, r#"hardwired_events_total{source="netlink"}"#) > links,
            SOON,
        );
        assert_eq!(http::get(&address, "/healthz").unwrap(), (200, "ok\n".to_owned()));
    });
}
