//! Drivers are bound by a command only to what is surely nobody's.

use super::*;

/// A pool for VFIO, and one VF with its kernel driver.
fn wrong_driver() -> Facts {
    let mut facts =
        Facts::with_pools(&serde_json::json!([{"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"]}}]));
    facts.add_vf(0, Some("igbvf"));
    facts
}

#[test]
fn a_device_that_the_ledger_calls_free_is_bound_by_a_command() {
    let found = wrong(&wrong_driver());
    assert_eq!((found.len(), found[0].severity), (1, Severity::Error));
    assert!(
        matches!(&found[0].mend, Mend::Command { text, .. } if text.starts_with("modprobe vfio-pci; ")),
        "{found:?}"
    );
}

#[test]
fn a_device_in_use_or_not_known_to_be_free_is_never_unbound_by_a_command() {
    let by_hand = |facts: &Facts, word: &str| {
        let found = wrong(facts);
        assert!(
            matches!(&found[0].mend, Mend::ByHand(how) if how.contains(word)),
            "{found:?}"
        );
    };
    let mut attached = wrong_driver();
    attached.attach("0000:01:10.0", "red", "a");
    by_hand(&attached, "red/a");
    let mut held = wrong_driver();
    held.hold("red", "b", "intel.com/old", "0000:01:10.0");
    by_hand(&held, "red/b");
    let mut deaf = wrong_driver();
    deaf.kubelet.held = Err("no answer".to_owned());
    by_hand(&deaf, "does not tell");
    let mut hidden = wrong_driver();
    hidden.state.unknown = Some("an emptyDir".to_owned());
    by_hand(&hidden, "emptyDir");
}

#[test]
fn where_the_pool_has_devices_others_may_be_left_out_on_purpose() {
    let mut facts = wrong_driver();
    facts.add_vf(1, Some("vfio-pci"));
    let found = wrong(&facts);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Note), "{found:?}");
}

#[test]
fn of_the_drivers_that_a_pool_names_the_one_is_bound_that_others_of_the_kind_have() {
    let selector = serde_json::json!([{"resourceName": "vfs", "selectors": {"drivers": ["iavf", "igbvf"]}}]);
    let mut facts = Facts::with_pools(&selector);
    facts.add_vf(0, Some("vfio-pci"));
    let commands = |facts: &Facts| {
        let found = wrong(facts).into_iter().chain(missing(facts));
        let text = |finding: Finding| match finding.mend {
            Mend::Command { text, .. } => text,
            Mend::ByHand(how) => panic!("no command: {how}"),
        };
        found.map(text).collect::<Vec<_>>()
    };
    assert!(
        commands(&facts)[0].starts_with("modprobe iavf; "),
        "nothing else is known"
    );
    facts.add_vf(1, Some("igbvf"));
    facts.add_vf(2, None);
    let found = commands(&facts);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("modprobe igbvf; "), "{found:?}");
    assert!(!found[1].contains("iavf"), "{found:?}");
}

#[test]
fn a_driver_whose_name_is_no_plain_word_is_in_no_command() {
    let facts = wrong_driver();
    let devices: Vec<&Device> = facts.hardware.hardware.inventory.devices.iter().collect();
    for bad in ["$(reboot)", "-r", "a b"] {
        assert!(matches!(bind(bad, &devices, true), Mend::ByHand(_)), "{bad}");
        assert!(matches!(probe(Some(bad), &devices), Mend::ByHand(_)), "{bad}");
    }
}
