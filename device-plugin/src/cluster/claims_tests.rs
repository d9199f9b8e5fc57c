use hardwire_cni::journal::InPod;

use super::*;

fn record() -> ClaimRecord {
    let device = |n: u32| {
        json!({"device": format!("0000:3b:02.{n}"), "resource": "intel.com/vfs", "request": "vf", "name": format!("0000-3b-02-{n}"),
            "pool": "node1", "attach": "chain"})
    };
    let claim = json!({"namespace": "red", "name": "c", "uid": "c-1", "reservedFor": ["u1"]});
    let record = json!({"version": 1, "claim": claim, "isShareable": false, "driver": "hardwire.dev",
        "devices": [device(1), device(2)]});
    serde_json::from_value(record).unwrap()
}

#[test]
fn of_each_device_of_a_claim_is_said_what_its_pod_has_of_it() {
    let attached = Attached {
        network: "vfs".parse().unwrap(),
        interface: "net1".parse().unwrap(),
        container_id: "s".parse().unwrap(),
        pod: None,
        in_pod: InPod {
            mac: Some("02:00:00:00:00:01".parse().unwrap()),
            addresses: (0..20).map(|n| format!("10.0.0.{n}/24")).collect(),
        },
    };
    let attached = [("0000:3b:02.1".parse().unwrap(), attached)].into();
    let said: Value = serde_json::from_str(status(&record(), &attached).unwrap().get()).unwrap();
    assert_eq!(said["metadata"], json!({"name": "c", "namespace": "red", "uid": "c-1"}));
    let first = &said["status"]["devices"][0];
    assert_eq!(
        (&first["driver"], &first["pool"], &first["device"]),
        (&json!("hardwire.dev"), &json!("node1"), &json!("0000-3b-02-1"))
    );
    assert_eq!(first["networkData"]["interfaceName"], "net1");
    assert_eq!(first["networkData"]["hardwareAddress"], "02:00:00:00:00:01");
    assert_eq!(first["networkData"]["ips"].as_array().unwrap().len(), ADDRESSES);
    let second = json!({"driver": "hardwire.dev", "pool": "node1", "device": "0000-3b-02-2"});
    assert_eq!(said["status"]["devices"][1], second);
}
