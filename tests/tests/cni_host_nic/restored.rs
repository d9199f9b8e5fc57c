//! What was attached comes back as it was.

use hardwire_tests::node::{Pod, host_link, host_links, run, succeeds};
use hardwire_tests::plugin::Plugin;
use serde_json::json;

use super::Nic;

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
    assert_eq!(before["flags"], json!(["MULTICAST"]), "not up");
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
