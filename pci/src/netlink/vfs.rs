//! The VFs of a PF, as the PF's driver reports them.
//!
//! One question answers for all VFs; the kernel cannot return a single one (`rtnl_fill_vf`, net/core/rtnetlink.c).
//! Statistics are skipped: they cost the firmware as much again.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use serde::{Deserialize, Serialize};

use super::attributes::{after_header, attributes, u16_at, u32_at};
use super::error::NetlinkError;
use super::socket::Socket;
use super::vf_list::entries;
use crate::mac::MacAddr;

/// `struct ifinfomsg`.
const HEADER: usize = 16;
const IFLA_VF_MAC: u16 = 1;
const IFLA_VF_VLAN: u16 = 2;
const IFLA_VF_SPOOFCHK: u16 = 4;
const IFLA_VF_LINK_STATE: u16 = 5;
const IFLA_VF_RATE: u16 = 6;
const IFLA_VF_RSS_QUERY_EN: u16 = 7;
const IFLA_VF_TRUST: u16 = 9;
const IFLA_VF_VLAN_LIST: u16 = 12;
const ETH_P_8021AD: u16 = 0x88a8;
/// What the kernel puts where a driver does not fill a setting in.
const CANNOT_TELL: u32 = u32::MAX;

/// The tag protocol of a VF's VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum VlanProtocol {
    /// 0x8100.
    #[default]
    #[serde(rename = "802.1q")]
    Dot1Q,
    /// 0x88a8, the outer tag of two.
    #[serde(rename = "802.1ad")]
    Dot1Ad,
}

/// What a VF sees as its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VfLinkState {
    /// The PF's own link state.
    #[default]
    Auto,
    /// Always up.
    Enable,
    /// Always down.
    Disable,
}

/// What the PF holds about one VF. `None` where the driver cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VfState {
    /// The admin MAC.
    pub mac: Option<MacAddr>,
    /// 0 is none.
    pub vlan: u16,
    /// VLAN priority, 0 to 7.
    pub qos: u8,
    /// VLAN tag protocol.
    pub vlan_protocol: VlanProtocol,
    /// Mbit/s, 0 is none.
    pub min_tx_rate: u32,
    /// Mbit/s, 0 is unlimited.
    pub max_tx_rate: u32,
    /// Spoof check.
    pub spoofchk: Option<bool>,
    /// Trust.
    pub trust: Option<bool>,
    /// Whether the VF may ask for its RSS configuration.
    pub query_rss: Option<bool>,
    /// Link state.
    pub link_state: VfLinkState,
}

impl Socket {
    /// The state of each VF of the PF with this interface index, by VF index. Sparse where a driver leaves VFs out. An error
    /// that [`NetlinkError::is_too_long`] says that nothing is known of any of them.
    pub fn vfs(&mut self, pf: u32) -> Result<Vec<(u32, VfState)>, NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.index = pf;
        message.attributes.push(LinkAttribute::ExtMask(vec![
            LinkExtentMask::Vf,
            LinkExtentMask::SkipStats,
        ]));
        self.ask_at_length(RouteNetlinkMessage::GetLink(message), |payload| {
            parse(after_header(payload, HEADER)?)
        })
    }

    /// The state of one VF; `None` if the PF does not report it.
    pub fn vf(&mut self, pf: u32, index: u32) -> Result<Option<VfState>, NetlinkError> {
        Ok(self
            .vfs(pf)?
            .into_iter()
            .find(|(vf, _)| *vf == index)
            .map(|(_, state)| state))
    }
}

fn parse(link: &[u8]) -> Result<Vec<(u32, VfState)>, NetlinkError> {
    let mut vfs = Vec::new();
    for info in entries(link)? {
        vfs.extend(parse_vf(info)?);
    }
    Ok(vfs)
}

fn parse_vf(info: &[u8]) -> Result<Option<(u32, VfState)>, NetlinkError> {
    let (mut index, mut state) = (None, VfState::default());
    for attribute in attributes(info) {
        let (kind, value) = attribute?;
        match kind {
            IFLA_VF_MAC => {
                index = Some(u32_at(value, 0)?);
                state.mac = value.get(4..10).and_then(MacAddr::from_bytes);
            }
            IFLA_VF_VLAN => set_vlan(&mut state, value)?,
            IFLA_VF_VLAN_LIST => {
                // With two tags the kernel lists the outer one first, and that is all `ip link` can set.
                if let Some(first) = attributes(value).next() {
                    let (_, value) = first?;
                    set_vlan(&mut state, value)?;
                    let protocol = u16::from_be(u16_at(value, 12)?);
                    state.vlan_protocol = if protocol == ETH_P_8021AD {
                        VlanProtocol::Dot1Ad
                    } else {
                        VlanProtocol::Dot1Q
                    };
                }
            }
            IFLA_VF_RATE => {
                state.min_tx_rate = u32_at(value, 4)?;
                state.max_tx_rate = u32_at(value, 8)?;
            }
            IFLA_VF_SPOOFCHK => state.spoofchk = tri_state(value)?,
            IFLA_VF_TRUST => state.trust = tri_state(value)?,
            IFLA_VF_RSS_QUERY_EN => state.query_rss = tri_state(value)?,
            IFLA_VF_LINK_STATE => {
                state.link_state = match u32_at(value, 4)? {
                    1 => VfLinkState::Enable,
                    2 => VfLinkState::Disable,
                    _ => VfLinkState::Auto,
                };
            }
            _ => {}
        }
    }
    Ok(index.map(|index| (index, state)))
}

fn set_vlan(state: &mut VfState, value: &[u8]) -> Result<(), NetlinkError> {
    // Twelve bits and three: wider values cannot come from a kernel.
    state.vlan = u16::try_from(u32_at(value, 4)?).unwrap_or_default();
    state.qos = u8::try_from(u32_at(value, 8)?).unwrap_or_default();
    Ok(())
}

fn tri_state(value: &[u8]) -> Result<Option<bool>, NetlinkError> {
    let setting = u32_at(value, 4)?;
    Ok((setting != CANNOT_TELL).then_some(setting != 0))
}

#[cfg(test)]
mod tests {
    use super::super::vf_list::tests::nla;
    use super::super::vf_list::{IFLA_VF_INFO, IFLA_VFINFO_LIST};
    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_ne_bytes()).collect()
    }

    #[test]
    fn a_setting_the_driver_does_not_know_is_not_off() {
        let mut mac = words(&[3]);
        mac.extend([2, 0, 0, 0, 0, 0xa]);
        mac.resize(36, 0);
        let mut vlan = words(&[3, 100, 2]);
        vlan.extend([0x88, 0xa8, 0, 0]);
        let info = [
            nla(IFLA_VF_MAC, &mac),
            nla(IFLA_VF_VLAN, &words(&[3, 100, 2])),
            nla(IFLA_VF_SPOOFCHK, &words(&[3, 1])),
            nla(IFLA_VF_TRUST, &words(&[3, u32::MAX])),
            nla(IFLA_VF_LINK_STATE, &words(&[3, 2])),
            nla(IFLA_VF_RATE, &words(&[3, 10, 200])),
            nla(IFLA_VF_VLAN_LIST, &nla(1, &vlan)),
        ]
        .concat();
        let link = nla(IFLA_VFINFO_LIST, &nla(IFLA_VF_INFO, &info));
        let vfs = parse(&link).unwrap();
        let expected = VfState {
            mac: Some(MacAddr([2, 0, 0, 0, 0, 0xa])),
            vlan: 100,
            qos: 2,
            vlan_protocol: VlanProtocol::Dot1Ad,
            min_tx_rate: 10,
            max_tx_rate: 200,
            spoofchk: Some(true),
            trust: None,
            query_rss: None,
            link_state: VfLinkState::Disable,
        };
        assert_eq!(vfs, [(3, expected)]);
    }

    #[test]
    fn a_reply_cut_short_is_an_error_and_no_panic() {
        let info = nla(IFLA_VF_RATE, &words(&[3]));
        assert!(parse(&nla(IFLA_VFINFO_LIST, &nla(IFLA_VF_INFO, &info))).is_err());
        assert!(parse(&[9, 0, 22, 0, 1]).is_err());
    }
}
