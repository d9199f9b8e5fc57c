//! A host interface by name: attached, used, put back; and every way of asking wrongly leaves no trace.
//!
//! veth stands in for the NIC: to the kernel's move it is one, and it can be made in any number.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs;

use hardwire_tests::node::{Pod, assert_emulated, host_link, host_links, run, succeeds};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

/// A pair of interfaces on the host: one to attach, the other its neighbour. Removed when dropped.
struct Nic(String);

impl Nic {
    fn new(name: &str) -> Self {
        run(&[
            "ip",
            "link",
            "add",
            name,
            "type",
            "veth",
            "peer",
            "name",
            &format!("{name}p"),
        ]);
        Self(name.to_owned())
    }

    fn conf(&self, extra: &Value) -> Value {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": self.0});
        for (key, value) in extra.as_object().expect("an object") {
            conf[key] = value.clone();
        }
        conf
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        succeeds(&["ip", "link", "del", &format!("{}p", self.0)]);
    }
}

/// Runs an ADD that must fail with `code` and a message naming `parts`, and leave nothing behind.
#[track_caller]
fn refused(plugin: &Plugin, pod: &Pod, conf: &Value, code: u32, parts: &[&str]) {
    let (host, inside, state) = (host_links(), pod.link_names(), plugin.state_files());
    plugin.call("ADD", pod, conf).failure_naming(code, parts);
    assert_eq!(host_links(), host, "links of the host");
    assert_eq!(pod.link_names(), inside, "links of the pod");
    assert_eq!(plugin.state_files(), state, "files of the journal");
}

#[test]
fn it_comes_back_with_name_mac_mtu_flags_and_altnames() {
    let (nic, pod, plugin) = (Nic::new("hwback"), Pod::new("back"), Plugin::new());
    run(&["ip", "link", "set", "hwback", "mtu", "1400", "up"]);
    run(&[
        "ip",
        "link",
        "property",
        "add",
        "dev",
        "hwback",
        "altname",
        "hwback-other-name-of-it",
    ]);
    let before = host_links();
    let conf = nic.conf(&json!({"mtu": 1300, "mac": "02:00:00:00:0A:01"}));
    let result = plugin.add(&pod, &conf);
    assert_eq!(
        result["interfaces"],
        json!([{"name": "net1", "mac": "02:00:00:00:0a:01", "mtu": 1300, "sandbox": pod.path()}])
    );
    let link = pod.link("net1").expect("net1 is in the pod");
    assert_eq!(
        (&link["address"], &link["mtu"]),
        (&json!("02:00:00:00:0a:01"), &json!(1300))
    );
    assert!(link["flags"].as_array().expect("flags").contains(&json!("UP")));
    assert!(!succeeds(&["ip", "link", "show", "dev", "hwback"]));

    plugin.del(&pod, &conf);
    assert_eq!(host_links(), before);
    assert_eq!(pod.link_names(), ["lo"]);
    assert!(plugin.state_files().is_empty());
}

#[test]
fn an_interface_that_was_down_comes_back_down() {
    let (nic, pod, plugin) = (Nic::new("hwdown"), Pod::new("down"), Plugin::new());
    let before = host_link("hwdown");
    assert_eq!(before["flags"], json!([]));
    plugin.add(&pod, &nic.conf(&json!({})));
    plugin.del(&pod, &nic.conf(&json!({})));
    assert_eq!(host_link("hwdown"), before);
}

#[test]
fn it_is_found_by_its_alternative_name() {
    let (nic, pod, plugin) = (Nic::new("hwalt"), Pod::new("alt"), Plugin::new());
    let altname = "hwalt-a-name-longer-than-15-bytes";
    run(&["ip", "link", "property", "add", "dev", "hwalt", "altname", altname]);
    let before = host_links();
    let conf = nic.conf(&json!({"device": altname}));
    plugin.add(&pod, &conf);
    assert!(pod.link("net1").is_some());
    plugin.del(&pod, &conf);
    assert_eq!(host_links(), before);
}

#[test]
fn what_the_application_changed_is_undone() {
    let (nic, pod, plugin) = (Nic::new("hwapp"), Pod::new("app"), Plugin::new());
    let before = host_links();
    plugin.add(&pod, &nic.conf(&json!({})));
    pod.run(&["ip", "link", "set", "net1", "down"]);
    pod.run(&[
        "ip",
        "link",
        "set",
        "net1",
        "address",
        "02:00:00:00:0b:02",
        "mtu",
        "1280",
        "promisc",
        "on",
    ]);
    pod.run(&[
        "ip",
        "link",
        "property",
        "add",
        "dev",
        "net1",
        "altname",
        "hwapp-given-by-the-application",
    ]);
    pod.run(&["ip", "link", "set", "net1", "name", "eth7"]);
    plugin.del(&pod, &nic.conf(&json!({})));
    assert_eq!(host_links(), before);
}

#[test]
fn del_may_come_twice_late_and_without_a_namespace() {
    let (nic, pod, plugin) = (Nic::new("hwlate"), Pod::new("late"), Plugin::new());
    let before = host_links();
    let conf = nic.conf(&json!({"ipam": plugin.host_local("10.91.0.0/24")}));
    plugin.del(&pod, &conf);
    plugin.add(&pod, &conf);
    assert_eq!(plugin.reservations("net-a").len(), 1);
    let variables = [
        ("CNI_CONTAINERID", pod.name()),
        ("CNI_IFNAME", "net1"),
        ("CNI_PATH", plugin.path.as_str()),
    ];
    for _ in 0..3 {
        let outcome = plugin.call_with("DEL", &variables, conf.to_string().as_bytes());
        assert_eq!((outcome.status, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
    }
    assert_eq!(host_links(), before);
    assert!(plugin.reservations("net-a").is_empty());
}

#[test]
fn del_by_another_container_does_no_harm() {
    let (nic, owner, other, plugin) = (Nic::new("hwown"), Pod::new("owner"), Pod::new("other"), Plugin::new());
    let conf = nic.conf(&json!({}));
    plugin.add(&owner, &conf);
    plugin.del(&other, &conf);
    assert!(owner.link("net1").is_some());
    plugin.del(&owner, &conf);
}

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
fn a_missing_device_is_named() {
    let (pod, plugin) = (Pod::new("missing"), Plugin::new());
    let conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire"});
    refused(&plugin, &pod, &conf, 7, &["deviceID", "device"]);
    let named = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": "nosuch0"});
    refused(&plugin, &pod, &named, 7, &["device", "nosuch0"]);
    let absent = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "deviceID": "0000:ff:1f.7"});
    refused(&plugin, &pod, &absent, 7, &["deviceID", "0000:ff:1f.7"]);
    let loopback = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": "lo"});
    refused(&plugin, &pod, &loopback, 7, &["lo"]);
}

#[test]
fn a_device_in_another_pod_is_not_taken() {
    let (nic, first, second, plugin) = (Nic::new("hwtwo"), Pod::new("first"), Pod::new("second"), Plugin::new());
    let conf = nic.conf(&json!({}));
    plugin.add(&first, &conf);
    refused(&plugin, &second, &conf, 11, &["hwtwo", first.name()]);
    assert!(first.link("net1").is_some());
    plugin.del(&first, &conf);
    plugin.add(&second, &conf);
    plugin.del(&second, &conf);
}

#[test]
fn the_nodes_own_nic_is_refused_unless_it_is_named() {
    // It sets default routes, which only a node of our own may get.
    assert_emulated();
    let (nic, pod, plugin) = (Nic::new("hwnode"), Pod::new("node"), Plugin::new());
    let conf = nic.conf(&json!({}));
    let undo = |words: &[&str]| run(words);
    run(&["ip", "link", "set", "hwnode", "up"]);
    run(&["ip", "link", "set", "hwnodep", "up"]);

    run(&[
        "ip",
        "address",
        "add",
        "169.254.7.7/16",
        "dev",
        "hwnode",
        "scope",
        "link",
    ]);
    run(&[
        "ip",
        "route",
        "add",
        "default",
        "via",
        "169.254.7.1",
        "dev",
        "hwnode",
        "table",
        "1234",
    ]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "IPv4 default route", "1234"]);
    undo(&["ip", "route", "del", "default", "table", "1234"]);

    run(&[
        "ip",
        "nexthop",
        "add",
        "id",
        "77",
        "via",
        "169.254.7.1",
        "dev",
        "hwnode",
    ]);
    run(&["ip", "nexthop", "add", "id", "78", "group", "77"]);
    run(&["ip", "route", "add", "default", "nhid", "78"]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "IPv4 default route"]);
    undo(&["ip", "route", "del", "default"]);
    undo(&["ip", "nexthop", "flush"]);

    run(&["ip", "-6", "route", "add", "default", "dev", "hwnode"]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "IPv6 default route"]);
    undo(&["ip", "-6", "route", "del", "default", "dev", "hwnode"]);

    run(&["ip", "address", "add", "192.0.2.9/24", "dev", "hwnode"]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "192.0.2.9"]);
    let before = host_link("hwnode");
    plugin.add(&pod, &nic.conf(&json!({"allowNodeDevice": true})));
    plugin.del(&pod, &conf);
    assert_eq!(host_link("hwnode"), before);

    for upper in [&["macvlan"][..], &["vlan", "id", "7"], &["ipvlan"]] {
        if !succeeds(
            &[
                &["ip", "link", "add", "link", "hwnode", "name", "hwupper", "type"],
                upper,
            ]
            .concat(),
        ) {
            continue;
        }
        refused(&plugin, &pod, &conf, 101, &["hwnode", "hwupper"]);
        undo(&["ip", "link", "del", "hwupper"]);
    }
    run(&["ip", "link", "add", "hwbridge", "type", "bridge"]);
    run(&["ip", "link", "set", "hwnode", "master", "hwbridge"]);
    refused(&plugin, &pod, &conf, 101, &["hwnode", "hwbridge"]);
    undo(&["ip", "link", "del", "hwbridge"]);
    // Link-local addresses are nobody's traffic.
    plugin.add(&pod, &conf);
    plugin.del(&pod, &conf);
}

#[test]
fn bad_fields_are_refused_before_anything_is_touched() {
    let (nic, pod, plugin) = (Nic::new("hwbad"), Pod::new("bad"), Plugin::new());
    let (top, bottom) = ("70000", "12");
    for (extra, parts) in [
        (json!({"vlan": 4095}), &["vlan", "4095", "4094"][..]),
        (json!({"vlan": 100}), &["vlan", "net/hwbad"]),
        (json!({"trust": "on"}), &["trust", "net/hwbad"]),
        (json!({"mac": "01:00:5e:00:00:01"}), &["mac", "01:00:5e:00:00:01"]),
        (json!({"mac": "02:00"}), &["mac", "02:00"]),
        (json!({"mtu": 70000}), &["mtu", top]),
        (json!({"mtu": 12}), &["mtu", bottom]),
        (json!({"mtu": "1500"}), &["mtu", "\\\"1500\\\""]),
        (json!({"spoofchk": "true"}), &["spoofchk"]),
        (json!({"deviceID": "0000:zz:00.0"}), &["deviceID", "0000:zz:00.0"]),
    ] {
        refused(&plugin, &pod, &nic.conf(&extra), 7, parts);
    }
    let layer_two = nic.conf(&json!({"cniVersion": "0.2.0"}));
    refused(&plugin, &pod, &layer_two, 7, &["cniVersion", "0.2.0", "ipam"]);
}

#[test]
fn a_name_that_exists_in_the_pod_is_left_alone() {
    let (nic, pod, plugin) = (Nic::new("hwname"), Pod::new("name"), Plugin::new());
    pod.run(&["ip", "link", "add", "net1", "type", "bridge"]);
    let conf = nic.conf(&json!({"ipam": plugin.host_local("10.95.0.0/24")}));
    refused(&plugin, &pod, &conf, 102, &["net1"]);
    assert!(plugin.reservations("net-a").is_empty());
}

#[test]
fn a_bad_namespace_is_named() {
    let (nic, pod, plugin) = (Nic::new("hwns"), Pod::new("ns"), Plugin::new());
    let conf = nic.conf(&json!({})).to_string();
    let add = |netns: &str| {
        let variables = [
            ("CNI_CONTAINERID", pod.name()),
            ("CNI_NETNS", netns),
            ("CNI_IFNAME", "net1"),
            ("CNI_PATH", plugin.path.as_str()),
        ];
        plugin.call_with("ADD", &variables, conf.as_bytes())
    };
    let before = host_links();
    add("/run/netns/hw-nosuch").failure_naming(4, &["CNI_NETNS", "/run/netns/hw-nosuch"]);
    add("/etc/passwd").failure_naming(4, &["CNI_NETNS", "/etc/passwd"]);
    add("/proc/self/ns/net").failure(8);
    assert_eq!(host_links(), before);
    assert!(plugin.state_files().is_empty());
}

#[test]
fn an_ipam_plugin_that_is_missing_or_fails_leaves_no_trace() {
    let (nic, pod, mut plugin) = (Nic::new("hwipam"), Pod::new("ipam"), Plugin::new());
    run(&["ip", "link", "set", "hwipam", "mtu", "1450", "up"]);
    let missing = nic.conf(&json!({"mtu": 1300, "ipam": {"type": "nosuch"}}));
    refused(
        &plugin,
        &pod,
        &missing,
        999,
        &["failed to find plugin", "nosuch", &plugin.path.clone()],
    );

    let log = plugin.directory().join("calls");
    let script = format!(
        "#!/bin/sh\necho $CNI_COMMAND >> {}\n[ $CNI_COMMAND = DEL ] && exit 0\n\
         echo '{{\"code\":11,\"msg\":\"try later\",\"details\":\"d\"}}'\nexit 1\n",
        log.display()
    );
    plugin.install("failing", &script);
    let conf = nic.conf(&json!({"mtu": 1300, "ipam": {"type": "failing"}}));
    let before = host_links();
    let error = plugin.call("ADD", &pod, &conf).failure(11);
    assert_eq!((&error["msg"], &error["details"]), (&json!("try later"), &json!("d")));
    assert_eq!(host_links(), before);
    assert!(plugin.state_files().is_empty());
    assert_eq!(fs::read_to_string(&log).expect("the calls"), "ADD\nDEL\n");
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

#[test]
fn log_lines_name_the_call_and_go_to_the_file_that_is_asked_for() {
    let (nic, pod, plugin) = (Nic::new("hwlog"), Pod::new("log"), Plugin::new());
    let file = plugin.directory().join("logs/hardwire.log");
    let conf = nic.conf(&json!({"logFile": file, "ipam": {"type": "nosuch"}}));
    let outcome = plugin.call("ADD", &pod, &conf);
    outcome.failure_naming(999, &["nosuch"]);
    assert_eq!(outcome.stderr, "");
    let text = fs::read_to_string(&file).expect("the log");
    for part in [
        "net-a",
        pod.name(),
        &pod.path(),
        "net1",
        "net/hwlog",
        "failed to find plugin",
        "nosuch",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let link = plugin.directory().join("link.log");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    let outcome = plugin.call("ADD", &pod, &nic.conf(&json!({"logFile": link, "logLevel": "error"})));
    outcome.success();
    assert!(outcome.stderr.contains("failed to set log file"), "{}", outcome.stderr);
    assert_eq!(
        fs::read_to_string(&file).expect("the log"),
        text,
        "nothing through the link"
    );
    plugin.del(&pod, &nic.conf(&json!({})));
}
