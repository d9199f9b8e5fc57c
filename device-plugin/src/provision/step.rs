//! One step of a plan.

use std::fmt;

use hardwire_cni::kernel::VfAttribute;
use hardwire_pci::netlink::{VfLinkState, VlanProtocol};

use crate::config::pfs::{EswitchMode, WantedDriver};

/// Something that is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The PF's interface goes up or down.
    Link {
        /// Up.
        up: bool,
    },
    /// The PF's MTU.
    PfMtu(u32),
    /// Whether new VFs are bound by themselves.
    Autoprobe(bool),
    /// All VFs go.
    RemoveVfs {
        /// How many there are.
        from: u32,
    },
    /// So many VFs are made.
    MakeVfs(u32),
    /// VFs are bound to nothing, for as long as the mode changes.
    UnbindAll,
    /// What the switch does.
    Mode(EswitchMode),
    /// VFs that were bound to nothing get their default drivers again.
    ProbeAll,
    /// Something of one VF.
    Vf {
        /// Its index.
        index: u32,
        /// What.
        change: VfChange,
    },
    /// What was made here is not ours any more.
    Forget,
}

/// Something of a VF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VfChange {
    /// Its vectors, while it is bound to nothing.
    Msix(u32),
    /// Its driver.
    Driver(WantedDriver),
    /// Its interface's MTU.
    Mtu(u32),
    /// What its PF holds about it, in the kernel's order.
    Attributes(Vec<VfAttribute>),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link { up: true } => f.write_str("set the PF up"),
            Self::Link { up: false } => f.write_str("set the PF down"),
            Self::PfMtu(mtu) => write!(f, "MTU {mtu} of the PF"),
            Self::Autoprobe(true) => f.write_str("new VFs get their default drivers"),
            Self::Autoprobe(false) => f.write_str("new VFs get no drivers"),
            Self::RemoveVfs { from: 1 } => f.write_str("remove its VF"),
            Self::RemoveVfs { from } => write!(f, "remove its {from} VFs"),
            Self::MakeVfs(1) => f.write_str("make 1 VF"),
            Self::MakeVfs(count) => write!(f, "make {count} VFs"),
            Self::UnbindAll => f.write_str("unbind all VFs"),
            Self::Mode(mode) => write!(f, "eswitch mode {}", mode.word()),
            Self::ProbeAll => f.write_str("bind all VFs to their default drivers"),
            Self::Vf { index, change } => write!(f, "VF {index}: {change}"),
            Self::Forget => f.write_str("forget that its VFs were made by hardwired"),
        }
    }
}

impl fmt::Display for VfChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Msix(count) => write!(f, "{count} MSI-X vectors"),
            Self::Driver(driver) => write!(f, "bind to {driver}"),
            Self::Mtu(mtu) => write!(f, "MTU {mtu}"),
            Self::Attributes(attributes) => {
                let words: Vec<String> = attributes.iter().map(described).collect();
                f.write_str(&words.join(", "))
            }
        }
    }
}

/// An attribute in the configuration's words.
pub fn described(attribute: &VfAttribute) -> String {
    let switch = |on: &bool| if *on { "on" } else { "off" };
    match attribute {
        VfAttribute::Mac(mac) => format!("mac {mac}"),
        VfAttribute::Vlan { id, qos: 0, protocol } => format!("vlan {id}{}", outer(*protocol)),
        VfAttribute::Vlan { id, qos, protocol } => format!("vlan {id} qos {qos}{}", outer(*protocol)),
        VfAttribute::Rate { min: 0, max } => format!("maxTxRate {max}"),
        VfAttribute::Rate { min, max } => format!("minTxRate {min} maxTxRate {max}"),
        VfAttribute::SpoofCheck(on) => format!("spoofchk {}", switch(on)),
        VfAttribute::LinkState(state) => {
            let word = match state {
                VfLinkState::Auto => "auto",
                VfLinkState::Enable => "enable",
                VfLinkState::Disable => "disable",
            };
            format!("linkState {word}")
        }
        VfAttribute::Trust(on) => format!("trust {}", switch(on)),
    }
}

fn outer(protocol: VlanProtocol) -> &'static str {
    match protocol {
        VlanProtocol::Dot1Q => "",
        VlanProtocol::Dot1Ad => " 802.1ad",
    }
}

/// Steps for people: what is the same of several VFs after each other is said once.
pub fn in_words(steps: &[Step]) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut rest = steps;
    while let Some(first) = rest.first() {
        let Step::Vf { index, change } = first else {
            lines.push((1, first.to_string()));
            rest = &rest[1..];
            continue;
        };
        let is_same = |(offset, step): &(usize, &Step)| {
            let follows = u32::try_from(*offset).ok().and_then(|offset| index.checked_add(offset));
            matches!(step, Step::Vf { index, change: other } if Some(*index) == follows && other == change)
        };
        let count = rest.iter().enumerate().take_while(is_same).count().max(1);
        let last = rest.get(count - 1).unwrap_or(first);
        lines.push((
            count,
            match last {
                Step::Vf { index: last, .. } if last != index => format!("VFs {index}-{last}: {change}"),
                _ => first.to_string(),
            },
        ));
        rest = &rest[count..];
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_of_vfs_after_each_other_is_said_once() {
        let mtu = |index, mtu| Step::Vf {
            index,
            change: VfChange::Mtu(mtu),
        };
        let steps = [Step::MakeVfs(5), mtu(0, 9000), mtu(1, 9000), mtu(2, 1500), mtu(4, 1500)];
        let words: Vec<String> = in_words(&steps).into_iter().map(|(_, words)| words).collect();
        assert_eq!(
            words,
            ["make 5 VFs", "VFs 0-1: MTU 9000", "VF 2: MTU 1500", "VF 4: MTU 1500"]
        );
    }
}
