//! `hardwired` on hardware: the emulated igb, and netdevsim.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

use std::path::Path;
use std::time::Duration;

use hardwire_tests::daemon::{Daemon, Site};
use hardwire_tests::kubelet::{Kubelet, uid_of};
use hardwire_tests::node::{Igb, Netdevsim, Pod, run};
use hardwire_tests::plugin::{Call, Plugin};
use rustix::process::Signal;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

fn sys() -> &'static Path {
    Path::new("/sys")
}

fn pool(name: &str, selectors: &Value) -> Value {
    json!({"resourceList": [{"resourceName": name, "selectors": selectors}]})
}

/// What `hardwired devices` says of a device.
fn place(site: &Site, config: &Value, device: &str) -> String {
    let config = site.config(config);
    let output = site.output(&["devices", "--json", "--config", config.to_str().unwrap()], sys());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut rows = report["devices"].as_array().unwrap().iter();
    let row = rows.find(|row| row["device"] == device);
    let row = row.unwrap_or_else(|| panic!("no {device} in {report:#}"));
    let text = row["pool"].as_str().or_else(|| row["reason"].as_str());
    text.unwrap().to_owned()
}

fn listed(kubelet: &Kubelet, resource: &str, count: usize) -> Vec<String> {
    let devices = kubelet
        .wait_for_devices(resource, |devices| devices.len() == count, SOON)
        .unwrap();
    assert!(devices.iter().all(|device| device.health == "Healthy"));
    devices.into_iter().map(|device| device.id).collect()
}

fn restart(site: &Site, daemon: &mut Daemon, config: &Value) {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(SOON).code(), Some(0));
    *daemon = site.start(config, sys());
}

#[test]
fn the_vfs_of_a_pf_are_pooled_and_the_pf_is_not() {
    let (igb, site) = (Igb::get(), Site::new());
    let config = pool(
        "igb",
        &json!({"vendors": ["8086"], "pfNames": [format!("{}#0-2,5", igb.name)]}),
    );
    assert_eq!(place(&site, &config, &igb.address), "PF with 7 VFs");
    assert_eq!(place(&site, &config, &igb.vf_address(5)), "intel.com/igb");
    assert_eq!(
        place(&site, &config, &igb.vf_address(3)),
        "no selector matches: intel.com/igb differs in pfNames"
    );
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start(&config, sys());
    let mut vfs = [0, 1, 2, 5].map(|index| igb.vf_address(index));
    vfs.sort();
    assert_eq!(listed(&kubelet, "intel.com/igb", 4), vfs);
}

#[test]
fn a_pf_is_known_by_its_altname_its_mac_and_its_speed() {
    let (igb, site) = (Igb::get(), Site::new());
    let mac = run(&["cat", &format!("/sys/class/net/{}/address", igb.name)]);
    let mac = mac.trim();
    run(&[
        "ip",
        "link",
        "property",
        "add",
        "dev",
        &igb.name,
        "altname",
        "uplink-left",
    ]);
    // Without carrier there is no speed.
    igb.up();
    let places = [
        json!({"pfAltNames": ["uplink-*#5"]}),
        json!({"pfMacs": [format!("{mac}#5")]}),
        json!({"linkSpeeds": [1000], "vfIndexes": [5], "linkTypes": ["ether"], "notRdma": true}),
        json!({"linkSpeeds": [">1000"]}),
    ]
    .map(|selector| place(&site, &pool("igb", &selector), &igb.vf_address(5)));
    run(&[
        "ip",
        "link",
        "property",
        "del",
        "dev",
        &igb.name,
        "altname",
        "uplink-left",
    ]);
    assert_eq!(
        places,
        [
            "intel.com/igb",
            "intel.com/igb",
            "intel.com/igb",
            "no selector matches: intel.com/igb differs in linkSpeeds"
        ]
    );
}

#[test]
fn d11_a_vf_in_a_pod_stays_listed_over_a_restart() {
    let (igb, site, pod) = (Igb::get(), Site::new(), Pod::new("listed"));
    let config = pool("igb", &json!({"pfNames": [igb.name]}));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let mut daemon = site.start(&config, sys());
    let before = listed(&kubelet, "intel.com/igb", 7);
    let netdev = igb.vf_netdev(6).unwrap();
    run(&["ip", "link", "set", &netdev, "netns", pod.name()]);
    restart(&site, &mut daemon, &config);
    let after = listed(&kubelet, "intel.com/igb", 7);
    run(&["ip", "-netns", pod.name(), "link", "set", &netdev, "netns", "1"]);
    assert_eq!(after, before);
}

#[test]
fn vf_ports_of_netdevsim_are_pooled_by_their_id() {
    let (device, site) = (Netdevsim::switchdev(2), Site::new());
    let ids = [device.vf_id(0), device.vf_id(1)];
    let config = pool("sim", &json!({"pciAddresses": ids}));
    let pf = format!("netdevsim{}/{}", device.number, device.pf_port());
    assert_eq!(place(&site, &config, &pf), "PF with 2 VFs");
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start(&config, sys());
    assert_eq!(listed(&kubelet, "intel.com/sim", 2), ids);
    let held = kubelet.admit("default/a", "app", "intel.com/sim", 1).unwrap();
    assert_eq!(held.response.envs["PCIDEVICE_INTEL_COM_SIM"], ids[0]);
}

#[test]
fn a_nic_that_the_node_stands_on_is_never_offered_unless_named() {
    let (device, site) = (Netdevsim::legacy(0), Site::new());
    let id = format!("netdevsim{}/{}", device.number, device.pf_port());
    let nic = device.pf();
    let config = pool("nic", &json!({"pciAddresses": [id]}));
    let place = || place(&site, &config, &id);
    assert_eq!(place(), "intel.com/nic");

    let bridge = format!("hwbr{}", device.number);
    run(&["ip", "link", "add", &bridge, "type", "bridge"]);
    run(&["ip", "link", "set", &nic, "master", &bridge]);
    let below_bridge = place();
    run(&["ip", "link", "delete", &bridge]);
    assert_eq!(below_bridge, format!("it has the upper device {bridge}"));

    run(&["ip", "link", "set", &nic, "up"]);
    run(&["ip", "route", "add", "default", "dev", &nic, "table", "4242"]);
    assert_eq!(place(), "the node's IPv4 default route (table 4242) leads through it");
    run(&["ip", "route", "delete", "default", "dev", &nic, "table", "4242"]);
    assert_eq!(place(), "intel.com/nic");

    run(&["ip", "address", "add", "192.0.2.1/24", "dev", &nic]);
    assert_eq!(place(), "it carries the node's address 192.0.2.1");
    let mut named = config.clone();
    named["resourceList"][0]["allowNodeDevices"] = json!([nic]);
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let mut daemon = site.start(&named, sys());
    daemon.wait_for_log(
        "in intel.com/nic by allowNodeDevices, although it carries the node's address 192.0.2.1",
        SOON,
    );
    assert_eq!(listed(&kubelet, "intel.com/nic", 1), [id.as_str()]);
}

/// A call for a pod of the kubelet's.
fn call(plugin: &Plugin, pod: &Pod, command: &str, ifname: &str, conf: &Value) -> Call {
    let args = format!("K8S_POD_NAMESPACE=red;K8S_POD_NAME=a;K8S_POD_UID={}", uid_of("red/a"));
    let call = plugin.request(command, pod, conf).set("CNI_IFNAME", ifname);
    call.set("CNI_ARGS", args)
}

#[test]
fn a_pod_gets_the_vf_that_the_kubelet_gave_it_and_no_network_gives_it_to_another() {
    let (igb, site, plugin, pod) = (Igb::get(), Site::new(), Plugin::new(), Pod::new("given"));
    let mut config = pool("igb", &json!({"pfNames": [format!("{}#2,3", igb.name)]}));
    config["resourceList"][0]["attach"] = json!("chain");
    config["resourceList"][0]["network"] = json!({"vlan": 100, "mtu": 1400});
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    plugin.list_has_us("cluster", false, false);
    let start = |config: &Value| {
        std::fs::create_dir_all(plugin.state()).unwrap();
        let daemon = site.start_live_beside(config, &plugin.state(), &plugin.cni_config());
        listed(&kubelet, "intel.com/igb", 2);
        daemon
    };
    let mut daemon = start(&config);
    let device = kubelet
        .admit("red/a", "main", "intel.com/igb", 1)
        .unwrap()
        .devices
        .remove(0);
    let list = json!({"cniVersion": "1.0.0", "name": "cluster", "type": "hardwire", "attach": "pod",
                      "prevResult": {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": pod.path()}]}});
    // The daemon listens a moment after it serves; until then the pod is tried again.
    let deadline = std::time::Instant::now() + SOON;
    let mut added = call(&plugin, &pod, "ADD", "eth0", &list).run();
    while added.status != 0 && added.stdout.contains("hardwired does not run") {
        assert!(std::time::Instant::now() < deadline, "{}", added.stdout);
        std::thread::sleep(Duration::from_millis(20));
        added = call(&plugin, &pod, "ADD", "eth0", &list).run();
    }
    let result = added.success();
    assert_eq!(result["interfaces"][1]["name"], "net1");
    let index = if device == igb.vf_address(2) { 2 } else { 3 };
    assert_eq!(igb.vf(index)["vlan_list"][0]["vlan"], 100);
    assert_eq!(pod.link("net1").unwrap()["mtu"], 1400);
    // Away while the pod ends.
    daemon.signal(Signal::KILL);
    daemon.wait(SOON);
    call(&plugin, &pod, "DEL", "eth0", &list).run().silence();
    assert!(pod.link("net1").is_none() && igb.vf(index)["vlan_list"][0]["vlan"].is_null());
    let waits = call(&plugin, &pod, "ADD", "eth0", &list).run();
    assert!(
        waits.stdout.contains(&format!("it was given {device}")),
        "{}",
        waits.stdout
    );
    // The same pool for networks.
    config["resourceList"][0] = json!({"resourceName": "igb", "selectors": config["resourceList"][0]["selectors"],
                                       "allow": {"vlan": ["100-199"]}});
    let _daemon = start(&config);
    let other = if index == 2 {
        igb.vf_address(3)
    } else {
        igb.vf_address(2)
    };
    let network = |device: &str, vlan: u32| json!({"cniVersion": "1.0.0", "name": "n", "type": "hardwire", "deviceID": device, "vlan": vlan});
    let add = |device: &str, vlan| call(&plugin, &pod, "ADD", "net1", &network(device, vlan)).run();
    let refused = add(&other, 100);
    assert!(
        refused.stdout.contains("the kubelet has given it to no pod"),
        "{}",
        refused.stdout
    );
    let refused = add(&device, 200);
    assert!(
        refused.stdout.contains("its allow.vlan is 100-199"),
        "{}",
        refused.stdout
    );
    add(&device, 101).success();
    call(&plugin, &pod, "DEL", "net1", &network(&device, 101))
        .run()
        .silence();
    assert!(igb.vf(index)["vlan_list"][0]["vlan"].is_null());
}
