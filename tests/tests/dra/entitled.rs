//! What the plugin is told of a pod that has a claim.

use std::time::Instant;

use hardwire_cni::ask::{Answer, Question, ask};
use hardwire_cni::journal::{InPod, Journal};
use hardwire_cni::node::AskedSettings;
use hardwire_cni::protocol::CallingPod;
use hardwire_tests::kubelet::claim;

use super::*;

fn pod(name: &str, uid: &str) -> CallingPod {
    CallingPod {
        namespace: "red".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        sandbox: "s".to_owned(),
    }
}

/// The daemon listens a moment after it serves, and knows of a claim a moment after it was prepared.
#[track_caller]
fn answer(running: &Running, question: &Question) -> Answer {
    let deadline = Instant::now() + SOON;
    loop {
        match ask(&running.site.state_dir(), question.clone()) {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn attachments(running: &Running, pod: CallingPod) -> Answer {
    answer(running, &Question::Attachments { pod })
}

fn devices(answer: Answer) -> Vec<String> {
    match answer {
        Answer::Attachments(all) => all.into_iter().map(|one| one.device.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

/// A daemon with a claim `c` of the pod with uid `u1`, of one VF.
fn prepared(config: &Value, claim_of_api: Value) -> Running {
    let running = Running::start(config, 3);
    running.api.put_claim("red", "c", claim_of_api);
    let answers = running
        .kubelet
        .driver(DRIVER, SOON)
        .prepare(&[claim("red", "c", "c-1")])
        .unwrap();
    assert_eq!(answers.claims["c-1"].error, "");
    running
}

#[test]
fn a_pod_gets_its_claims_device_with_the_claims_parameters_and_no_other_pod_does() {
    let claim = with_parameters(
        allocated("c-1", &["0000-01-10-1"], &["u1"], false),
        &json!({"vlan": 200, "interface": "data"}),
    );
    let running = prepared(&for_claims(), claim);
    let Answer::Attachments(all) = attachments(&running, pod("web", "u1")) else {
        panic!("no attachments")
    };
    let [one] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (one.device.to_string().as_str(), one.interface.as_str()),
        ("0000:01:10.1", "data")
    );
    assert_eq!(
        (&one.network["vlan"], &one.network["ipam"]["type"]),
        (&json!(200), &json!("host-local"))
    );
    assert_eq!(one.claim.as_ref().unwrap().name, "c");
    assert_eq!(
        devices(attachments(&running, pod("web", "u2"))),
        [""; 0],
        "a pod of the same name"
    );
    // Without a uid, the kubelet says by name who has the claim.
    assert_eq!(devices(attachments(&running, pod("web", ""))), [""; 0]);
    running
        .kubelet
        .remember_claim("red/web", "c", DRIVER, &["0000-01-10-1"]);
    assert_eq!(devices(attachments(&running, pod("web", ""))), ["0000:01:10.1"]);
}

#[test]
fn a_pod_that_shares_a_claim_is_never_told_that_it_has_nothing() {
    let running = prepared(&for_claims(), allocated("c-1", &["0000-01-10-1"], &["u1"], true));
    assert_eq!(devices(attachments(&running, pod("first", "u1"))), ["0000:01:10.1"]);
    // Its pod came after the claim was prepared.
    running
        .kubelet
        .remember_claim("red/second", "c", DRIVER, &["0000-01-10-1"]);
    assert_eq!(devices(attachments(&running, pod("second", "u2"))), ["0000:01:10.1"]);
    assert_eq!(devices(attachments(&running, pod("third", "u3"))), [""; 0]);
}

#[test]
fn what_the_kubelet_cannot_say_of_a_shared_claim_is_not_known() {
    let mut running = prepared(&for_claims(), allocated("c-1", &["0000-01-10-1"], &["u1"], true));
    running.kubelet.end(hardwire_tests::kubelet::End::Clean);
    assert!(matches!(attachments(&running, pod("second", "u2")), Answer::Unknown(why) if why.contains("claim red/c")));
    assert_eq!(
        devices(attachments(&running, pod("first", "u1"))),
        ["0000:01:10.1"],
        "its uid is on record"
    );
}

#[test]
fn a_nad_may_name_a_claims_device_for_the_claims_pod_only() {
    let mut config = for_claims();
    let pool = &mut config["resourceList"][0];
    pool["attach"] = json!("multus");
    pool.as_object_mut().unwrap().remove("network");
    let running = prepared(&config, allocated("c-1", &["0000-01-10-1"], &["u1"], false));
    let may = |uid: &str| {
        let question = Question::May {
            pod: pod("web", uid),
            device: "0000:01:10.1".parse().unwrap(),
            settings: AskedSettings::default(),
        };
        answer(&running, &question)
    };
    assert_eq!(may("u1"), Answer::May);
    assert!(matches!(may("u2"), Answer::MayNot(why) if why.contains("claim red/c has it")));
    assert_eq!(
        devices(attachments(&running, pod("web", "u1"))),
        [""; 0],
        "Multus attaches it"
    );
}

#[test]
fn how_a_claims_devices_are_in_their_pod_is_said_beside_the_path() {
    let running = prepared(&for_claims(), allocated("c-1", &["0000-01-10-1"], &["u1"], false));
    let mut record = hardwire_tests::records::attached("0000:01:10.1");
    record.in_pod = InPod {
        mac: Some("02:00:00:00:00:07".parse().unwrap()),
        addresses: vec!["10.1.0.7/24".to_owned()],
    };
    Journal::at(&running.site.state_dir()).put(&record).unwrap();
    let said = running.api.wait_for(|request| request.is_claim_status(), SOON).json();
    let device = &said["status"]["devices"][0];
    assert_eq!(
        (&device["driver"], &device["device"]),
        (&json!(DRIVER), &json!("0000-01-10-1"))
    );
    assert_eq!(device["networkData"]["ips"], json!(["10.1.0.7/24"]));
    assert_eq!(device["networkData"]["hardwareAddress"], "02:00:00:00:00:07");
}
