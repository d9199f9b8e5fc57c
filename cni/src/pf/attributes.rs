//! Attributes between the three forms they have: fields of a configuration, state of a VF, parts of a message.

use hardwire_pci::MacAddr;
use hardwire_pci::netlink::{VfLinkState, VfState, VlanProtocol};

use super::original::{OriginalVf, OwnAddress};
use crate::config::VfSettings;
use crate::kernel::VfAttribute;

/// What to set for an attachment, in the kernel's order: what `settings` ask for, and, where the VF was left in another
/// state than `baseline`, what nobody asks for, so that no pod gets what another left. Its admin MAC is not among that: the
/// drivers change it by themselves.
pub(super) fn wanted(settings: &VfSettings, before: &VfState, baseline: Option<&VfState>) -> Vec<VfAttribute> {
    let mut wanted = requested(settings, before);
    let left = baseline.map(|baseline| differing(baseline, before)).unwrap_or_default();
    let is_unasked = |attribute: &VfAttribute| {
        let same = |other: &VfAttribute| std::mem::discriminant(attribute) == std::mem::discriminant(other);
        !matches!(attribute, VfAttribute::Mac(_)) && !wanted.iter().any(same)
    };
    let left: Vec<VfAttribute> = left.into_iter().filter(is_unasked).collect();
    wanted.extend(left);
    wanted.sort_by_key(order);
    wanted
}

/// The order in which the kernel applies them (`do_setvfinfo`).
fn order(attribute: &VfAttribute) -> u8 {
    match attribute {
        VfAttribute::Mac(_) => 0,
        VfAttribute::Vlan { .. } => 1,
        VfAttribute::Rate { .. } => 2,
        VfAttribute::SpoofCheck(_) => 3,
        VfAttribute::LinkState(_) => 4,
        VfAttribute::Trust(_) => 5,
    }
}

/// What `settings` ask for, in the kernel's order. A rate that is not given keeps its value: the kernel takes both at once.
fn requested(settings: &VfSettings, before: &VfState) -> Vec<VfAttribute> {
    // Each field by its name, here and below: the compiler says where a new one has to be thought of.
    let VfSettings {
        mac,
        vlan,
        min_tx_rate,
        max_tx_rate,
        spoofchk,
        trust,
        link_state,
    } = *settings;
    let rate = (min_tx_rate.is_some() || max_tx_rate.is_some()).then(|| VfAttribute::Rate {
        min: min_tx_rate.unwrap_or(before.min_tx_rate),
        max: max_tx_rate.unwrap_or(before.max_tx_rate),
    });
    let attributes = [
        mac.map(VfAttribute::Mac),
        vlan.map(|vlan| VfAttribute::Vlan {
            id: vlan.id.get(),
            qos: vlan.qos,
            protocol: vlan.protocol,
        }),
        rate,
        spoofchk.map(VfAttribute::SpoofCheck),
        link_state.map(VfAttribute::LinkState),
        trust.map(VfAttribute::Trust),
    ];
    attributes.into_iter().flatten().collect()
}

/// The state after `attributes` were applied to `before`.
pub(super) fn after(attributes: &[VfAttribute], before: &VfState) -> VfState {
    let mut state = *before;
    for attribute in attributes {
        match *attribute {
            VfAttribute::Mac(mac) => state.mac = Some(mac),
            VfAttribute::Vlan { id, qos, protocol } => {
                (state.vlan, state.qos, state.vlan_protocol) = (id, qos, protocol);
            }
            VfAttribute::Rate { min, max } => (state.min_tx_rate, state.max_tx_rate) = (min, max),
            VfAttribute::SpoofCheck(on) => state.spoofchk = Some(on),
            VfAttribute::LinkState(link_state) => state.link_state = link_state,
            VfAttribute::Trust(on) => state.trust = Some(on),
        }
    }
    state
}

/// What to set so that a VF in state `other` is in state `target` again. A setting that the driver could not tell before
/// cannot be put back: it is no part of the state.
pub(super) fn differing(target: &VfState, other: &VfState) -> Vec<VfAttribute> {
    let VfState {
        mac,
        vlan: id,
        qos,
        vlan_protocol: protocol,
        min_tx_rate: min,
        max_tx_rate: max,
        spoofchk,
        trust,
        // Nothing here sets it.
        query_rss: _,
        link_state,
    } = *target;
    let attributes = [
        mac.filter(|_| mac != other.mac).map(VfAttribute::Mac),
        (vlan(target) != vlan(other)).then_some(VfAttribute::Vlan { id, qos, protocol }),
        (rate(target) != rate(other)).then_some(VfAttribute::Rate { min, max }),
        spoofchk
            .filter(|_| spoofchk != other.spoofchk)
            .map(VfAttribute::SpoofCheck),
        (link_state != other.link_state).then_some(VfAttribute::LinkState(link_state)),
        trust.filter(|_| trust != other.trust).map(VfAttribute::Trust),
    ];
    attributes.into_iter().flatten().collect()
}

/// What to set after an attachment. An admin MAC that nobody had set is none again, whatever was shown. A VF driver that
/// comes up reports its own address, which some PFs (igb) then show as admin MAC where none was set; nobody asked for it,
/// and it goes again.
pub(super) fn to_restore(vf: &OriginalVf) -> Vec<VfAttribute> {
    let mut attributes = differing(&vf.state, &vf.requested);
    let unset = VfAttribute::Mac(MacAddr::ZERO);
    if let Some(touched) = attributes.iter_mut().find(|a| matches!(a, VfAttribute::Mac(_))) {
        if vf.admin_mac().is_none() {
            *touched = unset;
        }
    } else if !attributes.is_empty() && vf.state.mac == Some(MacAddr::ZERO) {
        attributes.insert(0, unset);
    }
    attributes
}

/// Whether an attribute that is to be restored is still as the attachment left it, in a VF that is in state `now`.
pub(super) fn is_ours(attribute: &VfAttribute, vf: &OriginalVf, now: &VfState, own: OwnAddress) -> bool {
    let requested = &vf.requested;
    match attribute {
        VfAttribute::Mac(_) => foreign_mac(vf, now, own).is_none(),
        VfAttribute::Vlan { .. } => vlan(now) == vlan(requested),
        VfAttribute::Rate { .. } => rate(now) == rate(requested),
        VfAttribute::SpoofCheck(_) => now.spoofchk == requested.spoofchk,
        VfAttribute::LinkState(_) => now.link_state == requested.link_state,
        VfAttribute::Trust(_) => now.trust == requested.trust,
    }
}

/// The admin MAC that the PF shows, if it is neither the attachment's nor what the VF's driver told. A VF with an admin MAC
/// has no other address of its own making, unless it is trusted to.
pub(super) fn foreign_mac(vf: &OriginalVf, now: &VfState, own: OwnAddress) -> Option<MacAddr> {
    let is_free = vf.requested.mac == vf.state.mac || now.trust == Some(true);
    let told = [own.before, own.now.filter(|_| is_free)];
    let ours = [vf.requested.mac, vf.state.mac, Some(MacAddr::ZERO)];
    now.mac
        .filter(|mac| !told.contains(&Some(*mac)) && !ours.contains(&Some(*mac)))
}

fn vlan(state: &VfState) -> (u16, u8, VlanProtocol) {
    (state.vlan, state.qos, state.vlan_protocol)
}

fn rate(state: &VfState) -> (u32, u32) {
    (state.min_tx_rate, state.max_tx_rate)
}

/// Whether `state` shows the attribute with this value.
pub(super) fn is_set(attribute: &VfAttribute, state: &VfState) -> bool {
    after(&[*attribute], state) == *state
}

/// The attribute as its configuration field and value.
pub(super) fn described(attribute: &VfAttribute) -> String {
    let switch = |on: bool| if on { "on" } else { "off" };
    match attribute {
        VfAttribute::Mac(mac) => format!("mac {mac}"),
        VfAttribute::Vlan { id, qos, protocol } => {
            let protocol = match protocol {
                VlanProtocol::Dot1Q => "802.1q",
                VlanProtocol::Dot1Ad => "802.1ad",
            };
            format!("vlan {id} (vlanQoS {qos}, vlanProto {protocol})")
        }
        VfAttribute::Rate { min, max } => format!("min_tx_rate {min} / max_tx_rate {max}"),
        VfAttribute::SpoofCheck(on) => format!("spoofchk {}", switch(*on)),
        VfAttribute::LinkState(state) => {
            let state = match state {
                VfLinkState::Auto => "auto",
                VfLinkState::Enable => "enable",
                VfLinkState::Disable => "disable",
            };
            format!("link_state {state}")
        }
        VfAttribute::Trust(on) => format!("trust {}", switch(*on)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pf::AdminMac;

    #[test]
    fn what_another_left_is_set_to_the_baseline_unless_something_else_is_asked_for() {
        let baseline = VfState {
            spoofchk: Some(true),
            trust: Some(false),
            ..VfState::default()
        };
        let before = VfState {
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            vlan: 7,
            spoofchk: Some(false),
            trust: Some(true),
            ..baseline
        };
        let settings = VfSettings {
            trust: Some(true),
            ..VfSettings::default()
        };
        let vlan = VfAttribute::Vlan {
            id: 0,
            qos: 0,
            protocol: VlanProtocol::Dot1Q,
        };
        assert_eq!(
            wanted(&settings, &before, Some(&baseline)),
            [vlan, VfAttribute::SpoofCheck(true), VfAttribute::Trust(true)]
        );
        assert_eq!(wanted(&settings, &before, None), [VfAttribute::Trust(true)]);
        assert_eq!(wanted(&VfSettings::default(), &baseline, Some(&baseline)), []);
    }

    #[test]
    fn only_what_was_touched_is_put_back() {
        let before = VfState {
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            max_tx_rate: 100,
            spoofchk: Some(true),
            trust: None,
            ..VfState::default()
        };
        let settings = VfSettings {
            min_tx_rate: Some(5),
            spoofchk: Some(true),
            trust: Some(true),
            link_state: Some(VfLinkState::Disable),
            ..VfSettings::default()
        };
        let wanted = requested(&settings, &before);
        assert_eq!(
            wanted[0],
            VfAttribute::Rate { min: 5, max: 100 },
            "the other rate stays"
        );
        let during = after(&wanted, &before);
        assert_eq!(
            differing(&before, &during),
            [
                VfAttribute::Rate { min: 0, max: 100 },
                VfAttribute::LinkState(VfLinkState::Auto)
            ],
            "spoofchk was on before, and trust could not be told"
        );
    }

    fn mac(last: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, last])
    }

    fn attached(before: Option<MacAddr>, requested: Option<MacAddr>, admin_mac: AdminMac) -> OriginalVf {
        let state = |mac| VfState {
            mac,
            ..VfState::default()
        };
        OriginalVf {
            pf: "0000:01:00.0".parse().unwrap(),
            index: 0,
            state: state(before),
            requested: state(requested),
            admin_mac,
            in_force: None,
        }
    }

    #[test]
    fn rule_3_an_admin_mac_that_was_none_is_none_again_and_in_doubt_it_is_what_was_shown() {
        let none = [VfAttribute::Mac(MacAddr::ZERO)];
        let shown = [VfAttribute::Mac(mac(1))];
        assert_eq!(to_restore(&attached(Some(mac(1)), Some(mac(2)), AdminMac::Unset)), none);
        assert_eq!(
            to_restore(&attached(Some(MacAddr::ZERO), Some(mac(2)), AdminMac::Unknown)),
            none
        );
        assert_eq!(
            to_restore(&attached(Some(mac(1)), Some(mac(2)), AdminMac::Unknown)),
            shown
        );
        assert_eq!(to_restore(&attached(Some(mac(1)), Some(mac(2)), AdminMac::Set)), shown);
        assert_eq!(
            to_restore(&attached(Some(mac(1)), Some(mac(1)), AdminMac::Unset)),
            [],
            "nobody asked for one"
        );
    }

    #[test]
    fn an_address_that_a_vf_cannot_have_made_itself_is_somebodys() {
        let shows = |last, trust| VfState {
            mac: Some(mac(last)),
            trust,
            ..VfState::default()
        };
        let own = OwnAddress {
            before: Some(mac(1)),
            now: Some(mac(3)),
        };
        let foreign = |vf: &OriginalVf, last, trust| foreign_mac(vf, &shows(last, trust), own);
        let asked = attached(Some(mac(1)), Some(mac(2)), AdminMac::Unset);
        assert_eq!(foreign(&asked, 2, None), None, "the attachment's");
        assert_eq!(foreign(&asked, 1, None), None, "what it was");
        assert_eq!(
            foreign(&asked, 3, None),
            Some(mac(3)),
            "while it had one, its PF gave it another"
        );
        assert_eq!(foreign(&asked, 3, Some(true)), None, "trusted, it may have taken it");
        assert_eq!(foreign(&asked, 4, Some(true)), Some(mac(4)));
        let unasked = attached(Some(mac(1)), Some(mac(1)), AdminMac::Unset);
        assert_eq!(foreign(&unasked, 3, None), None, "the pod's own");
    }

    #[test]
    fn each_attribute_is_ours_only_with_the_value_that_the_attachment_set() {
        let mut vf = attached(None, None, AdminMac::Unknown);
        vf.requested = VfState {
            vlan: 50,
            max_tx_rate: 100,
            spoofchk: Some(false),
            trust: Some(true),
            link_state: VfLinkState::Enable,
            ..VfState::default()
        };
        vf.state.spoofchk = Some(true);
        vf.state.trust = Some(false);
        let touched = to_restore(&vf);
        assert_eq!(touched.len(), 5);
        let theirs = VfState {
            vlan: 60,
            max_tx_rate: 200,
            spoofchk: None,
            trust: None,
            link_state: VfLinkState::Disable,
            ..VfState::default()
        };
        for attribute in touched {
            assert!(
                is_ours(&attribute, &vf, &vf.requested, OwnAddress::default()),
                "{attribute:?}"
            );
            assert!(
                !is_ours(&attribute, &vf, &theirs, OwnAddress::default()),
                "{attribute:?}"
            );
        }
    }
}
