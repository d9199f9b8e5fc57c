//! A pool's `allow`: what a NAD or a claim may ask of the pool's devices.
//!
//! Without it everything that the plugin understands may be asked for. With it, what is not named is refused: a limit that was
//! forgotten must not be none.

use std::fmt;
use std::str::FromStr;

use hardwire_pci::netlink::{VfState, VlanProtocol};
use serde::{Deserialize, Serialize};

use crate::config::{NetConf, VlanTrunk};

/// What may be asked of a pool's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the configuration")]
pub struct Allow {
    /// `trust: on`.
    pub trust: bool,
    /// `spoofchk: off`.
    pub spoofchk_off: bool,
    /// A MAC address of one's own.
    pub mac: bool,
    /// VLANs, one of which has to be asked for; 0 stands for none. Without a list, no VLAN may be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<Vec<VlanRange>>,
    /// `vlanProto: 802.1ad`: what the pod sends with a tag of its own stays tagged within.
    pub qinq: bool,
    /// `promisc` and `allmulti`.
    pub promisc: bool,
    /// `min_tx_rate`, `max_tx_rate` and what stands for them.
    pub rates: bool,
    /// The greatest MTU, bytes. Without it, no MTU may be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// VLANs from 0 to 4094, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VlanRange {
    low: u16,
    high: u16,
}

/// What a configuration asks of a device, as far as a pool may limit it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a field of a network, asked for or not"
)]
pub struct AskedSettings {
    /// `trust: on`.
    pub trust: bool,
    /// `spoofchk: off`.
    pub spoofchk_off: bool,
    /// A MAC address.
    pub mac: bool,
    /// `vlan`.
    pub vlan: Option<u16>,
    /// `vlanTrunk`, as ranges.
    pub vlan_trunk: Vec<(u16, u16)>,
    /// `vlanProto: 802.1ad`.
    pub qinq: bool,
    /// `promisc` or `allmulti`.
    pub promisc: bool,
    /// A rate.
    pub rates: bool,
    /// `mtu`, bytes.
    pub mtu: Option<u32>,
}

/// What is asked for and may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The field.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What the pool allows.
    pub rule: String,
}

// === impl VlanRange ===

impl VlanRange {
    fn has(self, id: u16) -> bool {
        (self.low..=self.high).contains(&id)
    }
}

impl FromStr for VlanRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = |text: &str| {
            let digits = text.trim();
            let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|id| is_plain && *id <= 4094)
        };
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        match (id(low), id(high)) {
            (Some(low), Some(high)) if low <= high => Ok(Self { low, high }),
            _ => Err("expected a VLAN id from 0 to 4094 or a range of them, as in \"20-29\"".to_owned()),
        }
    }
}

impl TryFrom<String> for VlanRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<VlanRange> for String {
    fn from(range: VlanRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for VlanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            write!(f, "{}", self.low)
        } else {
            write!(f, "{}-{}", self.low, self.high)
        }
    }
}

// === impl AskedSettings ===

impl AskedSettings {
    /// What a configuration asks for of a device that is like this when it is idle. A 0 clears a VLAN or a rate: where there
    /// is none to clear, it asks for nothing.
    pub fn of(conf: &NetConf, idle: Option<&VfState>) -> Self {
        let vf = &conf.vf;
        let is_news = |asked: Option<u32>, is: fn(&VfState) -> u32| {
            asked.is_some_and(|asked| asked != 0 || idle.is_none_or(|idle| is(idle) != 0))
        };
        let vlan = vf.vlan.map(|vlan| vlan.id.get());
        Self {
            trust: vf.trust == Some(true),
            spoofchk_off: vf.spoofchk == Some(false),
            mac: vf.mac.is_some(),
            vlan: vlan.filter(|id| is_news(Some(u32::from(*id)), |idle| u32::from(idle.vlan))),
            vlan_trunk: conf.vlan_trunk.iter().flat_map(VlanTrunk::ranges).collect(),
            qinq: vf.vlan.is_some_and(|vlan| vlan.protocol == VlanProtocol::Dot1Ad),
            promisc: conf.promisc == Some(true) || conf.allmulti == Some(true),
            rates: is_news(vf.min_tx_rate, |idle| idle.min_tx_rate) || is_news(vf.max_tx_rate, |idle| idle.max_tx_rate),
            mtu: conf.mtu,
        }
    }
}

// === impl Allow ===

impl Allow {
    /// The first thing that is asked for and may not be.
    pub fn excess(&self, asked: &AskedSettings) -> Option<Excess> {
        let switches = [
            ("trust", "on", asked.trust, self.trust, "trust"),
            ("spoofchk", "off", asked.spoofchk_off, self.spoofchk_off, "spoofchkOff"),
            ("mac", "one of its own", asked.mac, self.mac, "mac"),
            ("vlanProto", "802.1ad", asked.qinq, self.qinq, "qinq"),
            ("promisc", "true", asked.promisc, self.promisc, "promisc"),
            ("rates", "given", asked.rates, self.rates, "rates"),
        ];
        let denied = switches.into_iter().find(|(.., asked, allowed, _)| *asked && !allowed);
        if let Some((field, value, .., rule)) = denied {
            return Some(Excess {
                field,
                value: value.to_owned(),
                rule: format!("its allow.{rule} is not true"),
            });
        }
        let mtu = asked.mtu.filter(|mtu| self.mtu.is_none_or(|most| *mtu > most));
        if let Some(mtu) = mtu {
            let rule = self.mtu.map_or_else(
                || "it has no allow.mtu".to_owned(),
                |most| format!("its allow.mtu is {most}"),
            );
            return Some(Excess {
                field: "mtu",
                value: mtu.to_string(),
                rule,
            });
        }
        self.vlan_excess(asked)
    }

    fn vlan_excess(&self, asked: &AskedSettings) -> Option<Excess> {
        let Some(ranges) = &self.vlan else {
            let (field, value) = match (asked.vlan, asked.vlan_trunk.first()) {
                (Some(id), _) => ("vlan", id.to_string()),
                (None, Some((low, high))) => ("vlanTrunk", format!("{low}-{high}")),
                (None, None) => return None,
            };
            return Some(Excess {
                field,
                value,
                rule: "it has no allow.vlan".to_owned(),
            });
        };
        let is_allowed = |id: u16| ranges.iter().any(|range| range.has(id));
        let named: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        let rule = format!("its allow.vlan is {}", named.join(", "));
        // Without a VLAN of the PF's, a pod tags as it likes: a NAD that leaves it out asks for more, not for less.
        let id = asked.vlan.unwrap_or_default();
        if !is_allowed(id) {
            let value = asked.vlan.map_or_else(|| "none".to_owned(), |id| id.to_string());
            return Some(Excess {
                field: "vlan",
                value,
                rule,
            });
        }
        let mut trunk = asked.vlan_trunk.iter().flat_map(|(low, high)| *low..=*high);
        trunk.find(|id| !is_allowed(*id)).map(|id| Excess {
            field: "vlanTrunk",
            value: id.to_string(),
            rule,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excess(allow: &str, asked: &AskedSettings) -> Option<(&'static str, String)> {
        let allow: Allow = serde_json::from_str(allow).unwrap();
        allow.excess(asked).map(|excess| (excess.field, excess.rule))
    }

    #[test]
    fn what_is_not_named_may_not_be_asked_for() {
        let asked = AskedSettings {
            trust: true,
            ..AskedSettings::default()
        };
        assert_eq!(excess("{}", &AskedSettings::default()), None);
        let refused = excess("{}", &asked).unwrap();
        assert_eq!(refused, ("trust", "its allow.trust is not true".to_owned()));
        assert_eq!(excess(r#"{"trust": true}"#, &asked), None);
        assert!(serde_json::from_str::<Allow>(r#"{"turst": true}"#).is_err());
    }

    #[test]
    fn a_list_of_vlans_is_a_list_to_choose_from() {
        let vlan = |id: Option<u16>| AskedSettings {
            vlan: id,
            ..AskedSettings::default()
        };
        let allow = r#"{"vlan": ["100-199", "7"]}"#;
        assert_eq!(excess(allow, &vlan(Some(100))), None);
        assert_eq!(excess(allow, &vlan(Some(7))), None);
        let refused = excess(allow, &vlan(Some(200))).unwrap();
        assert_eq!(refused, ("vlan", "its allow.vlan is 100-199, 7".to_owned()));
        assert!(excess(allow, &vlan(None)).is_some(), "untagged is another network");
        assert_eq!(excess(r#"{"vlan": ["0", "7"]}"#, &vlan(None)), None);
        assert!(excess("{}", &vlan(Some(7))).is_some());
        let trunk = AskedSettings {
            vlan_trunk: vec![(100, 200)],
            ..AskedSettings::default()
        };
        let refused = excess(r#"{"vlan": ["0", "100-199"]}"#, &trunk).unwrap();
        assert_eq!(refused.0, "vlanTrunk");
        for bad in ["4095", "5-3", "a", "", "-1"] {
            assert!(bad.parse::<VlanRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_zero_asks_for_what_it_would_clear_and_a_second_tag_is_asked_for_by_name() {
        let asked = |text: &str, idle: Option<&VfState>| {
            let text = format!(r#"{{"cniVersion": "1.0.0", "name": "n", "deviceID": "0000:3b:02.1", {text}}}"#);
            let base = crate::config::Base::parse(text.as_bytes()).unwrap();
            let version = base.required_version().unwrap();
            let conf = NetConf::parse(base, version, &crate::protocol::CniArgs::default()).unwrap();
            AskedSettings::of(&conf, idle)
        };
        let zeros = r#""vlan": 0, "max_tx_rate": 0"#;
        let plain = VfState::default();
        let tagged = VfState {
            vlan: 7,
            ..VfState::default()
        };
        assert_eq!(excess("{}", &asked(zeros, Some(&plain))), None);
        assert_eq!(excess("{}", &asked(zeros, Some(&tagged))).unwrap().0, "vlan");
        assert!(
            excess("{}", &asked(zeros, None)).is_some(),
            "what it is like is not known"
        );
        assert_eq!(
            excess("{}", &asked(r#""max_tx_rate": 1"#, Some(&plain))).unwrap().0,
            "rates"
        );
        let second = asked(r#""vlan": 100, "vlanProto": "802.1ad""#, Some(&plain));
        assert_eq!(excess(r#"{"vlan": ["100"]}"#, &second).unwrap().0, "vlanProto");
        assert_eq!(excess(r#"{"vlan": ["100"], "qinq": true}"#, &second), None);
    }

    #[test]
    fn an_mtu_is_allowed_up_to_the_greatest() {
        let mtu = |mtu| AskedSettings {
            mtu: Some(mtu),
            ..AskedSettings::default()
        };
        assert_eq!(excess(r#"{"mtu": 9000}"#, &mtu(9000)), None);
        assert!(excess(r#"{"mtu": 9000}"#, &mtu(9001)).is_some());
        assert!(excess("{}", &mtu(1500)).is_some());
    }
}
