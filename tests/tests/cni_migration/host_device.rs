//! host-device's alias.

use std::path::Path;

use hardwire_tests::node::{Igb, Pod, Veth, host_link, host_links, run};
use hardwire_tests::plugin::{Plugin, REFERENCE_PLUGINS};
use serde_json::{Value, json};

/// A VF that the real host-device moved into a pod, with an address; and its name on the host.
fn attached(igb: &Igb, vf: u32, plugin: &Plugin, pod: &Pod) -> (Value, String) {
    let name = igb.vf_netdev(vf).expect("the VF is on the host");
    let conf = json!({"cniVersion": "1.0.0", "name": "n", "type": "host-device", "pciBusID": igb.vf_address(vf),
                      "ipam": plugin.host_local("10.88.0.0/24")});
    let host_device = Path::new(REFERENCE_PLUGINS).join("host-device");
    plugin.request("ADD", pod, &conf).by(&host_device).run().success();
    let alias = pod.link("net1").expect("net1 is in the pod")["ifalias"].clone();
    assert_eq!(alias, name.as_str());
    (conf, name)
}

#[test]
fn what_host_device_attached_is_restored_from_its_alias() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("hostdev"), Plugin::new());
    igb.tidy(0);
    let before = host_links();
    let (conf, _) = attached(&igb, 0, &plugin, &pod);
    assert_eq!(plugin.reservations("n").len(), 1);
    plugin.del(&pod, &conf);
    assert_eq!(host_links(), before);
    assert!(plugin.reservations("n").is_empty());
    plugin.del(&pod, &conf);
}

#[test]
fn a_name_that_the_pod_wrote_into_the_alias_takes_nobodys_place() {
    let (igb, pod, plugin) = (Igb::get(), Pod::new("forged"), Plugin::new());
    igb.tidy(0);
    let (conf, name) = attached(&igb, 0, &plugin, &pod);
    pod.run(&["ip", "link", "set", "net1", "alias", &igb.name]);
    let pf = host_link(&igb.name);
    plugin.del(&pod, &conf);
    assert_eq!(host_link(&igb.name), pf);
    let back = igb.vf_netdev(0).expect("the VF is back");
    assert!(back != igb.name && back != name, "{back}");
    run(&["ip", "link", "set", &back, "name", &name]);
}

#[test]
fn a_name_of_a_device_that_is_in_another_pod_stays_that_devices() {
    let (igb, pod, other, plugin) = (Igb::get(), Pod::new("forged"), Pod::new("other"), Plugin::new());
    for vf in [0, 1] {
        igb.tidy(vf);
    }
    let theirs = igb.vf_netdev(1).expect("the VF is on the host");
    let ours = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "deviceID": igb.vf_address(1)});
    plugin.add(&other, &ours);
    let (conf, name) = attached(&igb, 0, &plugin, &pod);
    pod.run(&["ip", "link", "set", "net1", "alias", &theirs]);
    plugin.del(&pod, &conf);
    let back = igb.vf_netdev(0).expect("the VF is back");
    assert_ne!(back, theirs);
    plugin.del(&other, &ours);
    assert_eq!(igb.vf_netdev(1), Some(theirs));
    run(&["ip", "link", "set", &back, "name", &name]);
}

#[test]
fn a_veth_of_a_pod_with_the_alias_of_the_nodes_device_stays_in_the_pod() {
    let (pod, plugin) = (Pod::new("veth"), Plugin::new());
    // The name is free, as a device's is that another pod has.
    for (device, alias) in [("hwfree0", "hwfree0"), ("hwfree0", "eth0"), ("net1", "net1")] {
        pod.run(&["ip", "link", "add", "net1", "type", "veth", "peer", "name", "mine"]);
        pod.run(&["ip", "link", "set", "net1", "alias", alias]);
        let before = host_links();
        for named in ["device", "hwaddr"] {
            let mac = pod.link("net1").expect("net1")["address"].clone();
            let value = if named == "device" { json!(device) } else { mac };
            let conf = json!({"cniVersion": "1.0.0", "name": "n", "type": "host-device", named: value});
            plugin.del(&pod, &conf);
            assert_eq!(host_links(), before);
            assert!(pod.link("net1").is_some(), "{device} {alias} {named}");
        }
        pod.run(&["ip", "link", "del", "net1"]);
    }
}

#[test]
fn a_software_interface_of_the_host_stays_where_host_device_moved_it_and_its_address_is_released() {
    let (nic, pod, plugin) = (Veth::new("hwhd0"), Pod::new("hostdev"), Plugin::new());
    let conf = json!({"cniVersion": "1.0.0", "name": "n", "type": "host-device", "device": nic.name(),
                      "ipam": plugin.host_local("10.88.0.0/24")});
    let host_device = Path::new(REFERENCE_PLUGINS).join("host-device");
    plugin.request("ADD", &pod, &conf).by(&host_device).run().success();
    plugin.del(&pod, &conf);
    assert!(pod.link("net1").is_some());
    assert!(plugin.reservations("n").is_empty());
}

#[test]
fn an_alias_that_is_somebody_elses_moves_nothing() {
    let (pod, plugin) = (Pod::new("alias"), Plugin::new());
    pod.run(&["ip", "link", "add", "net1", "alias", "uplink", "type", "bridge"]);
    let conf = json!({"cniVersion": "1.0.0", "name": "n", "type": "host-device", "device": "hwhd9"});
    plugin.del(&pod, &conf);
    assert!(pod.link("net1").is_some());
}
