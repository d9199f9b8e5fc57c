//! Setting attributes of a VF through its PF.
//!
//! All in one `IFLA_VF_INFO`: the kernel applies them one by one in the order of [`VfAttribute`]'s variants and stops at
//! the first refusal, with what came before applied (`do_setvfinfo`).

use hardwire_pci::MacAddr;
use hardwire_pci::netlink::{Change, NetlinkError, Socket, VfLinkState, VlanProtocol};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    LinkAttribute, LinkMessage, LinkVfInfo, VfInfo, VfInfoLinkState, VfInfoMac, VfInfoRate, VfInfoSpoofCheck,
    VfInfoTrust, VfInfoVlan, VfLinkState as State, VfVlan, VfVlanInfo, VlanProtocol as Protocol,
};

/// One attribute with its value. Ordered as the kernel applies them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VfAttribute {
    /// Admin MAC.
    Mac(MacAddr),
    /// VLAN tag.
    Vlan {
        /// 0 is none.
        id: u16,
        /// Priority.
        qos: u8,
        /// Tag protocol.
        protocol: VlanProtocol,
    },
    /// Both rates, Mbit/s.
    Rate {
        /// Least.
        min: u32,
        /// Most; 0 is unlimited.
        max: u32,
    },
    /// Spoof check.
    SpoofCheck(bool),
    /// Link state.
    LinkState(VfLinkState),
    /// Trust.
    Trust(bool),
}

/// Sets attributes of VF `vf` on the PF with this interface index.
pub fn set_vf(socket: &mut Socket, pf: u32, vf: u32, attributes: &[VfAttribute]) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::SetLink(message(pf, vf, attributes));
    socket.change(Change::new(message, 0))
}

fn message(pf: u32, vf: u32, attributes: &[VfAttribute]) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = pf;
    let info = attributes.iter().map(|attribute| encode(vf, *attribute)).collect();
    message
        .attributes
        .push(LinkAttribute::VfInfoList(vec![LinkVfInfo(info)]));
    message
}

fn encode(vf: u32, attribute: VfAttribute) -> VfInfo {
    match attribute {
        VfAttribute::Mac(mac) => VfInfo::Mac(VfInfoMac::new(vf, &mac.0)),
        // The older attribute for the older protocol: every driver that has VLANs knows it.
        VfAttribute::Vlan {
            id,
            qos,
            protocol: VlanProtocol::Dot1Q,
        } => VfInfo::Vlan(VfInfoVlan::new(vf, id.into(), qos.into())),
        VfAttribute::Vlan {
            id,
            qos,
            protocol: VlanProtocol::Dot1Ad,
        } => {
            let info = VfVlanInfo::new(vf, id.into(), qos.into(), Protocol::Ieee8021Ad);
            VfInfo::VlanList(vec![VfVlan::Info(info)])
        }
        VfAttribute::Rate { min, max } => VfInfo::Rate(VfInfoRate::new(vf, min, max)),
        VfAttribute::SpoofCheck(on) => VfInfo::SpoofCheck(VfInfoSpoofCheck::new(vf, on)),
        VfAttribute::LinkState(state) => {
            let state = match state {
                VfLinkState::Auto => State::Auto,
                VfLinkState::Enable => State::Enable,
                VfLinkState::Disable => State::Disable,
            };
            VfInfo::LinkState(VfInfoLinkState::new(vf, state))
        }
        VfAttribute::Trust(on) => VfInfo::Trust(VfInfoTrust::new(vf, on)),
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    /// The bytes that iproute2 6.1 sends for `ip link set lo vf 3 ...`, after the `ifinfomsg`.
    #[test]
    fn messages_are_byte_for_byte_iproute2s() {
        let vlan = |protocol| VfAttribute::Vlan {
            id: 100,
            qos: 2,
            protocol,
        };
        for (attribute, golden) in [
            (
                VfAttribute::Mac(MacAddr([0xca, 0xfe, 0, 1, 2, 3])),
                "300016002c0001002800010003000000cafe000102030000000000000000000000000000000000000000000000000000",
            ),
            (
                vlan(VlanProtocol::Dot1Q),
                "180016001400010010000200030000006400000002000000",
            ),
            (
                vlan(VlanProtocol::Dot1Ad),
                "200016001c00010018000c001400010003000000640000000200000088a80000",
            ),
            (
                VfAttribute::Rate { min: 10, max: 200 },
                "180016001400010010000600030000000a000000c8000000",
            ),
            (
                VfAttribute::SpoofCheck(true),
                "14001600100001000c0004000300000001000000",
            ),
            (VfAttribute::Trust(true), "14001600100001000c0009000300000001000000"),
            (
                VfAttribute::LinkState(VfLinkState::Disable),
                "14001600100001000c0005000300000002000000",
            ),
        ] {
            let message = message(1, 3, &[attribute]);
            let mut bytes = vec![0; message.buffer_len()];
            message.emit(&mut bytes);
            let golden: Vec<u8> = (0..golden.len())
                .step_by(2)
                .map(|i| u8::from_str_radix(&golden[i..i + 2], 16).unwrap())
                .collect();
            assert_eq!(bytes[16..], golden, "{attribute:?}");
        }
    }
}
