//! Pods that sriov-cni and host-device attached: their DEL comes to hardwire, with what those plugins left on disk and link.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs;
use std::path::Path;

use hardwire_tests::binaries::peer;
use hardwire_tests::node::{Igb, Pod, host_link, host_links, run, succeeds};
use hardwire_tests::plugin::{Outcome, Plugin, REFERENCE_PLUGINS};
use serde_json::{Value, json};

/// A folder in sriov-cni's place.
struct SriovCni(tempfile::TempDir);

impl SriovCni {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(directory.path().join("pci")).expect("a directory");
        Self(directory)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().expect("UTF-8")
    }

    fn files(&self) -> usize {
        let count = |path| fs::read_dir(path).expect("a directory").count();
        // The folder pci itself is one entry.
        count(self.0.path().to_owned()) - 1 + count(self.0.path().join("pci"))
    }

    fn call(&self, plugin: &Plugin, command: &str, pod: &Pod, conf: &Value) -> Outcome {
        plugin
            .request(command, pod, conf)
            .set("HARDWIRE_SRIOV_CNI_DIR", self.path())
            .run()
    }
}

#[test]
fn what_sriov_cni_attached_is_restored_from_its_cache() {
    let (igb, pod, plugin, left) = (Igb::get(), Pod::new("sriov"), Plugin::new(), SriovCni::new());
    let (id, name) = (igb.vf_address(3), igb.vf_netdev(3).expect("the VF is on the host"));
    let before = (igb.vf(3), host_link(&name));
    let mac = before.1["address"].as_str().expect("a MAC").to_owned();
    let admin = before.0["address"].as_str().expect("a MAC").to_owned();

    // What sriov-cni 2.10 does for vlan 1000, a MAC and trust, and what it leaves (sriov-cni.md 2.1 to 2.5).
    let (pf, vf) = (igb.name.as_str(), "3");
    run(&["ip", "link", "set", pf, "vf", vf, "vlan", "1000"]);
    run(&["ip", "link", "set", pf, "vf", vf, "mac", "60:00:00:00:00:e1"]);
    run(&["ip", "link", "set", pf, "vf", vf, "trust", "on"]);
    run(&["ip", "link", "set", &name, "netns", pod.name(), "name", "net1"]);
    pod.run(&[
        "ip",
        "link",
        "set",
        "net1",
        "address",
        "60:00:00:00:00:e1",
        "mtu",
        "1400",
    ]);
    pod.run(&["ip", "link", "set", "net1", "up"]);
    let cache = json!({
        "MAC": "60:00:00:00:00:e1", "MTU": 1500, "Master": pf, "VFID": 3, "cniVersion": "1.0.0", "deviceID": id,
        "OrigVfState": {"HostIFName": name, "SpoofChk": true, "Trust": false, "AdminMAC": admin, "EffectiveMAC": mac,
                        "Vlan": 0, "VlanQoS": 0, "VlanProto": 33024, "MinTxRate": 0, "MaxTxRate": 0, "LinkState": 0,
                        "MTU": 1500},
        "ipam": {}, "max_tx_rate": null, "min_tx_rate": null, "name": "sriov-network", "runtimeConfig": {},
        "type": "sriov", "vlan": 1000, "vlanProto": "802.1q", "vlanQoS": 0, "trust": "on",
    });
    let folder = left.0.path();
    fs::write(folder.join(format!("{}-net1", pod.name())), cache.to_string()).expect("its cache");
    fs::write(folder.join("pci").join(&id), pod.path()).expect("its allocation");

    let conf = json!({"cniVersion": "1.0.0", "name": "sriov-network", "type": "sriov", "deviceID": id, "vlan": 1000});
    let other = Pod::new("other");
    left.call(&plugin, "ADD", &other, &conf)
        .failure_naming(11, &[&id, "sriov-cni"]);
    let outcome = left.call(&plugin, "DEL", &pod, &conf);
    assert_eq!(outcome.status, 0, "{}{}", outcome.stdout, outcome.stderr);
    assert_eq!((igb.vf(3), host_link(&name)), before);
    assert_eq!(left.files(), 0);
    assert_eq!(left.call(&plugin, "DEL", &pod, &conf).status, 0, "again");
}

#[test]
fn an_allocation_whose_pod_is_gone_is_no_obstacle() {
    let (igb, pod, plugin, left) = (Igb::get(), Pod::new("stale"), Plugin::new(), SriovCni::new());
    let id = igb.vf_address(4);
    fs::write(left.0.path().join("pci").join(&id), "/run/netns/hw-nosuch").expect("an allocation");
    let conf = json!({"cniVersion": "1.0.0", "name": "n", "type": "sriov", "deviceID": id});
    left.call(&plugin, "ADD", &pod, &conf).success();
    assert_eq!(left.files(), 0);
    assert_eq!(left.call(&plugin, "DEL", &pod, &conf).status, 0);
}

#[test]
fn what_host_device_attached_is_restored_from_its_alias() {
    let (pod, plugin) = (Pod::new("hostdev"), Plugin::new());
    run(&["ip", "link", "add", "hwhd0", "type", "veth", "peer", "name", "hwhd1"]);
    let before = host_links();
    let conf = json!({"cniVersion": "1.0.0", "name": "n", "type": "host-device", "device": "hwhd0",
                      "ipam": plugin.host_local("10.88.0.0/24")});
    let host_device = Path::new(REFERENCE_PLUGINS).join("host-device");
    plugin.request("ADD", &pod, &conf).by(&host_device).run().success();
    assert_eq!(pod.link("net1").expect("net1 is in the pod")["ifalias"], "hwhd0");
    assert_eq!(plugin.reservations("n").len(), 1);
    plugin.del(&pod, &conf);
    assert_eq!(host_links(), before);
    assert!(plugin.reservations("n").is_empty());
    plugin.del(&pod, &conf);
    succeeds(&["ip", "link", "del", "hwhd0"]);
}

#[test]
fn an_alias_that_is_somebody_elses_moves_nothing() {
    let (pod, plugin) = (Pod::new("alias"), Plugin::new());
    pod.run(&["ip", "link", "add", "net1", "alias", "uplink", "type", "bridge"]);
    let conf = json!({"cniVersion": "1.0.0", "name": "n", "type": "host-device", "device": "hwhd9"});
    plugin.del(&pod, &conf);
    assert!(pod.link("net1").is_some());
}

#[test]
fn a_pod_that_the_real_sriov_cni_attached_is_detached() {
    let Some(sriov) = peer("sriov") else { return };
    let (igb, pod, plugin) = (Igb::get(), Pod::new("real"), Plugin::new());
    igb.renew();
    let name = igb.vf_netdev(2).expect("the VF is on the host");
    let before = (igb.vf(2), host_link(&name));
    let conf = json!({"cniVersion": "1.0.0", "name": "real", "type": "sriov", "deviceID": igb.vf_address(2), "vlan": 55,
                      "spoofchk": "off", "trust": "on", "ipam": plugin.host_local("10.87.0.0/24")});
    plugin.request("ADD", &pod, &conf).by(&sriov).run().success();
    assert_eq!(igb.vf(2)["vlan_list"][0]["vlan"], 55);
    plugin.del(&pod, &conf);
    assert_eq!((igb.vf(2), host_link(&name)), before);
    assert!(plugin.reservations("real").is_empty());
    assert_eq!(
        fs::read_dir("/var/lib/cni/sriov/pci")
            .expect("its folder")
            .filter(|e| e.as_ref().is_ok_and(|e| e.path().is_file()))
            .count(),
        0
    );
}
