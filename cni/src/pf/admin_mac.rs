//! Whether the admin MAC that a PF shows of a VF was set by anybody.
//!
//! Some PFs (igb) show there what the VF's driver told them of its own address, and the kernel has no question that tells
//! one from the other. The difference matters: a VF whose admin MAC was set takes no other address from then on, so an
//! admin MAC that nobody had set must be none after an attachment too. In doubt it is somebody's.

use hardwire_pci::MacAddr;
use serde::{Deserialize, Serialize};

/// What is known of the admin MAC of a free VF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminMac {
    /// Nothing: what is shown may be anybody's.
    #[default]
    Unknown,
    /// None is set.
    Unset,
    /// It is somebody's.
    Set,
}

/// A free VF at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenMacs {
    /// The admin MAC that the PF shows.
    pub shown: Option<MacAddr>,
    /// The address of the VF's own interface, if it has one here.
    pub own: Option<MacAddr>,
}

impl AdminMac {
    /// What is known after a look at a free VF, and after the very look before, with what was known then.
    ///
    /// `random`: its driver made the address of its interface up, which it does where the PF has none for it.
    /// `only_vf`: nothing happened to the PF itself since the look before, and the VF is not trusted to go beyond its PF's
    /// settings: what changed, the VF's own interface was told, and the PF agreed.
    pub fn after(now: SeenMacs, before: Option<(SeenMacs, Self)>, random: bool, only_vf: bool) -> Self {
        let Some(shown) = now.shown else {
            return Self::Unknown;
        };
        if shown == MacAddr::ZERO {
            return Self::Unset;
        }
        let known = before.map_or(Self::Unknown, |(_, known)| known);
        match now.own {
            // There is nobody whose address it may be: it stands as it was.
            None if before.is_some_and(|(before, _)| before.shown == now.shown) => return known,
            None => return Self::Unknown,
            Some(own) if own != shown => return Self::Set,
            Some(_own) => {}
        }
        let accepted = before.is_some_and(|(before, _)| before.own != now.own && before.shown != now.shown);
        let same = before.is_some_and(|(before, _)| before.own == now.own);
        match known {
            _ if accepted && only_vf => Self::Unset,
            // It went over to the VF, as some drivers let it when the VF resets.
            Self::Set => Self::Set,
            // What changed since without netlink setting it, the PF gave.
            _ if random && (same || before.is_none()) => Self::Unset,
            Self::Unset if same => Self::Unset,
            Self::Unset | Self::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<MacAddr> = Some(MacAddr([2, 0, 0, 0, 0, 0xa]));
    const B: Option<MacAddr> = Some(MacAddr([2, 0, 0, 0, 0, 0xb]));
    const ZERO: Option<MacAddr> = Some(MacAddr::ZERO);

    fn sight(shown: Option<MacAddr>, own: Option<MacAddr>) -> SeenMacs {
        SeenMacs { shown, own }
    }

    #[test]
    fn none_is_what_is_zero_or_what_the_driver_made_up() {
        let first = |shown, own, random| AdminMac::after(sight(shown, own), None, random, false);
        assert_eq!(first(ZERO, A, false), AdminMac::Unset);
        assert_eq!(first(A, A, true), AdminMac::Unset);
        assert_eq!(first(A, A, false), AdminMac::Unknown, "the VF may have it from its PF");
        assert_eq!(first(B, A, true), AdminMac::Set, "the VF did not tell that one");
        assert_eq!(first(A, None, false), AdminMac::Unknown);
        assert_eq!(first(None, A, true), AdminMac::Unknown);
    }

    #[test]
    fn what_was_none_stays_none_while_nothing_changes() {
        let before = Some((sight(A, A), AdminMac::Unset));
        // An attachment that set the address of the interface back makes it one that was set.
        assert_eq!(AdminMac::after(sight(A, A), before, false, false), AdminMac::Unset);
        assert_eq!(AdminMac::after(sight(A, None), before, false, false), AdminMac::Unset);
        let told = Some((sight(ZERO, A), AdminMac::Unset));
        assert_eq!(AdminMac::after(sight(A, A), told, false, false), AdminMac::Unset);
    }

    #[test]
    fn another_address_that_a_vf_got_by_itself_tells_that_none_is_set() {
        for known in [AdminMac::Unset, AdminMac::Unknown] {
            let before = Some((sight(A, A), known));
            assert_eq!(AdminMac::after(sight(B, B), before, false, true), AdminMac::Unset);
            let doubt = AdminMac::after(sight(B, B), before, false, false);
            assert_eq!(doubt, AdminMac::Unknown, "its PF may have been told first");
        }
    }

    #[test]
    fn what_an_operator_set_stays_theirs_when_the_vf_takes_it_over() {
        let set = Some((sight(B, A), AdminMac::Set));
        for random in [false, true] {
            for only_vf in [false, true] {
                assert_eq!(AdminMac::after(sight(B, B), set, random, only_vf), AdminMac::Set);
            }
        }
        let at_once = Some((sight(A, A), AdminMac::Unset));
        assert_eq!(AdminMac::after(sight(B, B), at_once, true, false), AdminMac::Unknown);
        let taken = Some((sight(B, B), AdminMac::Set));
        assert_eq!(AdminMac::after(sight(B, B), taken, true, true), AdminMac::Set);
        assert_eq!(AdminMac::after(sight(ZERO, B), taken, false, false), AdminMac::Unset);
    }
}
