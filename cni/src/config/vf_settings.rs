//! What is to be set on the PF for one VF.

use hardwire_pci::MacAddr;
use hardwire_pci::netlink::VfLinkState;

use super::field;
use super::vlan::VlanSettings;
use crate::protocol::{AnyCase, CniError};

/// The requested attributes of a VF; `None` is left as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VfSettings {
    /// `mac`, as admin MAC.
    pub mac: Option<MacAddr>,
    /// `vlan`, `vlanQoS`, `vlanProto`.
    pub vlan: Option<VlanSettings>,
    /// `min_tx_rate`, Mbit/s.
    pub min_tx_rate: Option<u32>,
    /// `max_tx_rate`, Mbit/s; 0 is unlimited.
    pub max_tx_rate: Option<u32>,
    /// `spoofchk`.
    pub spoofchk: Option<bool>,
    /// `trust`.
    pub trust: Option<bool>,
    /// `link_state`.
    pub link_state: Option<VfLinkState>,
}

impl VfSettings {
    pub(super) fn parse(fields: AnyCase<'_>, mac: Option<MacAddr>) -> Result<Self, CniError> {
        let switch = [("on", true), ("off", false)];
        let states = [
            ("auto", VfLinkState::Auto),
            ("enable", VfLinkState::Enable),
            ("disable", VfLinkState::Disable),
        ];
        Ok(Self {
            mac,
            vlan: VlanSettings::parse(fields)?,
            min_tx_rate: field::number(fields, "min_tx_rate", 0, u32::MAX)?,
            max_tx_rate: field::number(fields, "max_tx_rate", 0, u32::MAX)?,
            spoofchk: field::word(fields, "spoofchk", &switch)?,
            trust: field::word(fields, "trust", &switch)?,
            link_state: field::word(fields, "link_state", &states)?,
        })
    }

    /// Refuses a least rate above the greatest, which `greatest` names.
    pub(super) fn check_rates(&self, greatest: &str) -> Result<(), CniError> {
        match (self.min_tx_rate, self.max_tx_rate) {
            (Some(min), Some(max)) if max != 0 && min > max => {
                let right = format_args!("at most {greatest}, which is {max} Mbit/s");
                Err(field::wrong("min_tx_rate", min, right))
            }
            _ => Ok(()),
        }
    }

    /// The names of the given fields that only a PF can set, for a device that has none. A MAC can be set anyway.
    pub fn needing_a_pf(&self) -> Vec<&'static str> {
        let Self {
            mac: _,
            vlan,
            min_tx_rate,
            max_tx_rate,
            spoofchk,
            trust,
            link_state,
        } = self;
        let given = [
            ("vlan", vlan.is_some()),
            ("min_tx_rate", min_tx_rate.is_some()),
            ("max_tx_rate", max_tx_rate.is_some()),
            ("spoofchk", spoofchk.is_some()),
            ("trust", trust.is_some()),
            ("link_state", link_state.is_some()),
        ];
        given
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| name)
            .collect()
    }
}
