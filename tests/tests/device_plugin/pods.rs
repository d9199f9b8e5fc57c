//! What the CNI plugin asks of the daemon about pods, and what the daemon leaves for the plugin on disk.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use hardwire_cni::ask::{Answer, LONGEST_REQUEST, Question, SOCKET, ask};
use hardwire_cni::node::{AskedSettings, Policies, RequireAllocation};
use hardwire_cni::protocol::CallingPod;
use hardwire_tests::kubelet::{End, uid_of};

use super::*;

fn chained() -> Value {
    json!({"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}, "attach": "chain",
                             "network": {"vlan": 100}}]})
}

fn pod(name: &str, uid: &str) -> CallingPod {
    let (namespace, name) = name.split_once('/').unwrap();
    CallingPod {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        sandbox: "s".to_owned(),
    }
}

/// The daemon listens a moment after it serves.
#[track_caller]
fn answer(running: &Running, question: &Question) -> Answer {
    let deadline = std::time::Instant::now() + SOON;
    loop {
        match ask(&running.site.state_dir(), question.clone()) {
            Ok(answer) => return answer,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn attachments(running: &Running, pod: CallingPod) -> Answer {
    answer(running, &Question::Attachments { pod })
}

fn may(running: &Running, pod: CallingPod, device: &str, settings: AskedSettings) -> Answer {
    let device = device.parse().unwrap();
    answer(running, &Question::May { pod, device, settings })
}

/// Where the default network's list has our entry: without it, devices of chained pools are given to nobody.
fn flags_with_our_entry(site: &Site) -> [String; 2] {
    let directory = site.directory().join("net.d");
    fs::create_dir_all(&directory).unwrap();
    let list = json!({"cniVersion": "1.0.0", "name": "k8s",
                      "plugins": [{"type": "bridge"}, {"type": "hardwire", "attach": "pod"}]});
    fs::write(directory.join("10-k8s.conflist"), list.to_string()).unwrap();
    ["--cni-config-dir".to_owned(), directory.display().to_string()]
}

/// A pod with one device of a registered daemon's.
fn admitted(config: &Value) -> (Running, String) {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let daemon = site.start_with(
        config,
        tree.root(),
        &flags_with_our_entry(&site).each_ref().map(String::as_str),
    );
    let running = Running {
        daemon,
        kubelet,
        site,
        tree,
    };
    running.wait_for(RESOURCE, 2);
    let device = running
        .kubelet
        .admit("red/a", "main", RESOURCE, 1)
        .unwrap()
        .devices
        .remove(0);
    (running, device)
}

#[test]
fn the_attachments_of_a_pod_are_what_the_kubelet_gave_its_uid() {
    let (running, device) = admitted(&chained());
    let Answer::Attachments(all) = attachments(&running, pod("red/a", &uid_of("red/a"))) else {
        panic!("no attachments")
    };
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].device.to_string(), all[0].interface.as_str()), (device, "net1"));
    assert_eq!(
        (all[0].resource.as_str(), &all[0].network["vlan"]),
        (RESOURCE, &json!(100))
    );
    let none = Answer::Attachments(Vec::new());
    assert_eq!(
        attachments(&running, pod("red/a", "another")),
        none,
        "a pod of the same name"
    );
    assert_eq!(attachments(&running, pod("blue/b", &uid_of("blue/b"))), none);
}

#[test]
fn a_runtime_that_names_no_uid_is_answered_by_what_the_kubelet_says_now() {
    let (running, device) = admitted(&chained());
    let given = |name: &str| match attachments(&running, pod(name, "")) {
        Answer::Attachments(all) => all.into_iter().map(|one| one.device.to_string()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(given("red/a"), [device]);
    assert_eq!(given("blue/b"), [""; 0]);
    // Heard before the next pod came.
    let second = running.kubelet.admit("blue/b", "main", RESOURCE, 1).unwrap().devices;
    assert_eq!(given("blue/b"), second);
}

#[test]
fn a_device_is_the_pods_that_it_was_given_to_and_a_refusal_says_whose_it_is() {
    let (running, device) = admitted(&one_pool());
    let asked = AskedSettings::default;
    assert_eq!(
        may(&running, pod("red/a", &uid_of("red/a")), &device, asked()),
        Answer::May
    );
    let Answer::MayNot(why) = may(&running, pod("blue/b", "other"), &device, asked()) else {
        panic!("it may")
    };
    assert!(why.contains(&uid_of("red/a")) && why.contains("held by red/a"), "{why}");
    // The kubelet's checkpoint of another version: its podresources know names.
    fs::write(running.site.plugin_dir().join("kubelet_internal_checkpoint"), "{}").unwrap();
    assert_eq!(
        may(&running, pod("red/a", &uid_of("red/a")), &device, asked()),
        Answer::May
    );
    let Answer::MayNot(why) = may(&running, pod("blue/b", "other"), &device, asked()) else {
        panic!("it may")
    };
    assert!(why.contains("unknown form") && why.contains("held by red/a"), "{why}");
}

#[test]
fn what_nobody_can_tell_is_not_known() {
    let (mut running, device) = admitted(&one_pool());
    fs::write(running.site.plugin_dir().join("kubelet_internal_checkpoint"), "{}").unwrap();
    running.kubelet.end(End::Clean);
    let Answer::Unknown(why) = may(
        &running,
        pod("red/a", &uid_of("red/a")),
        &device,
        AskedSettings::default(),
    ) else {
        panic!("it is known")
    };
    assert!(
        why.contains("unknown form") && why.contains("which pod holds which device"),
        "{why}"
    );
}

#[test]
fn a_pools_limits_hold_at_the_daemon_too() {
    let mut config = one_pool();
    config["resourceList"][0]["allow"] = json!({"vlan": ["100-199"]});
    let (running, device) = admitted(&config);
    let with = |vlan| AskedSettings {
        vlan: Some(vlan),
        ..AskedSettings::default()
    };
    let own = || pod("red/a", &uid_of("red/a"));
    assert_eq!(may(&running, own(), &device, with(100)), Answer::May);
    let Answer::MayNot(why) = may(&running, own(), &device, with(7)) else {
        panic!("it may")
    };
    assert!(why.contains("vlan: 7 is more than pool intel.com/vfs allows"), "{why}");
}

#[test]
fn rule_9_a_request_has_a_bound_and_only_root_may_ask() {
    let (running, _) = admitted(&one_pool());
    attachments(&running, pod("red/a", ""));
    let socket = running.site.state_dir().join(SOCKET);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let said = |request: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // It may have been answered before all of it is written.
        drop(stream.write_all(request));
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        answer
    };
    for (request, expected) in [
        (&b"what\n"[..], r#"{"refused":"expected value"#),
        (
            b"{\"version\":9,\"question\":{\"attachments\":{\"pod\":{}}}}\n",
            "version 9",
        ),
        (b"{\"version\":1,\"question\":{\"everything\":{}}}\n", "refused"),
    ] {
        let answer = said(request);
        assert!(answer.contains(expected), "{answer}");
    }
    for length in [LONGEST_REQUEST + 1, 20 << 10] {
        let answer = said("x".repeat(length).as_bytes());
        assert!(
            answer.contains(r#"{"refused":"the request has more than 16384 bytes"}"#),
            "{answer}"
        );
    }
}

#[test]
fn what_pools_say_is_on_disk_for_the_plugin_and_outlives_the_daemon() {
    let mut config = one_pool();
    config["resourceList"][0]["requireAllocation"] = json!("always");
    let (mut running, device) = admitted(&config);
    let path = running.site.state_dir().join("policies.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let policies = Policies::read(&path).unwrap().unwrap();
    assert_eq!(
        policies.checkpoint,
        running.site.plugin_dir().join("kubelet_internal_checkpoint")
    );
    let pool = policies.pool_of(&device.parse().unwrap()).unwrap();
    assert_eq!((pool.resource.as_str(), pool.devices.len()), (RESOURCE, 2));
    assert_eq!(pool.require_allocation, RequireAllocation::Always);
    running.daemon.signal(rustix::process::Signal::TERM);
    running.daemon.wait(SOON);
    assert_eq!(Policies::read(&path).unwrap().unwrap(), policies);
    config["resourceList"][0]["requireAllocation"] = json!(false);
    running.daemon = running.site.start(&config, running.tree.root());
    attachments(&running, pod("red/a", ""));
    let pool = Policies::read(&path).unwrap().unwrap().pools.remove(0);
    assert_eq!(pool.require_allocation, RequireAllocation::Off);
}

#[test]
fn a_pool_that_is_refused_for_a_slip_keeps_its_rules() {
    let pools = |allow: Value| {
        json!({"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}, "allow": allow},
                                {"resourceName": "none", "selectors": {"drivers": ["nobody"]}}]})
    };
    let (mut running, device) = admitted(&pools(json!({"mtu": 1500})));
    let path = running.site.state_dir().join("policies.json");
    running.daemon.signal(rustix::process::Signal::TERM);
    running.daemon.wait(SOON);
    running.daemon = running.site.start(&pools(json!({"mtuu": 1500})), running.tree.root());
    attachments(&running, pod("red/a", ""));
    let policies = Policies::read(&path).unwrap().unwrap();
    let pool = policies.pool_of(&device.parse().unwrap()).unwrap();
    assert!(pool.is_left && pool.resource == RESOURCE, "{pool:?}");
    let asked = AskedSettings {
        mtu: Some(9000),
        ..AskedSettings::default()
    };
    let Answer::MayNot(why) = may(&running, pod("red/a", &uid_of("red/a")), &device, asked) else {
        panic!("it may")
    };
    assert!(why.contains("its allow.mtu is 1500"), "{why}");
}

#[test]
fn a_checkpoint_that_is_not_there_does_not_say_that_nothing_was_given() {
    let (running, device) = admitted(&chained());
    fs::remove_file(running.site.plugin_dir().join("kubelet_internal_checkpoint")).unwrap();
    let Answer::Attachments(all) = attachments(&running, pod("red/a", &uid_of("red/a"))) else {
        panic!("no attachments")
    };
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].device.to_string(), device);
}

#[test]
fn devices_that_nobody_would_attach_are_given_to_nobody() {
    let running = Running::start(&chained(), 2);
    let unhealthy =
        |devices: &[Device]| devices.len() == 2 && devices.iter().all(|device| device.health == "Unhealthy");
    running.kubelet.wait_for_devices(RESOURCE, unhealthy, SOON).unwrap();
}
