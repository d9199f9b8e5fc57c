//! Real callers and real partners: cnitool drives a chain of plugins, dhcp gives the addresses.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hardwire_tests::binaries::{hardwire, peer};
use hardwire_tests::node::{Igb, Pod, Veth, host_link, host_links};
use hardwire_tests::plugin::{Plugin, REFERENCE_PLUGINS};
use serde_json::{Value, json};

#[test]
fn cnitool_runs_a_chain_with_tuning_and_sbr_from_add_to_del() {
    let Some(cnitool) = peer("cnitool") else { return };
    let (igb, pod, plugin) = (Igb::get(), Pod::new("chain"), Plugin::new());
    let (vf, name) = (igb.vf_address(2), igb.vf_netdev(2).expect("the VF is on the host"));
    let before = (igb.vf(2), host_link(&name), host_links());
    let folder = plugin.directory().join("net.d");
    fs::create_dir(&folder).expect("a folder");
    let list = json!({"cniVersion": "1.0.0", "name": "chain", "plugins": [
        {"type": "hardwire", "deviceID": vf, "vlan": 77, "ipam": plugin.host_local_with_gateway("10.83.0.0/24")},
        {"type": "tuning", "sysctl": {"net.ipv4.conf.net1.arp_filter": "1"}, "mtu": 1400},
        {"type": "sbr"},
    ]});
    fs::write(folder.join("10-chain.conflist"), list.to_string()).expect("a conflist");
    let bin = plugin.directory().join("bin");
    fs::create_dir(&bin).expect("a folder");
    fs::copy(hardwire(), bin.join("hardwire")).expect("the plugin");
    let call = |verb: &str| {
        let mut process = Command::new(&cnitool);
        process
            .args([verb, "chain", &pod.path()])
            .env("NETCONFPATH", &folder)
            .env("CNI_IFNAME", "net1");
        process.env("CNI_PATH", format!("{}:{REFERENCE_PLUGINS}", bin.display()));
        process.env("HARDWIRE_STATE_DIR", plugin.state());
        let output = process.output().expect("cnitool");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{verb}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    };
    let result: Value = serde_json::from_str(&call("add")).expect("a result");
    assert_eq!(result["ips"][0]["address"], "10.83.0.2/24");
    assert_eq!(igb.vf(2)["vlan_list"][0]["vlan"], 77);
    let rules = pod.run(&["ip", "rule"]);
    assert!(rules.contains("10.83.0.2"), "sbr was there: {rules}");
    call("check");
    call("del");
    assert_eq!((igb.vf(2), host_link(&name), host_links()), before);
    assert!(plugin.state_files().is_empty() && plugin.reservations("chain").is_empty());
}

/// A program that runs until it is dropped.
struct Running(Child);

impl Running {
    fn start(process: &mut Command) -> Self {
        Self(
            process
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a program"),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_pod_gets_its_address_by_dhcp() {
    let (nic, pod, server, plugin) = (Veth::new("hwdhcp"), Pod::new("dhcp"), Pod::new("server"), Plugin::new());
    let neighbour = nic.neighbour();
    hardwire_tests::node::run(&["ip", "link", "set", &neighbour, "netns", server.name(), "up"]);
    server.run(&["ip", "address", "add", "10.84.0.1/24", "dev", &neighbour]);
    let before = host_links();
    let socket = plugin.directory().join("dhcp.sock");
    let daemon = ["daemon", "-socketpath", socket.to_str().expect("UTF-8")];
    let _dhcp = Running::start(Command::new(Path::new(REFERENCE_PLUGINS).join("dhcp")).args(daemon));
    let mut dnsmasq = Command::new("ip");
    dnsmasq.args([
        "netns",
        "exec",
        server.name(),
        "dnsmasq",
        "--no-daemon",
        "--port=0",
        "--conf-file=/dev/null",
    ]);
    dnsmasq.args([
        "--dhcp-range=10.84.0.100,10.84.0.200,255.255.255.0,1h",
        "--leasefile-ro",
        "--user=root",
        "--no-ping",
    ]);
    let _dnsmasq = Running::start(dnsmasq.arg(format!("--interface={neighbour}")));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(Instant::now() < deadline, "the dhcp daemon does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let conf = json!({"cniVersion": "1.0.0", "name": "leased", "type": "hardwire", "device": nic.name(),
                      "mac": "02:00:00:00:0e:01", "ipam": {"type": "dhcp", "daemonSocketPath": socket}});
    let result = plugin.add(&pod, &conf);
    let address = result["ips"][0]["address"].as_str().expect("an address");
    assert!(
        address.starts_with("10.84.0.1") && address.ends_with("/24"),
        "{address}"
    );
    assert!(pod.reaches("10.84.0.1", 10));
    plugin.del(&pod, &conf);
    assert_eq!(host_links(), before);
}
