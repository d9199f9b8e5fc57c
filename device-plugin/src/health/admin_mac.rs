//! What is known of a free VF's admin MAC from one look to the next ([`AdminMac`]).

use hardwire_cni::baseline::{Baseline, BaselineVf};
use hardwire_cni::journal::OriginalLink;
use hardwire_cni::pf::{AdminMac, SeenMacs};
use hardwire_pci::netlink::VfState;
use hardwire_pci::{Sysfs, has_random_address};

/// What is known of the admin MAC of a VF in this state with this interface. `before` is its baseline, and `only_vf` says
/// that nothing happened to its PF itself since the look before.
pub fn admin_mac(
    sysfs: &Sysfs,
    state: &VfState,
    link: Option<&OriginalLink>,
    before: Option<&Baseline>,
    only_vf: bool,
) -> AdminMac {
    let own = link.and_then(|link| link.mac);
    let now = SeenMacs { shown: state.mac, own };
    // An interface that a driver made anew has its address from the PF, or made another up.
    let before = before.filter(|before| {
        let same = before
            .link
            .as_ref()
            .zip(link)
            .map(|(before, now)| before.index == now.index);
        same.unwrap_or(true)
    });
    let trusted = |state: &VfState| state.trust == Some(true);
    let was = before.and_then(|before| before.vf.as_ref());
    let is_bound_by_pf = !trusted(state) && !was.is_some_and(|vf| trusted(&vf.state));
    let known = was.map(|vf| {
        let recorded = || sight(vf, before.and_then(|before| before.link.as_ref()));
        (vf.admin_mac_at.unwrap_or_else(recorded), vf.admin_mac)
    });
    let random = || link.is_some_and(|link| has_random_address(sysfs, &link.name));
    // Asked of the few whose address is shown as the PF's only.
    let random = own.is_some() && own == state.mac && random();
    AdminMac::after(now, known, random, only_vf && is_bound_by_pf)
}

/// The addresses of a VF that a baseline holds.
pub fn sight(vf: &BaselineVf, link: Option<&OriginalLink>) -> SeenMacs {
    SeenMacs {
        shown: vf.state.mac,
        own: link.and_then(|link| link.mac),
    }
}
