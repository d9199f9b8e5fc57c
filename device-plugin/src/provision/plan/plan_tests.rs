use std::sync::LazyLock;

use hardwire_pci::netlink::VfState;
use serde_json::{Value, json};

use super::super::now::VfNow;
use super::super::record::PfFacts;
use super::super::step;
use super::*;
use crate::config::pfs::{EswitchMode, PfEntry, PfIdentity};
use crate::config::{Config, Defaults};

fn boxed(settings: &Value) -> Box<PfEntry> {
    Box::new(entry(settings))
}

fn entry(settings: &Value) -> PfEntry {
    let mut entry = json!({"selectors": {"pfNames": ["pf"]}});
    entry
        .as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    let defaults = Defaults {
        resource_prefix: "a.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let mut config = Config::from_json(json!({"pfs": [entry]}), &defaults).unwrap();
    assert_eq!(config.pfs.refused, []);
    config.pfs.entries.remove(0)
}

fn vf(index: u32, driver: &str) -> VfNow {
    VfNow {
        index,
        id: Some(format!("0000:01:10.{index}").parse().unwrap()),
        driver: Some(driver.to_owned()),
        mtu: Some(1500),
        state: Some(VfState {
            spoofchk: Some(true),
            trust: Some(false),
            ..VfState::default()
        }),
        ..VfNow::default()
    }
}

fn pf(driver: &str, count: u32, vf_driver: &str) -> PfNow {
    PfNow {
        id: "0000:01:00.0".parse().unwrap(),
        identity: PfIdentity {
            address: "0000:01:00.0".to_owned(),
            name: Some("pf".to_owned()),
            driver: Some(driver.to_owned()),
            ..PfIdentity::default()
        },
        interface: Some(("pf".parse().unwrap(), 7)),
        total_vfs: Some(64),
        num_vfs: count,
        autoprobe: Some(true),
        mtu: Some(1500),
        mtu_range: Some((68, 9216)),
        is_up: Some(true),
        mode: match driver {
            "ice" | "mlx5_core" | "bnxt_en" | "netdevsim" => Some(EswitchMode::Legacy),
            _ => None,
        },
        instance: Some(1),
        used_by_node: None,
        vfs: (0..count).map(|index| vf(index, vf_driver)).collect(),
    }
}

static NOBODY: LazyLock<Holders> = LazyLock::new(Holders::default);
static HAS_DRIVER: fn(&str) -> bool = |driver| driver != "absent";

/// Everybody is heard, and nobody has anything.
fn planned_with<'a>(pf: &PfNow, wanted: &Wanted, change: impl FnOnce(&mut Around<'a>)) -> PfPlan {
    let mut around = Around {
        holders: &NOBODY,
        record: None,
        boot: "b",
        owner: None,
        forced: false,
        has_driver: &HAS_DRIVER,
    };
    change(&mut around);
    plan(pf, wanted, &around)
}

fn planned(pf: &PfNow, settings: &Value) -> PfPlan {
    planned_with(pf, &Wanted::Entry(boxed(settings)), |_around| ())
}

fn words(plan: &PfPlan) -> Vec<String> {
    let steps: Vec<Step> = plan.steps.iter().map(|planned| planned.step.clone()).collect();
    step::in_words(&steps).into_iter().map(|(_, words)| words).collect()
}

#[test]
fn each_driver_has_its_order() {
    let switchdev =
        || json!({"numVfs": 2, "eswitchMode": "switchdev", "mtu": 9000, "vfs": [{"indices": "0-1", "mtu": 9000}]});
    for (driver, count, settings, expected) in [
        // The PF of igb is up before, and its MTU, which resets it, is set while there are no VFs.
        (
            "igb",
            0,
            json!({"numVfs": 7, "mtu": 9000, "vfs": [{"indices": "0-3", "trust": true, "mtu": 9000}, {"indices": "4-6", "driver": "vfio-pci"}]}),
            vec![
                "set the PF up",
                "MTU 9000 of the PF",
                "make 7 VFs",
                "VFs 0-3: trust on",
                "VFs 4-6: bind to vfio-pci",
                "VFs 0-3: MTU 9000",
            ],
        ),
        ("ixgbe", 4, json!({"numVfs": 2}), vec!["remove its 4 VFs", "make 2 VFs"]),
        (
            "ice",
            4,
            switchdev(),
            vec![
                "remove its 4 VFs",
                "MTU 9000 of the PF",
                "eswitch mode switchdev",
                "make 2 VFs",
                "VFs 0-1: MTU 9000",
            ],
        ),
        (
            "ice",
            2,
            json!({"eswitchMode": "switchdev"}),
            vec!["remove its 2 VFs", "eswitch mode switchdev", "make 2 VFs"],
        ),
        (
            "mlx5_core",
            0,
            switchdev(),
            vec![
                "MTU 9000 of the PF",
                "make 2 VFs",
                "unbind all VFs",
                "eswitch mode switchdev",
                "bind all VFs to their default drivers",
                "VFs 0-1: MTU 9000",
            ],
        ),
        (
            "mlx5_core",
            2,
            json!({"eswitchMode": "switchdev"}),
            vec![
                "unbind all VFs",
                "eswitch mode switchdev",
                "bind all VFs to their default drivers",
            ],
        ),
        (
            "bnxt_en",
            0,
            json!({"numVfs": 2, "eswitchMode": "switchdev"}),
            vec!["set the PF up", "make 2 VFs", "eswitch mode switchdev"],
        ),
        (
            "netdevsim",
            0,
            json!({"numVfs": 64, "eswitchMode": "switchdev"}),
            vec!["make 64 VFs", "eswitch mode switchdev"],
        ),
        ("netdevsim", 4, json!({"numVfs": 0}), vec!["remove its 4 VFs"]),
        // Nobody knows this one.
        (
            "qede",
            0,
            json!({"numVfs": 2, "driversAutoprobe": false, "linkUp": false}),
            vec!["new VFs get no drivers", "make 2 VFs"],
        ),
        (
            "qede",
            1,
            json!({"numVfs": 1, "vfs": [{"indices": 0, "msixCount": 8}]}),
            vec!["VF 0: 8 MSI-X vectors", "VF 0: bind to its default driver"],
        ),
    ] {
        let mut now = pf(driver, count, "vfdrv");
        now.is_up = Some(false);
        let plan = planned(&now, &settings);
        assert_eq!(plan.refused, [] as [&str; 0], "{driver}: {settings}");
        assert_eq!(words(&plan), expected, "{driver}: {settings}");
        assert_eq!(plan.outlook(), Outlook::Changes);
    }
}

#[test]
fn a_mode_that_goes_with_the_last_vf_is_set_again() {
    let mut now = pf("netdevsim", 4, "netdevsim");
    now.mode = Some(EswitchMode::Switchdev);
    assert_eq!(
        words(&planned(&now, &json!({"numVfs": 2}))),
        ["remove its 4 VFs", "make 2 VFs", "eswitch mode switchdev"]
    );
    let mut mlx5 = pf("mlx5_core", 4, "mlx5_core");
    mlx5.mode = Some(EswitchMode::Switchdev);
    assert_eq!(
        words(&planned(&mlx5, &json!({"numVfs": 2}))),
        ["remove its 4 VFs", "make 2 VFs"]
    );
}

#[test]
fn what_is_as_wanted_has_no_steps_and_no_differences() {
    let mut now = pf("igb", 2, "igbvf");
    now.vfs[1].driver = Some("vfio-pci".to_owned());
    let settings = json!({"numVfs": 2, "mtu": 1500, "linkUp": true, "driversAutoprobe": true, "vfs": [
        {"indices": 0, "driver": "default", "trust": false, "spoofchk": true, "vlan": 0, "mtu": 1500, "maxTxRate": 0},
        {"indices": 1, "driver": "vfio-pci"}]});
    let plan = planned(&now, &settings);
    assert_eq!(
        (plan.outlook(), plan.differences.len()),
        (Outlook::Nothing, 0),
        "{plan:?}"
    );
    assert_eq!(plan.outlook().exit_status(), 0);
}

#[test]
fn only_what_differs_of_a_vf_is_changed() {
    let mut now = pf("igb", 3, "igbvf");
    now.vfs[2].driver_override = Some("vfio-pci".to_owned());
    let settings = json!({"vfs": [{"indices": "0-1", "vlan": 100, "trust": false, "mtu": 1400}, {"indices": 2, "driver": "default"}]});
    let plan = planned(&now, &settings);
    assert_eq!(
        words(&plan),
        [
            "VFs 0-1: vlan 100",
            "VF 2: bind to its default driver",
            "VFs 0-1: MTU 1400"
        ]
    );
    let differences: Vec<String> = plan.differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        differences[..2],
        ["VF 0: vlan 100 wanted", "VF 0: mtu is 1500, and 1400 wanted"]
    );
}

#[test]
fn a_count_is_not_changed_under_a_vf_that_any_witness_says_is_held() {
    let now = pf("igb", 7, "igbvf");
    let mut holders = Holders::default();
    holders.note(
        "0000:01:10.5".to_owned(),
        "held by pod default/x (container main)".to_owned(),
    );
    let wanted = Wanted::Entry(boxed(&json!({"numVfs": 4})));
    for forced in [false, true] {
        let plan = planned_with(&now, &wanted, |around| {
            around.holders = &holders;
            around.forced = forced;
        });
        assert_eq!(
            plan.refused,
            ["VF 5 (0000:01:10.5) is held by pod default/x (container main): not done: remove its 7 VFs"]
        );
        assert_eq!((plan.outlook().exit_status(), plan.is_to_be_done()), (2, false));
    }
    let mut open = pf("igb", 7, "vfio-pci");
    open.vfs[5].used = Some("open in user space through vfio-pci (its file enable says 1)".to_owned());
    let plan = planned(&open, &json!({"numVfs": 4}));
    assert!(
        plan.refused[0].starts_with("VF 5 (0000:01:10.5) is open in user space"),
        "{:?}",
        plan.refused
    );
    let mut unknown = Holders::default();
    unknown.not_heard("the kubelet says nothing".to_owned());
    let plan = planned_with(&now, &wanted, |around| around.holders = &unknown);
    assert!(
        plan.refused[0].contains("not known (the kubelet says nothing)"),
        "{:?}",
        plan.refused
    );
    let none = planned_with(&pf("igb", 0, ""), &wanted, |around| around.holders = &unknown);
    assert_eq!(none.refused, [] as [&str; 0], "there is no VF that anybody could have");
}

#[test]
fn a_vf_that_is_held_waits_and_its_neighbours_do_not() {
    let now = pf("igb", 3, "igbvf");
    let mut holders = Holders::default();
    holders.note("0000:01:10.1".to_owned(), "held by x".to_owned());
    let wanted = Wanted::Entry(boxed(
        &json!({"vfs": [{"indices": "0-2", "driver": "vfio-pci", "vlan": 5}]}),
    ));
    let plan = planned_with(&now, &wanted, |around| around.holders = &holders);
    assert_eq!(
        words(&plan),
        [
            "VF 0: vlan 5",
            "VF 2: vlan 5",
            "VF 0: bind to vfio-pci",
            "VF 2: bind to vfio-pci"
        ]
    );
    // Its VLAN is the pod's business.
    assert_eq!(
        plan.waiting,
        ["VF 1 (0000:01:10.1): its driver is igbvf, and vfio-pci wanted: held by x"]
    );
    assert!(plan.is_to_be_done() && plan.outlook() == Outlook::Refused);
}

#[test]
fn an_mtu_is_lowered_last_and_not_under_anybody() {
    let mut now = pf("ice", 2, "iavf");
    (now.mtu, now.vfs[0].mtu) = (Some(9000), Some(9000));
    let settings = json!({"mtu": 1500, "vfs": [{"indices": 0, "mtu": 1500}]});
    assert_eq!(
        words(&planned(&now, &settings)),
        ["VF 0: MTU 1500", "MTU 1500 of the PF"]
    );
    now.vfs[1].used = Some("in use: x".to_owned());
    let plan = planned(&now, &settings);
    assert!(
        plan.refused[0].contains("VF 1 (0000:01:10.1) is in use"),
        "{:?}",
        plan.refused
    );
    let raised = planned(&now, &json!({"mtu": 9200}));
    assert_eq!(
        (words(&raised), raised.refused.len()),
        (vec!["MTU 9200 of the PF".to_owned()], 0)
    );
    let mut igb = pf("igb", 1, "igbvf");
    igb.vfs[0].used = Some("in use: x".to_owned());
    assert_eq!(
        planned(&igb, &json!({"mtu": 9000})).refused.len(),
        1,
        "it resets all VFs"
    );
}

#[test]
fn limits_are_said_with_the_limit() {
    for (driver, settings, expected) in [
        (
            "igb",
            json!({"numVfs": 65}),
            "pfs[0] (pf): numVfs is 65: it has at most 64 (sriov_totalvfs)",
        ),
        ("igb", json!({"mtu": 9300}), "mtu is 9300: its driver takes 68 to 9216"),
        ("igb", json!({"eswitchMode": "switchdev"}), "igb has no such switch"),
        (
            "qede",
            json!({"eswitchMode": "switchdev"}),
            "devlink knows of no switch",
        ),
        (
            "igb",
            json!({"numVfs": 1, "vfs": [{"indices": 0, "linkState": "enable"}]}),
            "vfs[0].linkState: igb: its driver cannot set it",
        ),
        (
            "igb",
            json!({"numVfs": 1, "vfs": [{"indices": 0, "minTxRate": 10}]}),
            "vfs[0].minTxRate: igb: its driver guarantees no rate",
        ),
        (
            "i40e",
            json!({"numVfs": 1, "vfs": [{"indices": 0, "vlan": 5, "vlanProto": "802.1ad"}]}),
            "vfs[0].vlanProto: i40e: its driver knows 802.1q only",
        ),
        (
            "igb",
            json!({"vfs": [{"indices": 9, "trust": true}]}),
            "vfs[0].indices: VF 9 is wanted, and it has 0 VFs",
        ),
        (
            "igb",
            json!({"numVfs": 1, "vfs": [{"indices": 0, "driver": "absent"}]}),
            "the kernel has no driver absent: load it (modprobe absent; echo absent >>/etc/modules-load.d/hardwire.conf)",
        ),
        (
            "netdevsim",
            json!({"numVfs": 1, "vfs": [{"indices": 0, "driver": "vfio-pci"}]}),
            "vfs[0].driver: VFs of netdevsim are no functions",
        ),
        (
            "netdevsim",
            json!({"numVfs": 1, "eswitchMode": "switchdev", "vfs": [{"indices": 0, "maxTxRate": 10}]}),
            "netdevsim sets no rates of VFs in mode switchdev",
        ),
        (
            "mlx4_core",
            json!({"numVfs": 1}),
            "mlx4_core: its VFs are made by the module's parameters",
        ),
    ] {
        let plan = planned(&pf(driver, 0, ""), &settings);
        assert!(
            plan.refused.iter().any(|why| why.contains(expected)),
            "{driver} {settings}: {:?}",
            plan.refused
        );
        assert_eq!((plan.steps.len(), plan.outlook()), (0, Outlook::Refused));
    }
    let mut unbound = pf("igb", 0, "");
    unbound.identity.driver = None;
    assert!(planned(&unbound, &json!({"numVfs": 1})).refused[0].contains("/etc/modules-load.d/hardwire.conf"));
}

#[test]
fn what_others_make_is_only_compared() {
    let now = pf("igb", 0, "");
    let wanted = Wanted::Entry(boxed(&json!({"numVfs": 4})));
    let owner = "netplan (/etc/netplan/50.yaml)";
    let theirs = planned_with(&now, &wanted, |around| around.owner = Some(owner));
    assert!(
        theirs.refused[0].starts_with(owner) && theirs.refused[0].contains("--force pf"),
        "{:?}",
        theirs.refused
    );
    assert_eq!(theirs.differences.len(), 1);
    let taken = planned_with(&now, &wanted, |around| {
        around.owner = Some(owner);
        around.forced = true;
    });
    assert_eq!(words(&taken), ["make 4 VFs"]);
    let external = planned(
        &pf("igb", 2, "igbvf"),
        &json!({"externallyManaged": true, "numVfs": 4, "vfs": [{"indices": 0, "trust": true}]}),
    );
    assert_eq!(words(&external), ["VF 0: trust on"]);
    assert!(
        external.waiting[0].contains("numVfs is 2, and 4 wanted: somebody else makes its VFs"),
        "{:?}",
        external.waiting
    );
}

#[test]
fn a_link_that_the_node_uses_is_cut_only_by_force() {
    let mut now = pf("igb", 0, "");
    now.used_by_node = Some("it carries the node's address 10.0.0.1".to_owned());
    let wanted = Wanted::Entry(boxed(&json!({"numVfs": 4})));
    let plan = planned_with(&now, &wanted, |_around| ());
    assert!(
        plan.refused[0].contains("10.0.0.1") && plan.refused[0].contains("--force pf"),
        "{:?}",
        plan.refused
    );
    assert!(planned_with(&now, &wanted, |around| around.forced = true).is_to_be_done());
    now.identity.driver = Some("ice".to_owned());
    assert!(
        planned_with(&now, &wanted, |_around| ()).is_to_be_done(),
        "making VFs does not cut it there"
    );
}

#[test]
fn two_entries_for_a_pf_are_refused() {
    let wanted = Wanted::of(
        &pf("igb", 0, ""),
        &[entry(&json!({"numVfs": 4})), entry(&json!({"numVfs": 5}))],
        None,
    );
    let plan = planned_with(&pf("igb", 0, ""), &wanted.unwrap(), |_around| ());
    assert!(
        plan.refused[0].contains("pfs[0] (pf) and pfs[0] (pf)"),
        "{:?}",
        plan.refused
    );
}

fn record(set: u32) -> Record {
    Record {
        version: Record::VERSION,
        pf: "0000:01:00.0".parse().unwrap(),
        boot: "b".to_owned(),
        instance: Some(1),
        pending: false,
        before: PfFacts {
            num_vfs: Some(2),
            mtu: Some(1500),
            ..PfFacts::default()
        },
        set: PfFacts {
            num_vfs: Some(set),
            mtu: Some(9000),
            ..PfFacts::default()
        },
    }
}

#[test]
fn only_what_is_on_record_as_ours_is_undone() {
    let mut now = pf("igb", 7, "igbvf");
    now.mtu = Some(9000);
    let ours = record(7);
    let undo = |now: &PfNow, record: &Record| {
        let wanted = Wanted::of(now, &[], Some(record)).unwrap();
        planned_with(now, &wanted, |around| around.record = Some(record))
    };
    let plan = undo(&now, &ours);
    assert_eq!(
        words(&plan),
        [
            "remove its 7 VFs",
            "MTU 1500 of the PF",
            "make 2 VFs",
            "forget that its VFs were made by hardwired"
        ]
    );
    now.mtu = Some(4000);
    assert_eq!(words(&undo(&now, &ours))[1], "make 2 VFs", "somebody else set that MTU");
    // After a boot there is nothing to undo.
    let mut booted = pf("igb", 0, "");
    booted.instance = Some(2);
    let plan = undo(
        &booted,
        &Record {
            boot: "a".to_owned(),
            ..ours.clone()
        },
    );
    assert_eq!((words(&plan).len(), plan.is_to_be_done()), (1, true));
    assert_eq!(Wanted::of(&now, &[], None), None);
}

#[test]
fn a_count_that_somebody_else_changed_makes_the_pf_theirs() {
    let now = pf("igb", 4, "igbvf");
    let wanted = Wanted::Entry(boxed(&json!({"numVfs": 7})));
    let with = |record: Record, now: &PfNow| planned_with(now, &wanted, |around| around.record = Some(&record)).refused;
    let refused = with(record(7), &now);
    assert!(
        refused[0].contains("hardwired made 7, and there are 4 now"),
        "{refused:?}"
    );
    let pending = Record {
        pending: true,
        ..record(7)
    };
    let another_boot = Record {
        boot: "a".to_owned(),
        ..record(7)
    };
    for record in [pending, another_boot] {
        assert_eq!(with(record, &now), [] as [&str; 0]);
    }
    // Its driver was bound anew.
    let mut reset = pf("igb", 0, "");
    reset.instance = Some(2);
    assert_eq!(with(record(7), &reset), [] as [&str; 0]);
}

#[test]
fn what_a_killed_apply_left_is_finished() {
    let mut now = pf("igb", 2, "vfio-pci");
    now.vfs[0].driver_override = Some("vfio-pci".to_owned());
    now.vfs[1].driver = None;
    let wanted = Wanted::Entry(boxed(
        &json!({"numVfs": 2, "vfs": [{"indices": 0, "driver": "vfio-pci"}]}),
    ));
    let left = Record {
        pending: true,
        ..record(2)
    };
    let plan = planned_with(&now, &wanted, |around| around.record = Some(&left));
    assert_eq!(
        words(&plan),
        ["bind all VFs to their default drivers", "VF 0: bind to vfio-pci"]
    );
    // Where nothing was left, an override is an operator's own.
    assert_eq!(words(&planned_with(&now, &wanted, |_around| ())), [] as [&str; 0]);
}
