use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::*;
use crate::cluster::conditions::conditions;
use crate::cluster::fixture::{id, node};

fn object(facts: &Facts) -> (String, Value) {
    let conditions = conditions(&facts.standing, &[], SystemTime::UNIX_EPOCH);
    let object = Status::new(facts, &conditions).unwrap().of_node("node1", "uid-1");
    let object = object.unwrap().get().to_owned();
    let value = serde_json::from_str(&object).unwrap();
    (object, value)
}

fn device(facts: &Facts, n: usize) -> Value {
    object(facts).1["status"]["devices"][n].clone()
}

#[test]
fn the_object_is_the_nodes_and_goes_with_it() {
    let (_, object) = object(&node(1));
    assert_eq!(object["apiVersion"], API_VERSION);
    assert_eq!(object["kind"], "NodeNetworkDevices");
    let metadata = &object["metadata"];
    assert_eq!(metadata["name"], "node1");
    let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "uid-1"}]);
    assert_eq!(metadata["ownerReferences"], owner);
    let fields: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["apiVersion", "kind", "metadata", "status"]);
}

#[test]
fn a_device_is_told_with_its_place_its_health_its_holder_and_its_attachment() {
    let mut facts = node(3);
    assert_eq!(
        device(&facts, 1),
        json!({
            "id": "0000:02:00.1", "pool": "intel.com/vfs", "driver": "vfio-pci", "numaNode": 0, "pf": "0000:01:00.0",
            "pfName": "ens1f0", "vf": 1, "link": "Up", "healthy": true, "ownership": "Free",
        })
    );
    facts.hold(1, "red", "web", "main");
    facts.attach(1, Some(("red", "web")), "c1", &["10.0.0.1/24", "fd00::1/64"]);
    facts.ill(1, "its PF 0000:01:00.0 has no carrier");
    let hardware = Arc::make_mut(&mut facts.snapshot.hardware);
    hardware.carrierless.insert("0000:01:00.0".parse().unwrap());
    let told = device(&facts, 1);
    assert_eq!(told["link"], "Down");
    assert_eq!(told["reason"], "its PF 0000:01:00.0 has no carrier");
    assert_eq!(told["ownership"], "Held");
    assert_eq!(
        told["holder"],
        json!({"namespace": "red", "pod": "web", "container": "main"})
    );
    assert_eq!(
        told["attachment"],
        json!({
            "network": "vfs", "interface": "net1", "mac": "02:00:00:00:00:01", "addresses": ["10.0.0.1/24", "fd00::1/64"],
        })
    );
    let status = &object(&facts).1["status"];
    assert_eq!(
        status["counts"],
        json!({"devices": 3, "allocated": 1, "attached": 1, "unhealthy": 1})
    );
    assert!(status.get("shortened").is_none());
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["conditions"][0]["type"], "Registered");
}

#[test]
fn where_the_kubelet_names_no_pod_the_journal_does_and_where_nobody_is_heard_it_is_not_known() {
    let mut facts = node(3);
    facts.attach(1, Some(("red", "web")), "c1", &[]);
    assert_eq!(device(&facts, 1)["holder"], json!({"namespace": "red", "pod": "web"}));
    facts.snapshot.is_rest_free = false;
    assert_eq!(device(&facts, 0)["ownership"], "Unknown");
}

#[test]
fn a_device_that_vanished_is_still_told_of_with_its_holder() {
    let mut facts = node(1);
    facts.hold(0, "red", "web", "main");
    facts.remove(0);
    assert_eq!(
        device(&facts, 0),
        json!({
            "id": "0000:02:00.0", "pool": "intel.com/vfs", "healthy": false, "reason": "gone from the bus", "ownership": "Held",
            "holder": {"namespace": "red", "pod": "web", "container": "main"},
        })
    );
}

/// All 1,024 devices with pods, reasons and addresses as long as these.
fn laden(length: usize) -> Facts {
    let mut facts = node(1024);
    let (name, label) = ("p".repeat(253.min(length)), "l".repeat(63.min(length)));
    let address = "fd00:1111:2222:3333:4444:5555:6666:7777/128";
    for n in 0..1024 {
        facts.hold(n, &label, &name, &label);
        facts.attach(
            n,
            Some((&label, &name)),
            &"c".repeat(64),
            &vec![address; 40.min(length / 10)],
        );
        facts.attached_mut().get_mut(&id(n)).unwrap().network = "n".repeat(length.min(1024)).parse().unwrap();
        facts.ill(n, &"r".repeat(length));
        facts.change(n, |seen| seen.pool = format!("{label}.example.com/{label}"));
    }
    facts
}

#[test]
fn a_thousand_devices_as_they_usually_are_are_told_whole() {
    let mut facts = node(1024);
    for n in 0..1024 {
        facts.hold(
            n,
            "tenant-production",
            &format!("packet-gateway-6c9f7d5b8-{n:05}"),
            "gateway",
        );
        facts.attach(
            n,
            Some(("tenant-production", "packet-gateway")),
            "c",
            &["10.56.217.101/24"],
        );
    }
    let (bytes, object) = object(&facts);
    assert!(bytes.len() < LARGEST, "{} bytes", bytes.len());
    assert_eq!(object["status"]["devices"].as_array().unwrap().len(), 1024);
    assert!(object["status"].get("shortened").is_none());
}

#[test]
fn whatever_the_texts_are_the_object_keeps_its_bound_and_says_what_is_left_out() {
    let mut listed_before = 1024;
    for length in [10, 60, 100, 300, 5000] {
        let (bytes, object) = object(&laden(length));
        assert!(bytes.len() <= LARGEST, "{length}: {} bytes", bytes.len());
        let status = &object["status"];
        let listed = status["devices"].as_array().unwrap().len();
        assert!(listed <= listed_before && listed >= 512, "{length}: {listed} devices");
        listed_before = listed;
        let shortened = status["shortened"].as_str();
        assert_eq!(shortened.is_none(), length == 10, "{length}: {shortened:?}");
        assert!(shortened.is_none_or(|text| text.len() <= 256), "{shortened:?}");
        if listed < 1024 {
            assert!(
                shortened.unwrap().ends_with(&format!("{listed} of 1024 devices")),
                "{shortened:?}"
            );
        }
        // Counts are of all.
        assert_eq!(status["counts"]["devices"], 1024);
    }
}

#[test]
fn a_single_text_beyond_what_the_definition_allows_is_cut_and_that_is_said() {
    let mut facts = node(2);
    facts.ill(0, &"r".repeat(2000));
    let status = &object(&facts).1["status"];
    let reason = status["devices"][0]["reason"].as_str().unwrap();
    assert!(reason.chars().count() == 1024 && reason.ends_with('…'));
    assert!(
        status["shortened"]
            .as_str()
            .unwrap()
            .starts_with("reasons to 1024 characters")
    );
}

#[test]
fn rule_9_no_control_character_of_a_reason_reaches_the_object() {
    let mut facts = node(1);
    facts.ill(0, "name was a\u{1b}[2J, is b\n");
    let reason = device(&facts, 0)["reason"].as_str().unwrap().to_owned();
    assert!(!reason.chars().any(char::is_control), "{reason:?}");
}

#[test]
fn the_same_facts_are_the_same_status_and_any_other_is_another() {
    let digest = |facts: &Facts| Status::new(facts, &[]).unwrap().digest();
    let mut facts = node(4);
    let before = digest(&facts);
    assert_eq!(digest(&node(4)), before);
    facts.hold(1, "red", "web", "main");
    let held = digest(&facts);
    assert_ne!(held, before);
    facts.attach(1, None, "c", &["10.0.0.1/24"]);
    assert_ne!(digest(&facts), held);
}
