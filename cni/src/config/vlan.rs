//! `vlan`, `vlanQoS`, `vlanProto`: what the PF tags a VF's frames with.

use hardwire_pci::netlink::VlanProtocol;
use serde::{Deserialize, Serialize};

use super::field;
use crate::protocol::{AnyCase, CniError};

/// A VLAN id from 0 (no tag) to 4094 (IEEE 802.1Q reserves 4095).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanId(u16);

impl VlanId {
    /// No tag.
    pub const NONE: Self = Self(0);

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// The three fields together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanSettings {
    /// `vlan`; 0 clears a tag.
    pub id: VlanId,
    /// `vlanQoS`, 0 to 7.
    pub qos: u8,
    /// `vlanProto`.
    pub protocol: VlanProtocol,
}

impl VlanSettings {
    pub(super) fn parse(fields: AnyCase<'_>) -> Result<Option<Self>, CniError> {
        let id = field::number(fields, "vlan", 0, 4094)?
            .and_then(|id| u16::try_from(id).ok())
            .map(VlanId);
        let qos = field::number(fields, "vlanQoS", 0, 7)?.and_then(|qos| u8::try_from(qos).ok());
        let words = [("802.1Q", VlanProtocol::Dot1Q), ("802.1ad", VlanProtocol::Dot1Ad)];
        let protocol = field::word(fields, "vlanProto", &words)?;
        let Some(id) = id else {
            return match (qos, protocol) {
                (None, None) => Ok(None),
                (Some(qos), _) => Err(CniError::config(format!("vlanQoS: {qos} is given without vlan"))),
                (None, Some(_)) => Err(CniError::config("vlanProto is given without vlan")),
            };
        };
        let settings = Self {
            id,
            qos: qos.unwrap_or_default(),
            protocol: protocol.unwrap_or_default(),
        };
        if id == VlanId::NONE && settings.qos != 0 {
            return Err(CniError::config(format!(
                "vlanQoS: {} needs a vlan other than 0",
                settings.qos
            )));
        }
        if id == VlanId::NONE && settings.protocol == VlanProtocol::Dot1Ad {
            return Err(CniError::config("vlanProto: 802.1ad needs a vlan other than 0"));
        }
        Ok(Some(settings))
    }
}
