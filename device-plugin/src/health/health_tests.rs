//! The judgement.

use hardwire_pci::NodeUse;

use super::*;
use crate::ledger::Holding;
use crate::ledger::podresources::Holder;

const RESOURCE: &str = "intel.com/pool";

/// Of an attachment that stands there.
fn attached(attachment: Attachment) -> Ownership {
    Ownership::Held(Box::new(Holding {
        attachment: Some(attachment),
        ..Holding::default()
    }))
}

/// By a pod, as this resource.
fn held(resource: &str) -> Ownership {
    Ownership::Held(Box::new(Holding {
        pod: Some(Holder {
            namespace: "tenant".to_owned(),
            pod: "pod".to_owned(),
            container: "app".to_owned(),
            resource: resource.to_owned(),
        }),
        resource: Some(resource.to_owned()),
        ..Holding::default()
    }))
}

fn allocated() -> Ownership {
    Ownership::Held(Box::new(Holding {
        is_allocated: true,
        resource: Some(RESOURCE.to_owned()),
        ..Holding::default()
    }))
}

fn well() -> HealthInput<'static> {
    HealthInput {
        is_there: true,
        lost_pf: None,
        carrierless_pf: None,
        driver: Some("igbvf"),
        ownership: &Ownership::Free,
        resource: RESOURCE,
        is_for_claims: false,
        host_use: None,
        unselected: None,
        unattached: None,
        unprovisioned: None,
        is_being_provisioned: false,
        difference: None,
    }
}

fn text(input: &HealthInput<'_>) -> String {
    unhealthy_reason(input).map_or_else(|| "healthy".to_owned(), |unhealthy| unhealthy.to_string())
}

#[test]
fn each_reason_has_its_words() {
    let pf: DeviceId = "0000:01:00.0".parse().unwrap();
    let host_use = HostUse::Used(NodeUse::Upper("br0".to_owned()));
    let (orphaned, left) = (attached(Attachment::Orphaned), attached(Attachment::NotGivenBack));
    let other = held("intel.com/old");
    let cases = [
        (well(), "healthy"),
        (
            HealthInput {
                is_there: false,
                ..well()
            },
            "gone from the bus",
        ),
        (
            HealthInput {
                lost_pf: Some(&pf),
                ..well()
            },
            "its PF 0000:01:00.0 is gone",
        ),
        (
            HealthInput {
                carrierless_pf: Some(&pf),
                ..well()
            },
            "its PF 0000:01:00.0 has no carrier",
        ),
        (HealthInput { driver: None, ..well() }, "no driver is bound to it"),
        (
            HealthInput {
                host_use: Some(&host_use),
                ..well()
            },
            "it has the upper device br0",
        ),
        (
            HealthInput {
                unselected: Some("a.com/b selects it now".to_owned()),
                ..well()
            },
            "a.com/b selects it now",
        ),
        (
            HealthInput {
                difference: Some("vlan was 0, is 7"),
                ..well()
            },
            "free, but not in its idle state: vlan was 0, is 7",
        ),
        (
            HealthInput {
                ownership: &orphaned,
                ..well()
            },
            "under repair: its pod is gone and no DEL came",
        ),
        (
            HealthInput {
                ownership: &left,
                ..well()
            },
            "under repair: its DEL came, and could not give it back",
        ),
        (
            HealthInput {
                ownership: &other,
                ..well()
            },
            "tenant/pod has it as intel.com/old",
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(text(&input), expected, "{input:?}");
    }
}

#[test]
fn how_others_configure_their_device_is_their_business() {
    let host_use = HostUse::Used(NodeUse::Address([192, 0, 2, 1].into()));
    for ownership in [&attached(Attachment::Living), &held(RESOURCE)] {
        let theirs = HealthInput {
            ownership,
            host_use: Some(&host_use),
            unselected: Some("no selector matches".to_owned()),
            difference: Some("mtu was 1500, is 9000"),
            ..well()
        };
        assert_eq!(text(&theirs), "healthy");
        let broken = HealthInput {
            is_there: false,
            ..theirs
        };
        assert_eq!(text(&broken), "gone from the bus");
    }
}

#[test]
fn the_carrier_counts_for_devices_in_use_too() {
    let pf: DeviceId = "0000:01:00.0".parse().unwrap();
    let ownership = attached(Attachment::Living);
    let input = HealthInput {
        ownership: &ownership,
        carrierless_pf: Some(&pf),
        ..well()
    };
    assert_eq!(text(&input), "its PF 0000:01:00.0 has no carrier");
}

#[test]
fn rule_7_an_allocate_makes_nothing_healthy() {
    let host_use = HostUse::Used(NodeUse::Upper("br0".to_owned()));
    let ownership = allocated();
    for (input, expected) in [
        (
            HealthInput {
                difference: Some("vlan was 0, is 7"),
                ..well()
            },
            "free, but not in its idle state: vlan was 0, is 7",
        ),
        (
            HealthInput {
                host_use: Some(&host_use),
                ..well()
            },
            "it has the upper device br0",
        ),
    ] {
        let input = HealthInput {
            ownership: &ownership,
            ..input
        };
        assert_eq!(text(&input), expected);
    }
}

#[test]
fn rule_5_an_allocate_of_what_cannot_be_given_away_is_refused() {
    let host_use = HostUse::Used(NodeUse::Upper("br0".to_owned()));
    let pf: DeviceId = "0000:01:00.0".parse().unwrap();
    let (unknown, old) = (Ownership::Unknown("?".to_owned()), held("intel.com/old"));
    let (other, ours) = (held("other.io/plugin"), held(RESOURCE));
    let ending = [Attachment::Ending, Attachment::Orphaned, Attachment::NotGivenBack].map(attached);
    let of = |ownership| HealthInput { ownership, ..well() };
    let refused = |input: &HealthInput<'_>| refusal(input).is_some();
    for ownership in [&Ownership::Free, &unknown, &ours, &old, &other] {
        let used = HealthInput {
            host_use: Some(&host_use),
            ..of(ownership)
        };
        assert!(refused(&used), "whoever had it before: {ownership:?}");
    }
    for input in [
        HealthInput {
            is_there: false,
            ..well()
        },
        HealthInput { driver: None, ..well() },
        HealthInput {
            lost_pf: Some(&pf),
            ..well()
        },
    ] {
        assert!(refused(&input), "{input:?}");
    }
    for input in [
        well(),
        of(&unknown),
        of(&ours),
        of(&ending[0]),
        of(&ending[1]),
        of(&ending[2]),
        HealthInput {
            difference: Some("vlan was 0, is 7"),
            ..well()
        },
        HealthInput {
            carrierless_pf: Some(&pf),
            ..well()
        },
    ] {
        assert!(!refused(&input), "{input:?}");
    }
}

#[test]
fn a_device_that_is_not_as_configured_is_kept_back_from_the_next_pod_only() {
    let differs = HealthInput {
        unprovisioned: Some("its PF is not as configured: mtu is 1500, and 9000 wanted".to_owned()),
        ..well()
    };
    assert_eq!(unhealthy_reason(&differs).unwrap().kind(), "not-provisioned");
    assert_eq!(
        refusal(&differs),
        None,
        "what was given out before that was seen is granted"
    );
    let changing = HealthInput {
        is_being_provisioned: true,
        ..differs.clone()
    };
    assert_eq!(refusal(&changing).unwrap().kind(), "not-provisioned");
    let held = Ownership::Held(Box::new(Holding {
        is_away: true,
        ..Holding::default()
    }));
    let in_a_pod = HealthInput {
        ownership: &held,
        ..differs
    };
    assert_eq!(unhealthy_reason(&in_a_pod), None);
}
