//! sriov-cni's cache and allocation.

use std::fs;

use hardwire_tests::binaries::peer;
use hardwire_tests::node::{Igb, Pod, host_link, run};
use hardwire_tests::plugin::{Outcome, Plugin};
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

    fn leave_cache(&self, pod: &Pod, cache: &Value) {
        let path = self.0.path().join(format!("{}-net1", pod.name()));
        fs::write(path, cache.to_string()).expect("a cache");
    }

    fn leave_allocation(&self, id: &str, netns: &str) {
        fs::write(self.0.path().join("pci").join(id), netns).expect("an allocation");
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

    // What sriov-cni 2.10 does for vlan 1000, a MAC and trust, and what it leaves.
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

/// A cache as sriov-cni 2.10 writes it for a VF with VLAN 1000.
fn cache(igb: &Igb, vf: u32) -> Value {
    json!({
        "MTU": 1500, "Master": igb.name, "VFID": vf, "cniVersion": "1.0.0", "deviceID": igb.vf_address(vf),
        "OrigVfState": {"HostIFName": igb.vf_netdev(vf).unwrap_or_default(), "SpoofChk": true, "Trust": false,
                        "AdminMAC": igb.vf(vf)["address"], "EffectiveMAC": "", "Vlan": 0, "VlanQoS": 0,
                        "VlanProto": 33024, "MinTxRate": 0, "MaxTxRate": 0, "LinkState": 0, "MTU": 1500},
        "ipam": {}, "name": "sriov-network", "type": "sriov", "vlan": 1000, "vlanProto": "802.1q", "vlanQoS": 0,
    })
}

/// A VF that sriov-cni gave to `pod`, with VLAN 1000 on its PF.
fn give(igb: &Igb, vf: u32, left: &SriovCni, pod: &Pod) -> Value {
    left.leave_cache(pod, &cache(igb, vf));
    left.leave_allocation(&igb.vf_address(vf), &pod.path());
    run(&["ip", "link", "set", &igb.name, "vf", &vf.to_string(), "vlan", "1000"]);
    if let Some(name) = igb.vf_netdev(vf) {
        run(&["ip", "link", "set", &name, "netns", pod.name(), "name", "net1"]);
    }
    json!({"cniVersion": "1.0.0", "name": "sriov-network", "type": "sriov", "deviceID": igb.vf_address(vf), "vlan": 1000})
}

fn vlan(igb: &Igb, vf: u32) -> Value {
    igb.vf(vf)["vlan_list"][0]["vlan"].clone()
}

#[test]
fn a_stale_cache_pulls_no_vf_out_of_the_live_pod_that_has_it() {
    let (igb, plugin, left) = (Igb::get(), Plugin::new(), SriovCni::new());
    let (stale, live) = (Pod::new("stale"), Pod::new("live"));
    igb.tidy(3);
    left.leave_cache(&stale, &cache(&igb, 3));
    let conf = give(&igb, 3, &left, &live);
    // With its namespace, and without: then only the allocation says where the VF is.
    left.call(&plugin, "DEL", &stale, &conf).silence();
    left.leave_cache(&stale, &cache(&igb, 3));
    let without = plugin.request("DEL", &stale, &conf).unset("CNI_NETNS");
    without.set("HARDWIRE_SRIOV_CNI_DIR", left.path()).run().silence();
    assert!(live.link("net1").is_some(), "pulled out of the live pod");
    assert_eq!(vlan(&igb, 3), 1000);
    assert_eq!(left.files(), 2, "the live pod's files");
    left.call(&plugin, "DEL", &live, &conf).silence();
    assert!(igb.vf_netdev(3).is_some());
    assert_eq!((vlan(&igb, 3), left.files()), (Value::Null, 0));
}

#[test]
fn a_stale_cache_clears_no_vlan_under_a_pod_that_drives_the_vf_itself() {
    let (igb, plugin, left) = (Igb::get(), Plugin::new(), SriovCni::new());
    let (stale, live) = (Pod::new("stale"), Pod::new("live"));
    igb.tidy(3);
    let bound = igb.bind_vfio(3);
    let conf = give(&igb, 3, &left, &live);
    for allocation in [Some(live.path()), None] {
        left.leave_cache(&stale, &cache(&igb, 3));
        match &allocation {
            Some(path) => left.leave_allocation(&igb.vf_address(3), path),
            None => fs::remove_file(left.0.path().join("pci").join(igb.vf_address(3))).expect("its allocation"),
        }
        left.call(&plugin, "DEL", &stale, &conf).silence();
        assert_eq!(vlan(&igb, 3), 1000, "{allocation:?}");
    }
    left.leave_allocation(&igb.vf_address(3), &live.path());
    left.call(&plugin, "DEL", &live, &conf).silence();
    assert_eq!((vlan(&igb, 3), left.files()), (Value::Null, 0));
    drop(bound);
}

#[test]
fn a_vf_without_an_allocation_is_the_containers_where_the_kernel_shows_it() {
    let (igb, pod, plugin, left) = (Igb::get(), Pod::new("killed"), Plugin::new(), SriovCni::new());
    igb.tidy(3);
    let conf = give(&igb, 3, &left, &pod);
    fs::remove_file(left.0.path().join("pci").join(igb.vf_address(3))).expect("its allocation");
    left.call(&plugin, "DEL", &pod, &conf).silence();
    assert!(igb.vf_netdev(3).is_some());
    assert_eq!((vlan(&igb, 3), left.files()), (Value::Null, 0));
}

#[test]
fn an_allocation_that_cannot_be_read_or_seen_is_in_force() {
    let (igb, pod, plugin, left) = (Igb::get(), Pod::new("unseen"), Plugin::new(), SriovCni::new());
    let id = igb.vf_address(4);
    let conf = json!({"cniVersion": "1.0.0", "name": "n", "type": "sriov", "deviceID": id});
    left.leave_allocation(&id, "/no/such/mount/netns/hw-pod");
    left.call(&plugin, "ADD", &pod, &conf)
        .failure_naming(11, &[&id, "sriov-cni"]);
    let file = left.0.path().join("pci").join(&id);
    assert!(file.exists());
    fs::remove_file(&file).expect("the allocation");
    fs::create_dir(&file).expect("what cannot be read");
    left.call(&plugin, "ADD", &pod, &conf)
        .failure_naming(11, &[&id, "sriov-cni"]);
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
