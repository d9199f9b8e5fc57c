//! What an administrator sets on a link beside its name, address, MTU and flags.
//!
//! All of it travels with a device that changes its namespace, and comes with every answer to `RTM_GETLINK`, so that
//! knowing it costs no question. Contract: `include/uapi/linux/if_link.h`; `__dev_change_net_namespace` (net/core/dev.c)
//! for what a move leaves alone.

use serde::{Deserialize, Serialize};

use super::attributes::{attributes, u32_at};
use super::error::NetlinkError;

const IFLA_BROADCAST: u16 = 2;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKMODE: u16 = 17;
const IFLA_GROUP: u16 = 27;
const IFLA_GSO_MAX_SEGS: u16 = 40;
const IFLA_GSO_MAX_SIZE: u16 = 41;
const IFLA_GRO_MAX_SIZE: u16 = 58;
const IFLA_GSO_IPV4_MAX_SIZE: u16 = 63;
const IFLA_GRO_IPV4_MAX_SIZE: u16 = 64;

const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;

/// Settings of a link; `None` where the kernel does not tell one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkSettings {
    /// Broadcast address.
    pub broadcast: Option<Vec<u8>>,
    /// Packets (`IFLA_TXQLEN`).
    pub tx_queue_length: Option<u32>,
    /// 0 is the default group.
    pub group: Option<u32>,
    /// `IF_LINK_MODE_*`: whether up waits for user space (dormant).
    pub mode: Option<u8>,
    /// How much the stack may put together and take apart.
    pub offload_limits: OffloadLimits,
}

/// The limits of segmentation (GSO) and of its reverse (GRO). One setting for the kernel: a new size for all protocols is one
/// for IPv4 too, up to 64 KiB (`netif_set_gso_max_size`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OffloadLimits {
    /// Bytes.
    pub gso_max_size: Option<u32>,
    /// Packets.
    pub gso_max_segs: Option<u32>,
    /// Bytes.
    pub gro_max_size: Option<u32>,
    /// Bytes.
    pub gso_ipv4_max_size: Option<u32>,
    /// Bytes.
    pub gro_ipv4_max_size: Option<u32>,
}

/// Where an XDP program runs. A link may have one in each place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XdpMode {
    /// In the driver.
    Driver,
    /// In the stack, for any driver.
    Generic,
    /// In the card.
    Hardware,
}

/// An XDP program on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct XdpProgram {
    /// Where it runs.
    pub mode: XdpMode,
    /// The kernel's id of the program; never given twice in a boot.
    pub program: u32,
}

// === impl LinkSettings ===

impl LinkSettings {
    /// Takes an attribute of a link over, if it is a setting.
    pub(super) fn take(&mut self, kind: u16, value: &[u8]) -> Result<(), NetlinkError> {
        let limits = &mut self.offload_limits;
        match kind {
            IFLA_BROADCAST => self.broadcast = Some(value.to_vec()),
            IFLA_LINKMODE => self.mode = value.first().copied(),
            IFLA_TXQLEN => self.tx_queue_length = Some(u32_at(value, 0)?),
            IFLA_GROUP => self.group = Some(u32_at(value, 0)?),
            IFLA_GSO_MAX_SIZE => limits.gso_max_size = Some(u32_at(value, 0)?),
            IFLA_GSO_MAX_SEGS => limits.gso_max_segs = Some(u32_at(value, 0)?),
            IFLA_GRO_MAX_SIZE => limits.gro_max_size = Some(u32_at(value, 0)?),
            IFLA_GSO_IPV4_MAX_SIZE => limits.gso_ipv4_max_size = Some(u32_at(value, 0)?),
            IFLA_GRO_IPV4_MAX_SIZE => limits.gro_ipv4_max_size = Some(u32_at(value, 0)?),
            _ => {}
        }
        Ok(())
    }

    /// What is to be set on a link that has the settings `now`, so that it has these. Empty if nothing is.
    #[must_use]
    pub fn missing_in(&self, now: &Self) -> Self {
        fn differing<T: Clone + PartialEq>(was: Option<&T>, now: Option<&T>) -> Option<T> {
            was.filter(|_| was != now).cloned()
        }
        let limits = self.offload_limits != now.offload_limits;
        Self {
            broadcast: differing(self.broadcast.as_ref(), now.broadcast.as_ref()),
            tx_queue_length: differing(self.tx_queue_length.as_ref(), now.tx_queue_length.as_ref()),
            group: differing(self.group.as_ref(), now.group.as_ref()),
            mode: differing(self.mode.as_ref(), now.mode.as_ref()),
            offload_limits: if limits {
                self.offload_limits
            } else {
                OffloadLimits::default()
            },
        }
    }

    /// Each with its attribute's number and payload, in the kernel's order.
    pub fn to_attributes(&self) -> Vec<(u16, Vec<u8>)> {
        let limits = &self.offload_limits;
        let words = [
            (IFLA_GROUP, self.group),
            (IFLA_TXQLEN, self.tx_queue_length),
            (IFLA_GSO_MAX_SIZE, limits.gso_max_size),
            (IFLA_GSO_MAX_SEGS, limits.gso_max_segs),
            (IFLA_GRO_MAX_SIZE, limits.gro_max_size),
            (IFLA_GSO_IPV4_MAX_SIZE, limits.gso_ipv4_max_size),
            (IFLA_GRO_IPV4_MAX_SIZE, limits.gro_ipv4_max_size),
        ];
        let words = words
            .into_iter()
            .filter_map(|(kind, value)| Some((kind, value?.to_ne_bytes().to_vec())));
        let broadcast = self.broadcast.clone().map(|address| (IFLA_BROADCAST, address));
        let mode = self.mode.map(|mode| (IFLA_LINKMODE, vec![mode]));
        broadcast.into_iter().chain(words).chain(mode).collect()
    }
}

/// The programs in an `IFLA_XDP`, by mode.
pub(super) fn xdp_programs(nest: &[u8]) -> Result<Vec<XdpProgram>, NetlinkError> {
    let mut programs = Vec::new();
    for attribute in attributes(nest) {
        let (kind, value) = attribute?;
        let mode = match kind {
            IFLA_XDP_DRV_PROG_ID => XdpMode::Driver,
            IFLA_XDP_SKB_PROG_ID => XdpMode::Generic,
            IFLA_XDP_HW_PROG_ID => XdpMode::Hardware,
            _ => continue,
        };
        programs.push(XdpProgram {
            mode,
            program: u32_at(value, 0)?,
        });
    }
    programs.sort_unstable();
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> LinkSettings {
        LinkSettings {
            broadcast: Some(vec![0xff; 6]),
            tx_queue_length: Some(1000),
            group: Some(0),
            mode: Some(0),
            offload_limits: OffloadLimits {
                gso_max_size: Some(65536),
                gso_ipv4_max_size: Some(65536),
                ..OffloadLimits::default()
            },
        }
    }

    #[test]
    fn only_what_differs_is_set_and_the_limits_go_together() {
        let (was, mut now) = (settings(), settings());
        assert_eq!(was.missing_in(&now).to_attributes(), []);
        now.group = Some(7);
        now.offload_limits.gso_max_size = Some(30000);
        let kinds: Vec<u16> = was
            .missing_in(&now)
            .to_attributes()
            .iter()
            .map(|(kind, _)| *kind)
            .collect();
        assert_eq!(kinds, [IFLA_GROUP, IFLA_GSO_MAX_SIZE, IFLA_GSO_IPV4_MAX_SIZE]);
    }

    #[test]
    fn what_was_not_known_is_left_alone() {
        assert_eq!(LinkSettings::default().missing_in(&settings()).to_attributes(), []);
    }
}
