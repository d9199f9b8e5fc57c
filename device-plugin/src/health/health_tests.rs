//! The judgement.

use hardwire_pci::NodeUse;

use super::*;

fn well() -> HealthInput<'static> {
    HealthInput {
        is_there: true,
        lost_pf: None,
        carrierless_pf: None,
        driver: Some("igbvf"),
        usage: Usage::Free,
        host_use: None,
        unselected: None,
        difference: None,
    }
}

fn text(input: &HealthInput<'_>) -> String {
    unhealthy_reason(input).map_or_else(|| "healthy".to_owned(), |unhealthy| unhealthy.to_string())
}

#[test]
fn each_ailment_has_its_reason() {
    let pf: DeviceId = "0000:01:00.0".parse().unwrap();
    let host_use = HostUse::Used(NodeUse::Upper("br0".to_owned()));
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
            "br0 stands on it",
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
                usage: Usage::Orphaned,
                ..well()
            },
            "under repair: its pod is gone and no DEL came",
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(text(&input), expected, "{input:?}");
    }
}

#[test]
fn how_others_configure_their_device_is_their_business() {
    let host_use = HostUse::Used(NodeUse::Address([192, 0, 2, 1].into()));
    for usage in [Usage::Attached, Usage::HeldElsewhere] {
        let theirs = HealthInput {
            usage,
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
    let input = HealthInput {
        usage: Usage::Attached,
        carrierless_pf: Some(&pf),
        ..well()
    };
    assert_eq!(text(&input), "its PF 0000:01:00.0 has no carrier");
}
