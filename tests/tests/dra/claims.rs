//! Claims that are prepared and unprepared.

use hardwire_tests::kubelet::claim;
use rustix::process::Signal;

use super::*;

#[test]
fn a_claim_is_prepared_once_and_answered_the_same_by_each_version_and_each_daemon() {
    let mut running = Running::start(&for_claims(), 3);
    let asked = [claim("red", "c", "c-1")];
    running
        .api
        .put_claim("red", "c", allocated("c-1", &["0000-01-10-1"], &["u1"], false));
    let driver = running.kubelet.driver(DRIVER, SOON);
    let first = driver.prepare(&asked).unwrap();
    let answer = &first.claims["c-1"];
    assert_eq!(answer.error, "");
    let [device] = &answer.devices[..] else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (
            device.pool_name.as_str(),
            device.device_name.as_str(),
            &device.request_names
        ),
        (NODE, "0000-01-10-1", &vec!["vf".to_owned()])
    );
    assert_eq!(device.cdi_device_ids, ["hardwire.dev/claim=c-1_0000-01-10-1"]);
    assert_eq!(driver.prepare_as_before(&asked).unwrap(), first);
    let spec = fs::read_to_string(running.site.cdi_dir().join("hardwire-claim-c-1.json")).unwrap();
    let spec: Value = serde_json::from_str(&spec).unwrap();
    assert_eq!(
        (&spec["kind"], &spec["devices"][0]["name"]),
        (&json!("hardwire.dev/claim"), &json!("c-1_0000-01-10-1"))
    );

    drop(driver);
    running.restart(&for_claims());
    let gets = |running: &Running| {
        running
            .api
            .requests()
            .iter()
            .filter(|it| it.path.contains("/resourceclaims/c"))
            .count()
    };
    let before = gets(&running);
    let driver = running.kubelet.driver(DRIVER, SOON);
    assert_eq!(driver.prepare(&asked).unwrap(), first);
    assert_eq!(gets(&running), before, "the record is enough");

    for _ in 0..2 {
        let ended = driver.unprepare(&asked).unwrap();
        assert_eq!(ended.claims["c-1"].error, "");
    }
    assert!(!running.site.cdi_dir().join("hardwire-claim-c-1.json").exists());
    assert_eq!(
        fs::read_dir(running.site.state_dir().join("claims")).unwrap().count(),
        0
    );
}

#[test]
fn every_claim_of_a_call_is_answered_and_one_that_is_refused_keeps_no_other_from_it() {
    let running = Running::start(&for_claims(), 3);
    let good = allocated("c-1", &["0000-01-10-0"], &["u1"], false);
    running.api.put_claim("red", "good", good);
    running
        .api
        .put_claim("red", "taken", allocated("c-2", &["0000-01-10-0"], &["u1"], false));
    let misspelt = with_parameters(allocated("c-3", &["0000-01-10-2"], &["u1"], false), &json!({"vlna": 7}));
    running.api.put_claim("red", "misspelt", misspelt);
    let driver = running.kubelet.driver(DRIVER, SOON);
    let first = driver.prepare(&[claim("red", "good", "c-1")]).unwrap();
    assert_eq!(first.claims["c-1"].error, "");
    let claims = [
        claim("red", "good", "c-1"),
        claim("red", "taken", "c-2"),
        claim("red", "misspelt", "c-3"),
        claim("red", "absent", "c-4"),
        claim("red", "good", "c-5"),
    ];
    let answers = driver.prepare(&claims).unwrap().claims;
    assert_eq!(answers.len(), 5);
    assert_eq!(answers["c-1"].devices.len(), 1);
    for (uid, expected) in [
        ("c-2", "claim red/good has 0000:01:10.0"),
        ("c-3", "the claim's parameters.vlna is 7"),
        ("c-4", "there is no claim red/absent"),
        ("c-5", "another one by now"),
    ] {
        assert!(answers[uid].error.contains(expected), "{}", answers[uid].error);
        assert!(answers[uid].devices.is_empty());
    }
}

#[test]
fn a_claims_devices_are_nobody_elses_while_a_plugin_has_the_pool_again() {
    let mut running = Running::start(&for_claims(), 2);
    running
        .api
        .put_claim("red", "c", allocated("c-1", &["0000-01-10-1"], &["u1"], false));
    let driver = running.kubelet.driver(DRIVER, SOON);
    assert_eq!(
        driver.prepare(&[claim("red", "c", "c-1")]).unwrap().claims["c-1"].error,
        ""
    );
    drop(driver);
    let plugin = json!({"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}}]});
    running.restart(&plugin);
    let resource = "intel.com/vfs";
    let is_right = |devices: &[hardwire_proto::deviceplugin::Device]| {
        devices
            .iter()
            .map(|device| device.health.as_str())
            .eq(["Healthy", "Unhealthy"])
    };
    running.kubelet.wait_for_devices(resource, is_right, SOON).unwrap();
    // The driver is there as long as the claim is, so that its pod can end.
    let driver = running.kubelet.driver(DRIVER, SOON);
    driver.unprepare(&[claim("red", "c", "c-1")]).unwrap();
    let all_well =
        |devices: &[hardwire_proto::deviceplugin::Device]| devices.iter().all(|device| device.health == "Healthy");
    running.kubelet.wait_for_devices(resource, all_well, SOON).unwrap();
}

#[test]
fn a_daemon_that_is_killed_before_it_answers_answers_the_same_afterwards() {
    let mut running = Running::start(&for_claims(), 2);
    let asked = [claim("red", "c", "c-1")];
    running
        .api
        .put_claim("red", "c", allocated("c-1", &["0000-01-10-1"], &["u1"], false));
    let first = running.kubelet.driver(DRIVER, SOON).prepare(&asked).unwrap();
    // As if it had been killed between the record and the spec.
    running.daemon.signal(Signal::KILL);
    fs::remove_file(running.site.cdi_dir().join("hardwire-claim-c-1.json")).unwrap();
    running.restart(&for_claims());
    assert_eq!(running.kubelet.driver(DRIVER, SOON).prepare(&asked).unwrap(), first);
    assert!(running.site.cdi_dir().join("hardwire-claim-c-1.json").exists());
}
