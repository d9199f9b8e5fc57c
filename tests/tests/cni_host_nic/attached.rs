//! What the pod gets: addresses, routes, flags, and neighbours that know.

use hardwire_tests::node::{Pod, host_links, run};
use hardwire_tests::plugin::Plugin;
use serde_json::json;

use super::Nic;

#[test]
fn addresses_and_routes_are_applied() {
    let (nic, pod, mut plugin) = (Nic::new("hwaddr"), Pod::new("addr"), Plugin::new());
    // A script, because Debian's IPAM plugins are older than priorities, tables and metrics of routes.
    let given = json!({
        "cniVersion": "1.1.0",
        "ips": [{"address": "10.92.0.1/24", "gateway": "10.92.0.254"}, {"address": "fd92::2/64"}],
        "routes": [{"dst": "10.93.0.0/16"}, {"dst": "10.94.0.0/16", "gw": "10.92.0.7", "priority": 50, "table": 1000,
                    "mtu": 1400, "advmss": 1360},
                   {"dst": "fd93::/64", "gw": "fd92::9"}, {"dst": "fd93::/64", "gw": "fd92::9"}],
    });
    plugin.install(
        "given",
        &format!("#!/bin/sh\n[ $CNI_COMMAND = ADD ] && echo '{given}'\nexit 0\n"),
    );
    let before = host_links();
    let conf =
        nic.conf(&json!({"cniVersion": "1.1.0", "ipam": {"type": "given"}, "dns": {"nameservers": ["10.92.0.53"]}}));
    let result = plugin.add(&pod, &conf);
    assert_eq!(result["ips"][0]["address"], "10.92.0.1/24");
    assert_eq!(result["ips"][1]["interface"], 0);
    assert_eq!(result["dns"], json!({"nameservers": ["10.92.0.53"]}));
    let addresses = pod.run(&["ip", "-br", "address", "show", "dev", "net1"]);
    assert!(
        addresses.contains("10.92.0.1/24") && addresses.contains("fd92::2/64"),
        "{addresses}"
    );
    let routes = pod.run(&["ip", "route", "show", "table", "all"]);
    assert!(routes.contains("10.93.0.0/16 via 10.92.0.254 dev net1"), "{routes}");
    let line = routes
        .lines()
        .find(|line| line.starts_with("10.94.0.0/16"))
        .expect("the second route");
    for part in ["via 10.92.0.7", "table 1000", "metric 50", "mtu 1400", "advmss 1360"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(pod.run(&["ip", "-6", "route"]).contains("fd93::/64 via fd92::9"));
    let mut checked = conf.clone();
    checked["prevResult"] = result;
    assert_eq!(plugin.call("CHECK", &pod, &checked).status, 0);
    pod.run(&["ip", "route", "del", "10.94.0.0/16", "table", "1000"]);
    plugin
        .call("CHECK", &pod, &checked)
        .failure_naming(999, &["10.94.0.0/16"]);
    plugin.del(&pod, &conf);
    assert_eq!(host_links(), before);
}

#[test]
fn a_neighbour_with_the_old_mac_learns_the_new_one_at_once() {
    let (nic, pod, neighbour, mut plugin) = (Nic::new("hwann"), Pod::new("ann"), Pod::new("nbr"), Plugin::new());
    run(&["ip", "link", "set", "hwannp", "netns", neighbour.name(), "up"]);
    neighbour.run(&["ip", "address", "add", "10.97.0.9/24", "dev", "hwannp"]);
    neighbour.run(&["ip", "address", "add", "fd97::9/64", "dev", "hwannp", "nodad"]);
    let given = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.97.0.1/24"}, {"address": "fd97::1/64"}]});
    plugin.install(
        "given",
        &format!("#!/bin/sh\n[ $CNI_COMMAND = ADD ] && echo '{given}'\nexit 0\n"),
    );
    for address in ["10.97.0.1", "fd97::1"] {
        neighbour.run(&[
            "ip",
            "neighbour",
            "replace",
            address,
            "lladdr",
            "02:00:00:00:0c:01",
            "nud",
            "stale",
            "dev",
            "hwannp",
        ]);
    }
    let conf = nic.conf(&json!({"mac": "02:00:00:00:0c:02", "ipam": {"type": "given"}}));
    plugin.add(&pod, &conf);
    for address in ["10.97.0.1", "fd97::1"] {
        neighbour.learns(address, "02:00:00:00:0c:02");
    }
    plugin.del(&pod, &conf);
}

#[test]
fn an_ipv6_address_with_a_gateway_is_ready_on_return() {
    let (nic, pod, mut plugin) = (Nic::new("hwdad"), Pod::new("dad"), Plugin::new());
    run(&["ip", "link", "set", "hwdadp", "up"]);
    let given = json!({"cniVersion": "1.0.0", "ips": [{"address": "fd98::1/64", "gateway": "fd98::9"}],
                       "routes": [{"dst": "::/0"}]});
    plugin.install(
        "given",
        &format!("#!/bin/sh\n[ $CNI_COMMAND = ADD ] && echo '{given}'\nexit 0\n"),
    );
    let conf = nic.conf(&json!({"ipam": {"type": "given"}}));
    pod.run(&[
        "sysctl",
        "-qw",
        "net.ipv6.conf.default.disable_ipv6=1",
        "net.ipv6.conf.lo.disable_ipv6=1",
    ]);
    plugin.add(&pod, &conf);
    let link = pod.link("net1").expect("net1 is in the pod");
    let address = link["addr_info"]
        .as_array()
        .expect("addresses")
        .iter()
        .find(|a| a["local"] == "fd98::1")
        .cloned();
    let address = address.expect("the address is there");
    assert!(
        address.get("tentative").is_none() && address.get("dadfailed").is_none(),
        "{address}"
    );
    for (interface, sysctl, value) in [
        ("lo", "disable_ipv6", "0"),
        ("net1", "disable_ipv6", "0"),
        ("net1", "keep_addr_on_down", "1"),
        ("net1", "ndisc_notify", "1"),
        ("net1", "optimistic_dad", "1"),
    ] {
        let name = format!("net.ipv6.conf.{interface}.{sysctl}");
        assert_eq!(pod.run(&["sysctl", "-n", &name]).trim(), value, "{name}");
    }
    plugin.del(&pod, &conf);
}

#[test]
fn promisc_and_allmulti_are_set_in_the_pod_and_gone_after() {
    let (nic, pod, plugin) = (Nic::new("hwflag"), Pod::new("flag"), Plugin::new());
    let before = host_links();
    let conf = nic.conf(&json!({"promisc": true, "allmulti": true}));
    plugin.add(&pod, &conf);
    let flags = pod.link("net1").expect("net1 is in the pod")["flags"].to_string();
    assert!(
        flags.contains("PROMISC") && flags.contains("ALLMULTI") && flags.contains("\"UP\""),
        "{flags}"
    );
    plugin.del(&pod, &conf);
    assert_eq!(host_links(), before);
}
