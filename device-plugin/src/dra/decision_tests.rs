use serde_json::{Value, json};

use super::*;
use crate::dra::allocated::Configured;
use crate::dra::claimable::fixture::of_pool;
use crate::dra::parameters::{API_VERSION, KIND};

const DRIVER: &str = "hardwire.dev";

fn name() -> ClaimName {
    ClaimName {
        namespace: "red".to_owned(),
        name: "c".to_owned(),
        uid: "c-1".to_owned(),
    }
}

fn allocation(request: &str, device: &str) -> Allocation {
    Allocation {
        request: request.to_owned(),
        pool: "node1".to_owned(),
        device: device.to_owned(),
        ..Allocation::default()
    }
}

fn found(results: Vec<Allocation>) -> Allocated {
    Allocated {
        uid: "c-1".to_owned(),
        is_owned: true,
        is_allocated: true,
        reserved_for: vec!["u1".to_owned()],
        results,
        config: Vec::new(),
    }
}

fn configured(requests: &[&str], is_of_class: bool, fields: &Value) -> Configured {
    let mut parameters = json!({"apiVersion": API_VERSION, "kind": KIND});
    for (key, value) in fields.as_object().unwrap() {
        parameters[key] = value.clone();
    }
    Configured {
        requests: requests.iter().map(|request| (*request).to_owned()).collect(),
        is_of_class,
        parameters,
    }
}

fn decided(found: &Allocated, claimable: &Claimable, others: &[ClaimRecord]) -> Result<ClaimRecord, String> {
    decide(&name(), found, DRIVER, claimable, others)
}

#[test]
fn a_claim_has_the_devices_that_it_was_allocated_with_its_pools_network_and_its_own_word() {
    let pool = json!({"network": {"vlan": 7, "ipam": {"type": "host-local"}}, "interface": "vf%d"});
    let claimable = of_pool(&pool, 4);
    let mut found = found(vec![
        allocation("a", "0000-3b-02-1"),
        allocation("b/first", "0000-3b-02-2"),
    ]);
    found.config = vec![
        configured(&["b"], false, &json!({"vlan": 200, "interface": "data"})),
        configured(&[], true, &json!({"vlan": 100, "mtu": 1400})),
    ];
    let record = decided(&found, &claimable, &[]).unwrap();
    assert!(!record.is_shareable && record.is_for("u1"));
    let [first, second] = &record.devices[..] else {
        panic!("{record:?}")
    };
    assert_eq!(first.device.to_string(), "0000:3b:02.1");
    assert_eq!(
        Value::from(first.network.clone()),
        json!({"vlan": 100, "mtu": 1400, "ipam": {"type": "host-local"}})
    );
    assert_eq!(first.interface.as_ref().unwrap().to_string(), "vf%d");
    assert_eq!(
        (second.network["vlan"].clone(), second.main_request()),
        (json!(200), "b"),
        "the claim's word, not the class's"
    );
    assert_eq!(second.interface.as_ref().unwrap().to_string(), "data");
    assert_eq!(
        (second.pool.as_str(), second.resource.as_str()),
        ("node1", "intel.com/vfs")
    );
}

#[test]
fn what_is_not_the_claim_or_not_allocated_is_refused() {
    let claimable = of_pool(&Value::Null, 2);
    let refused = |change: fn(&mut Allocated)| {
        let mut found = found(vec![allocation("a", "0000-3b-02-1")]);
        change(&mut found);
        decided(&found, &claimable, &[]).unwrap_err()
    };
    for (error, expected) in [
        (
            refused(|found| found.uid = "c-2".to_owned()),
            "another one by now: its uid is c-2",
        ),
        (refused(|found| found.is_allocated = false), "not allocated"),
        (
            refused(|found| found.results[0].device = "0000-3b-09-1".to_owned()),
            "no pool of this node",
        ),
        (refused(|found| found.results[0].admin_access = true), "adminAccess"),
        (
            refused(|found| found.results[0].share_id = Some("s".to_owned())),
            "shareID",
        ),
        (
            refused(|found| found.results.push(found.results[0].clone())),
            "allocated twice",
        ),
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_device_that_somebody_has_or_that_is_not_given_out_is_refused_with_the_reason() {
    let mut claimable = of_pool(&Value::Null, 2);
    let asked = found(vec![allocation("a", "0000-3b-02-1")]);
    let mut other = decided(&asked, &claimable, &[]).unwrap();
    assert_eq!(
        decided(&asked, &claimable, &[other.clone()]).unwrap(),
        other,
        "its own record is no other's"
    );
    (other.claim.uid, other.claim.name) = ("c-9".to_owned(), "theirs".to_owned());
    let error = decided(&asked, &claimable, &[other]).unwrap_err();
    assert!(error.contains("claim red/theirs has 0000:3b:02.1"), "{error}");
    let id: hardwire_pci::DeviceId = "0000:3b:02.1".parse().unwrap();
    claimable.pools[0].devices.get_mut(&id).unwrap().held_as = Some("red/web has it as intel.com/vfs".to_owned());
    let error = decided(&asked, &claimable, &[]).unwrap_err();
    assert!(error.contains("red/web has it as intel.com/vfs"), "{error}");
    claimable.pools[0].devices.get_mut(&id).unwrap().refused = Some("no driver is bound to it".to_owned());
    let error = decided(&asked, &claimable, &[]).unwrap_err();
    assert!(
        error.contains("0000:3b:02.1 is not given out: no driver is bound to it"),
        "{error}"
    );
}

#[test]
fn parameters_are_refused_with_request_field_and_value() {
    let refused = |pool: &Value, fields: &Value| {
        let mut found = found(vec![allocation("a", "0000-3b-02-1")]);
        found.config = vec![configured(&["a"], false, fields)];
        decided(&found, &of_pool(pool, 2), &[]).unwrap_err()
    };
    let error = refused(&Value::Null, &json!({"vlna": 7}));
    assert!(
        error.starts_with("request a, device 0000-3b-02-1: the claim's parameters.vlna is 7: expected"),
        "{error}"
    );
    let error = refused(&Value::Null, &json!({"vlan": 5000}));
    assert!(
        error.contains("pool intel.com/vfs: ") && error.contains("vlan: 5000 is not valid"),
        "{error}"
    );
    let error = refused(&json!({"allow": {"vlan": ["100-199"]}}), &json!({"vlan": 200}));
    assert!(error.contains("vlan: 200 is more than the pool allows"), "{error}");
    let error = refused(&json!({"attach": "multus"}), &json!({"vlan": 100}));
    assert!(error.contains("attach: multus, where a NAD says"), "{error}");
}

#[test]
fn what_is_for_another_request_is_nobodys_else() {
    let mut found = found(vec![allocation("a", "0000-3b-02-1")]);
    found.config = vec![configured(&["b"], false, &json!({"vlna": 7}))];
    assert!(decided(&found, &of_pool(&Value::Null, 2), &[]).is_ok());
}

#[test]
fn a_claim_that_no_pod_owns_may_be_shared() {
    let mut found = found(vec![allocation("a", "0000-3b-02-1")]);
    found.is_owned = false;
    assert!(decided(&found, &of_pool(&Value::Null, 2), &[]).unwrap().is_shareable);
}

#[test]
fn what_goes_into_paths_is_a_name() {
    assert!(name().check().is_ok());
    for (namespace, claim, uid) in [
        ("../x", "c", "c-1"),
        ("red", "a/b", "c-1"),
        ("red", "c", ".."),
        ("", "c", "c-1"),
        ("red", "c?x", "c-1"),
    ] {
        let name = ClaimName {
            namespace: namespace.to_owned(),
            name: claim.to_owned(),
            uid: uid.to_owned(),
        };
        assert!(name.check().is_err(), "{name:?}");
    }
}
