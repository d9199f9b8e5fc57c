//! What containers get.

use tonic::Code;

use super::*;

#[test]
fn d17_known_devices_are_answered_and_always_alike() {
    let running = Running::registered(3);
    let ask = || {
        running
            .kubelet
            .allocate(RESOURCE, &[&["0000:01:10.2", "0000:01:10.0"]])
            .unwrap()
    };
    let answer = ask();
    assert_eq!(answer, ask());
    assert_eq!(answer.container_responses.len(), 1);
    let response = &answer.container_responses[0];
    assert_eq!(response.envs["PCIDEVICE_INTEL_COM_VFS"], "0000:01:10.2,0000:01:10.0");
    assert_eq!(
        response.envs["PCIDEVICE_INTEL_COM_VFS_INFO"],
        concat!(
            r#"{"0000:01:10.0":{"generic":{"deviceID":"0000:01:10.0"}},"#,
            r#""0000:01:10.2":{"generic":{"deviceID":"0000:01:10.2"}}}"#
        )
    );
    assert!(response.devices.is_empty() && response.mounts.is_empty());
}

#[test]
fn d18_each_container_request_has_its_response_in_order() {
    let running = Running::registered(3);
    let containers: &[&[&str]] = &[&["0000:01:10.2"], &["0000:01:10.0"], &["0000:01:10.1"]];
    let answer = running.kubelet.allocate(RESOURCE, containers).unwrap();
    let lists: Vec<&str> = answer
        .container_responses
        .iter()
        .map(|response| response.envs["PCIDEVICE_INTEL_COM_VFS"].as_str())
        .collect();
    assert_eq!(lists, ["0000:01:10.2", "0000:01:10.0", "0000:01:10.1"]);
}

#[test]
fn d19_what_makes_no_sense_is_refused() {
    let mut running = Running::registered(1);
    let empty = running.kubelet.allocate(RESOURCE, &[&[]]).unwrap_err();
    assert_eq!(empty.code(), Code::InvalidArgument, "{empty}");
    let unknown = running
        .kubelet
        .allocate(RESOURCE, &[&["0000:01:10.0", "nonsense"]])
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound, "{unknown}");
    assert!(
        unknown
            .message()
            .contains("intel.com/vfs: there is no device \"nonsense\""),
        "{unknown}"
    );
    assert!(running.daemon.is_running());
    running.kubelet.allocate(RESOURCE, &[&["0000:01:10.0"]]).unwrap();
}

#[test]
fn d20_two_resources_in_one_container_do_not_clash() {
    let config = json!({"resourceList": [
        {"resourceName": "x", "resourcePrefix": "openshift.io", "selectors": {"pfNames": ["eth0#0"]}},
        {"resourceName": "x-y", "resourcePrefix": "openshift.io", "selectors": {"pfNames": ["eth0#1"]},
         "additionalInfo": {"*": {"token": "<t>"}}},
    ]});
    let running = Running::start(&config, 2);
    running.wait_for("openshift.io/x", 1);
    running.wait_for("openshift.io/x-y", 1);
    let names = |resource: &str| {
        let held = running.kubelet.admit("default/a", "app", resource, 1).unwrap();
        let envs = held.response.envs;
        for (name, value) in envs.iter().filter(|(name, _)| name.ends_with("_INFO")) {
            serde_json::from_str::<Value>(value).unwrap_or_else(|error| panic!("{name}={value}: {error}"));
        }
        envs.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(
        names("openshift.io/x"),
        ["PCIDEVICE_OPENSHIFT_IO_X", "PCIDEVICE_OPENSHIFT_IO_X_INFO"]
    );
    assert_eq!(
        names("openshift.io/x-y"),
        [
            "PCIDEVICE_OPENSHIFT_IO_X-Y",
            "PCIDEVICE_OPENSHIFT_IO_X-Y_INFO",
            "PCIDEVICE_OPENSHIFT_IO_X_Y",
            "PCIDEVICE_OPENSHIFT_IO_X_Y_INFO",
        ]
    );
}

#[test]
fn d24_a_call_that_is_not_flagged_is_answered_with_nothing() {
    let running = Running::registered(1);
    let mut client = running.kubelet.client(ENDPOINT).unwrap();
    assert!(!client.options().unwrap().pre_start_required);
    client.pre_start(&["0000:01:10.0"]).unwrap();
    client.pre_start(&["0000:01:10.0"]).unwrap();
}

#[test]
fn d27_a_device_is_in_the_first_pool_that_selects_it() {
    let config = json!({"resourceList": [
        {"resourceName": "first", "selectors": {"pfNames": ["eth0#1"]}},
        {"resourceName": "second", "selectors": [{"pfNames": ["eth0#0-1"]}, {"pciAddresses": ["0000:01:10.2"]}]},
    ]});
    let mut running = Running::start(&config, 3);
    assert_eq!(ids(&running.wait_for("intel.com/first", 1)), ["0000:01:10.1"]);
    assert_eq!(
        ids(&running.wait_for("intel.com/second", 2)),
        ["0000:01:10.0", "0000:01:10.2"]
    );
    let log = running.daemon.log();
    assert!(
        log.contains("intel.com/second selects it too, but intel.com/first has it"),
        "{log}"
    );
}

#[test]
fn pods_hold_different_devices_and_podresources_tells_which() {
    let running = Running::registered(2);
    let first = running.kubelet.admit("default/a", "app", RESOURCE, 1).unwrap();
    let second = running.kubelet.admit("default/b", "app", RESOURCE, 1).unwrap();
    assert_ne!(first.devices, second.devices);
    let none_left = running
        .kubelet
        .admit("default/c", "app", RESOURCE, 1)
        .unwrap_err()
        .to_string();
    assert!(none_left.contains("Requested: 1, Available: 0"), "{none_left}");
    let pods = running.kubelet.pod_resources().unwrap();
    let held: Vec<(&str, &[String])> = pods
        .iter()
        .map(|pod| (pod.name.as_str(), pod.containers[0].devices[0].device_ids.as_slice()))
        .collect();
    assert_eq!(
        held,
        [("a", first.devices.as_slice()), ("b", second.devices.as_slice())]
    );
    running.kubelet.free("default/a");
    let third = running.kubelet.admit("default/c", "app", RESOURCE, 1).unwrap();
    assert_eq!(third.devices, first.devices);
}
