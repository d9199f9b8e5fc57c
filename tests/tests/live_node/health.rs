//! Free VFs and their idle records; the PF's carrier.

use hardwire_tests::node::{Igb, host_link, run};

use super::*;

#[test]
fn a_record_of_each_free_vf_is_taken_and_in_force() {
    let igb = Igb::get();
    let live = Live::igb(&igb);
    for index in 0..7 {
        let record = live.wait_for_idle(&igb.vf_address(index));
        assert_eq!(record["driver"], "igbvf");
        assert_eq!(record["link"]["name"], igb.vf_netdev(index).unwrap());
        assert_eq!(record["vf"]["index"], index);
        assert_eq!(record["vf"]["state"]["vlan"], 0);
    }
}

#[test]
fn a_changed_free_vf_is_unhealthy_until_it_is_right_again() {
    let igb = Igb::get();
    let mut live = Live::igb(&igb);
    let address = igb.vf_address(3);
    live.wait_for_idle(&address);
    run(&["ip", "link", "set", &igb.name, "vf", "3", "vlan", "7"]);
    eprintln!("vlan: {:?}", live.wait_for_health(&address, false));
    live.daemon
        .wait_for_log("unhealthy: free, but not in its idle state: vlan was 0, is 7", SOON);
    let idle = live.plugin.state().join("idle");
    assert_eq!(idle_record(&idle, &address), None, "nobody may go by its record");
    run(&["ip", "link", "set", &igb.name, "vf", "3", "vlan", "0"]);
    live.wait_for_health(&address, true);
    live.wait_for_idle(&address);
    let netdev = igb.vf_netdev(3).unwrap();
    run(&["ip", "link", "set", &netdev, "mtu", "1400"]);
    live.wait_for_health(&address, false);
    run(&["ip", "link", "set", &netdev, "mtu", "1500"]);
    live.wait_for_health(&address, true);
}

#[test]
fn a_deliberate_change_is_adopted_and_outlives_the_daemon() {
    let igb = Igb::get();
    let mut live = Live::igb(&igb);
    let address = igb.vf_address(5);
    live.wait_for_idle(&address);
    run(&["ip", "link", "set", &igb.name, "vf", "5", "vlan", "9"]);
    live.wait_for_health(&address, false);

    // Our own restart changes nothing about that.
    live.daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(live.daemon.wait(SOON).code(), Some(0));
    live.daemon = live.site.start_live(&live.config, Some(&live.plugin.state()));
    live.wait_for_health(&address, false);

    let adopt = |id: &str| live.site.adopt(id, &live.plugin.state());
    let refused = adopt("0000:ff:00.0");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("is in no pool"),
        "{refused:?}"
    );
    let adopted = adopt(&address);
    let said = String::from_utf8_lossy(&adopted.stdout);
    assert!(said.contains("adopted: vlan was 0, is 9"), "{adopted:?}");
    live.wait_for_health(&address, true);
    assert_eq!(live.wait_for_idle(&address)["vf"]["state"]["vlan"], 9);
    run(&["ip", "link", "set", &igb.name, "vf", "5", "vlan", "0"]);
    live.wait_for_health(&address, false);
    adopt(&address);
    live.wait_for_health(&address, true);
}

#[test]
fn vfs_made_anew_while_no_daemon_ran_are_not_compared_with_those_of_before() {
    let igb = Igb::get();
    let mut live = Live::igb(&igb);
    let address = igb.vf_address(3);
    let before = live.wait_for_idle(&address);
    live.daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(live.daemon.wait(SOON).code(), Some(0));
    // Each gets another address.
    igb.renew();
    live.daemon = live.site.start_live(&live.config, Some(&live.plugin.state()));
    live.wait_for_health(&address, true);
    let now = live.wait_for_idle(&address);
    assert_ne!(now["instance"], before["instance"]);
    assert_ne!(now["link"]["mac"], before["link"]["mac"]);
    live.assert_stays(&address, true);
}

#[test]
fn a_device_that_a_pod_holds_is_not_judged_by_its_settings() {
    let igb = Igb::get();
    let live = Live::igb(&igb);
    let held = live.kubelet.admit("default/dpdk", "app", RESOURCE, 1).unwrap();
    let address = held.devices[0].clone();
    let index = (0..7).find(|index| igb.vf_address(*index) == address).unwrap();
    live.wait_for_idle(&igb.vf_address((index + 1) % 7));
    run(&["ip", "link", "set", &igb.name, "vf", &index.to_string(), "vlan", "70"]);
    live.assert_stays(&address, true);
    assert_eq!(igb.vf(index)["vlan_list"][0]["vlan"], 70, "it is never touched");
    let refused = live.site.adopt(&address, &live.plugin.state());
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("is held by default/dpdk"),
        "{refused:?}"
    );
    run(&["ip", "link", "set", &igb.name, "vf", &index.to_string(), "vlan", "0"]);
}

#[test]
fn the_carrier_of_the_pf_counts_where_the_pool_minds() {
    let igb = Igb::get();
    igb.up();
    let minds = json!({"selectors": {"pfNames": [igb.name]}, "onCarrierLoss": "unhealthy"});
    let config = json!({"resourceList": [{"resourceName": "probe", "selectors": {}, "onCarrierLoss": "unhealthy"}]});
    let site = Site::new();
    let checked = site.output(
        &["devices", "--config", site.config(&config).to_str().unwrap()],
        std::path::Path::new("/sys"),
    );
    assert!(
        !String::from_utf8_lossy(&checked.stderr).contains("no field of a pool"),
        "the configuration knows onCarrierLoss"
    );
    let mut live = Live::start(&minds, 7);
    run(&["ip", "link", "set", &igb.name, "down"]);
    live.wait(|devices| !devices.iter().any(is_healthy));
    live.daemon.wait_for_log("has no carrier", SOON);
    igb.up();
    live.wait(|devices| devices.iter().all(is_healthy));
    drop(live);
    igb.renew();
    assert!(host_link(&igb.name)["flags"].to_string().contains("UP"));
}

/// Changes a VF until the daemon minds. What it finds at its first look after an attachment it takes for left behind by that,
/// and undoes.
fn change(live: &Live, address: &str, change: impl Fn()) {
    let minds = |devices: &[hardwire_proto::deviceplugin::Device]| {
        devices.iter().any(|device| device.id == address && !is_healthy(device))
    };
    let minded = (0..5).any(|_| {
        change();
        let bound = std::time::Duration::from_secs(6);
        live.kubelet.wait_for_devices(super::RESOURCE, minds, bound).is_ok()
    });
    assert!(minded, "the daemon never minds");
}

/// Only the daemon can know it: the PF shows the VF's own address whether or not anybody gave it one.
#[test]
fn rule_3_a_vf_takes_its_own_addresses_again_after_a_pod_that_asked_for_one() {
    let igb = Igb::get();
    igb.renew();
    let live = Live::igb(&igb);
    let address = igb.vf_address(4);
    let name = igb.vf_netdev(4).unwrap();
    let takes = |mac: &str| hardwire_tests::node::succeeds(&["ip", "link", "set", &name, "address", mac]);
    let own = host_link(&name)["address"].as_str().unwrap().to_owned();
    let conf = json!({"cniVersion": "1.0.0", "name": "mac", "type": "hardwire", "deviceID": address,
                      "mac": "02:00:00:00:0d:01"});
    for _ in 0..2 {
        assert_eq!(live.wait_for_idle(&address)["vf"]["admin_mac"], "unset");
        let pod = hardwire_tests::node::Pod::new("mac");
        live.plugin.add(&pod, &conf);
        assert_eq!(igb.vf(4)["address"], "02:00:00:00:0d:01");
        live.plugin.del(&pod, &conf);
        assert_eq!(
            (igb.vf(4)["address"].as_str(), host_link(&name)["address"].as_str()),
            (Some(&*own), Some(&*own))
        );
    }
    // It takes another one, which tells that none is set.
    change(&live, &address, || assert!(takes("02:00:00:00:0d:02")));
    live.site.adopt(&address, &live.plugin.state());
    live.wait_for_health(&address, true);
    assert_eq!(live.wait_for_idle(&address)["vf"]["admin_mac"], "unset");
    let pod = hardwire_tests::node::Pod::new("another");
    live.plugin.add(&pod, &conf);
    live.plugin.del(&pod, &conf);
    assert_eq!(host_link(&name)["address"], "02:00:00:00:0d:02");
    change(&live, &address, || assert!(takes(&own)));
    live.site.adopt(&address, &live.plugin.state());
    live.wait_for_health(&address, true);

    // What an operator gave, though the VF has taken it over meanwhile, it has to have again.
    let give = || {
        let _ = run(&["ip", "link", "set", &igb.name, "vf", "4", "mac", "02:00:00:00:0d:03"]);
    };
    change(&live, &address, give);
    for state in ["up", "down"] {
        run(&["ip", "link", "set", &name, state]);
    }
    assert_eq!(host_link(&name)["address"], "02:00:00:00:0d:03", "it took it over");
    live.site.adopt(&address, &live.plugin.state());
    live.wait_for_health(&address, true);
    assert_ne!(live.wait_for_idle(&address)["vf"]["admin_mac"], "unset");
    let pod = hardwire_tests::node::Pod::new("theirs");
    live.plugin.add(&pod, &conf);
    live.plugin.del(&pod, &conf);
    assert_eq!(igb.vf(4)["address"], "02:00:00:00:0d:03");
    assert!(!takes("02:00:00:00:0d:02"), "it is an operator's");
    drop(live);
    igb.renew();
}
