//! The judgement.

use hardwire_pci::NodeUse;

use super::*;

fn well() -> Facts<'static> {
    Facts {
        is_there: true,
        lost_pf: None,
        carrierless_pf: None,
        driver: Some("igbvf"),
        usage: Usage::Free,
        claim: None,
        unselected: None,
        difference: None,
    }
}

fn text(facts: &Facts<'_>) -> String {
    judge(facts).map_or_else(|| "healthy".to_owned(), |ailment| ailment.to_string())
}

#[test]
fn each_ailment_has_its_reason() {
    let pf: DeviceId = "0000:01:00.0".parse().unwrap();
    let claim = Claim::Used(NodeUse::Upper("br0".to_owned()));
    let cases = [
        (well(), "healthy"),
        (
            Facts {
                is_there: false,
                ..well()
            },
            "gone from the bus",
        ),
        (
            Facts {
                lost_pf: Some(&pf),
                ..well()
            },
            "its PF 0000:01:00.0 is gone",
        ),
        (
            Facts {
                carrierless_pf: Some(&pf),
                ..well()
            },
            "its PF 0000:01:00.0 has no carrier",
        ),
        (Facts { driver: None, ..well() }, "no driver is bound to it"),
        (
            Facts {
                claim: Some(&claim),
                ..well()
            },
            "br0 stands on it",
        ),
        (
            Facts {
                unselected: Some("a.com/b selects it now".to_owned()),
                ..well()
            },
            "a.com/b selects it now",
        ),
        (
            Facts {
                difference: Some("vlan was 0, is 7"),
                ..well()
            },
            "free, but not in its idle state: vlan was 0, is 7",
        ),
        (
            Facts {
                usage: Usage::Orphaned,
                ..well()
            },
            "under repair: its pod is gone and no DEL came",
        ),
    ];
    for (facts, expected) in cases {
        assert_eq!(text(&facts), expected, "{facts:?}");
    }
}

#[test]
fn how_others_configure_their_device_is_their_business() {
    let claim = Claim::Used(NodeUse::Address([192, 0, 2, 1].into()));
    for usage in [Usage::Attached, Usage::Others] {
        let theirs = Facts {
            usage,
            claim: Some(&claim),
            unselected: Some("no selector matches".to_owned()),
            difference: Some("mtu was 1500, is 9000"),
            ..well()
        };
        assert_eq!(text(&theirs), "healthy");
        let broken = Facts {
            is_there: false,
            ..theirs
        };
        assert_eq!(text(&broken), "gone from the bus");
    }
}

#[test]
fn the_carrier_counts_for_devices_in_use_too() {
    let pf: DeviceId = "0000:01:00.0".parse().unwrap();
    let facts = Facts {
        usage: Usage::Attached,
        carrierless_pf: Some(&pf),
        ..well()
    };
    assert_eq!(text(&facts), "its PF 0000:01:00.0 has no carrier");
}
