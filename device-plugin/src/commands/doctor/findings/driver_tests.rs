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
        matches!(&found[0].mend, Mend::Command { text, .. } if text.starts_with("modprobe vfio-pci && ")),
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
    assert!(
        matches!(&found[0].mend, Mend::Considered { how, .. } if how.contains("then leave them")),
        "{found:?}"
    );
}

/// A virtual machine of the node is no pod: neither the kubelet nor the journal knows it.
#[test]
fn rule_7_what_user_space_may_have_open_is_unbound_by_a_command_only_where_it_is_surely_closed() {
    let mut facts = Facts::sample();
    let vf = facts.add_vf(0, Some("vfio-pci"));
    let device = facts.hardware.hardware.inventory.devices.last_mut().unwrap();
    device.iommu_group = Some(7);
    let mend = |facts: &Facts| wrong(facts).remove(0).mend;
    let open = mend(&facts);
    assert!(
        matches!(&open, Mend::Considered { how, .. } if how.contains("fuser -v /dev/vfio/7")),
        "{open:?}"
    );
    facts.hardware.closed.insert(vf);
    let closed = mend(&facts);
    assert!(
        matches!(&closed, Mend::Command { text, .. } if text.starts_with("modprobe igbvf && echo > ")),
        "{closed:?}"
    );
    let device = facts.hardware.hardware.inventory.devices.last_mut().unwrap();
    device.driver = Some("uio_pci_generic".to_owned());
    facts.hardware.closed.clear();
    assert!(matches!(mend(&facts), Mend::Considered { .. }));
}

#[test]
fn nothing_is_unbound_where_the_driver_that_is_to_come_is_not_there() {
    let facts = wrong_driver();
    let devices: Vec<&Device> = facts.hardware.hardware.inventory.devices.iter().skip(1).collect();
    let text = |driver: &str, is_bound| match bind(driver, &devices, is_bound) {
        Mend::Command { text, .. } => text,
        other => panic!("{other:?}"),
    };
    let device = "/sys/bus/pci/devices/0000:01:10.0";
    for driver in ["vfio-pci", "uio_pci_generic"] {
        assert_eq!(
            text(driver, true),
            format!(
                "modprobe {driver} && echo {driver} > {device}/driver_override && \
                 echo 0000:01:10.0 > {device}/driver/unbind && echo 0000:01:10.0 > /sys/bus/pci/drivers_probe"
            )
        );
    }
    assert_eq!(
        text("igbvf", false),
        format!("modprobe igbvf && echo > {device}/driver_override && echo 0000:01:10.0 > /sys/bus/pci/drivers_probe")
    );
}

#[test]
fn a_missing_driver_is_the_kernels_as_others_of_the_pool_have_it() {
    let pools = serde_json::json!([{"resourceName": "right", "selectors": {"pfNames": ["eth0#2-3"]}}]);
    let mut facts = Facts::with_pools(&pools);
    for (index, driver) in [(0, Some("vfio-pci")), (1, Some("other")), (2, None), (3, Some("igbvf"))] {
        facts.add_vf(index, driver);
    }
    let driver = |facts: &Facts| {
        let lost = facts.hardware.hardware.inventory.get(&"0000:01:10.2".parse().unwrap());
        driver_of_siblings(facts, lost.unwrap()).map(str::to_owned)
    };
    assert_eq!(driver(&facts).as_deref(), Some("igbvf"));
    let devices = &mut facts.hardware.hardware.inventory.devices;
    devices.retain(|device| !matches!(device.driver.as_deref(), Some("igb" | "igbvf" | "other")));
    assert_eq!(driver(&facts), None, "user space's is nobody's example");
}

#[test]
fn of_the_drivers_that_a_pool_names_the_one_is_bound_that_others_of_the_kind_have() {
    let selector = serde_json::json!([{"resourceName": "vfs", "selectors": {"drivers": ["iavf", "igbvf"]}}]);
    let mut facts = Facts::with_pools(&selector);
    facts.add_vf(0, Some("vfio-pci"));
    let commands = |facts: &Facts| {
        let found = wrong(facts).into_iter().chain(missing(facts));
        let text = |finding: Finding| match finding.mend {
            Mend::Command { text, .. } | Mend::Considered { text, .. } => text,
            Mend::ByHand(how) => panic!("no command: {how}"),
        };
        found.map(text).collect::<Vec<_>>()
    };
    assert!(
        commands(&facts)[0].starts_with("modprobe iavf && "),
        "nothing else is known"
    );
    facts.add_vf(1, Some("igbvf"));
    facts.add_vf(2, None);
    let found = commands(&facts);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("modprobe igbvf && "), "{found:?}");
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
