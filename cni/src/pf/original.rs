//! A VF on its PF as an attachment found it, and what is known of who may have changed it since.

use hardwire_pci::netlink::VfState;
use hardwire_pci::{DeviceId, MacAddr};
use serde::{Deserialize, Serialize};

use super::admin_mac::AdminMac;

/// A VF as its PF showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalVf {
    /// The PF.
    pub pf: DeviceId,
    /// Index on it.
    pub index: u32,
    /// The attributes before.
    pub state: VfState,
    /// The attributes as they were asked for: what differs between the two was touched.
    pub requested: VfState,
    /// Whether the admin MAC that was shown before had been set by anybody.
    #[serde(default)]
    pub admin_mac: AdminMac,
    /// What was in force of the baselines of the PF then; none where nobody listened for its events.
    #[serde(default)]
    pub in_force: Option<InForce>,
}

impl OriginalVf {
    /// The admin MAC that the VF has to have again; `None` if it is to have none.
    pub fn admin_mac(&self) -> Option<MacAddr> {
        let is_set = self.admin_mac != AdminMac::Unset;
        self.state.mac.filter(|mac| is_set && *mac != MacAddr::ZERO)
    }

    /// The admin MAC of the attachment, if there was none before but the VF's driver had told its own address, which the PF
    /// forgets with it: the driver has to tell it again.
    pub fn to_tell_after(&self) -> Option<MacAddr> {
        let told = self.state.mac.filter(|mac| *mac != MacAddr::ZERO);
        let given = self.requested.mac.filter(|_| self.requested.mac != self.state.mac);
        given.filter(|_| told.is_some() && self.admin_mac().is_none())
    }
}

/// The addresses of a VF's own interface, which its driver may have told the PF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnAddress {
    /// Before the attachment.
    pub before: Option<MacAddr>,
    /// At its end.
    pub now: Option<MacAddr>,
}

/// A generation of a PF's baselines that is in force: whatever happens to the PF ends it, and the same generation in
/// force again is another of these, for its file is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// The generation.
    pub generation: u64,
    /// Inode of its file.
    pub inode: u64,
    /// When that was written, in nanoseconds of the system's clock.
    pub written: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_earlier_program_is_read() {
        let text = r#"{"pf":"0000:01:00.0","index":3,
            "state":{"mac":"02:00:00:00:00:01","vlan":0,"qos":0,"vlan_protocol":"802.1q","min_tx_rate":0,"max_tx_rate":0,
                     "spoofchk":true,"trust":false,"query_rss":null,"link_state":"auto"},
            "requested":{"mac":null,"vlan":0,"qos":0,"vlan_protocol":"802.1q","min_tx_rate":0,"max_tx_rate":0,
                     "spoofchk":true,"trust":false,"query_rss":null,"link_state":"auto"}}"#;
        let vf: OriginalVf = serde_json::from_str(text).unwrap();
        assert_eq!((vf.admin_mac, vf.in_force), (AdminMac::Unknown, None));
        assert_eq!(vf.admin_mac(), vf.state.mac, "in doubt it may be an operator's");
    }
}
