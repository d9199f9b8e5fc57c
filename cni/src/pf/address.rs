//! Giving a VF's interface an address that its PF knows.
//!
//! Usually the address goes with the move, after the PF has the same one as admin MAC. Some PFs (igb) refuse every address
//! of a VF that has an admin MAC, the same one too, until the VF resets; they take it while none is set.

use hardwire_pci::MacAddr;
use hardwire_pci::netlink::{NetlinkError, Socket};

use super::VfPort;
use crate::kernel::{LinkChange, VfAttribute, change_link, set_vf};

/// A VF driver asks its PF through a mailbox that a busy PF does not always answer in time, which looks like a refusal.
const ATTEMPTS: usize = 3;

impl VfPort<'_> {
    /// Gives the interface `index` of `netns` (the host's where `None`) the address `mac`, while no admin MAC stands in the
    /// way, and then the PF the admin MAC `admin`. The link is down meanwhile.
    pub fn give_address(
        &mut self,
        mut netns: Option<&mut Socket>,
        index: u32,
        mac: MacAddr,
        admin: Option<MacAddr>,
    ) -> Result<(), NetlinkError> {
        tracing::info!(mac = %mac, "{} takes no address of VF {} while it has an admin MAC: lifting it for that", self.pf, self.vf);
        set_vf(self.socket, self.pf.index, self.vf, &[VfAttribute::Mac(MacAddr::ZERO)])?;
        let change = LinkChange {
            mac: Some(mac),
            ..LinkChange::default()
        };
        let mut give = || match &mut netns {
            Some(socket) => change_link(socket, index, &change),
            None => change_link(self.socket, index, &change),
        };
        let mut given = give();
        for _ in 1..ATTEMPTS {
            if given.is_ok() {
                break;
            }
            given = give();
        }
        // Whatever the interface said, the admin MAC is set again.
        let admin = admin.filter(|admin| *admin != MacAddr::ZERO);
        let set = admin.map_or(Ok(()), |admin| {
            set_vf(self.socket, self.pf.index, self.vf, &[VfAttribute::Mac(admin)])
        });
        given.and(set)
    }
}
