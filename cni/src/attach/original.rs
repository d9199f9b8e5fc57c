//! Reading what is about to change.

use hardwire_pci::Sysfs;
use hardwire_pci::netlink::{Link, Socket, VfState};

use crate::Context;
use crate::config::NetConf;
use crate::device::Candidate;
use crate::idle::boot_id;
use crate::journal::{InterfaceSettings, OriginalLink, OriginalVf};
use crate::pf::{OriginalTrunk, Pf, VfPort, Wanted};
use crate::protocol::{CniError, code};
use crate::report::daemon_listens;

/// The interface as it is, checked against the MTU that is asked for.
pub(super) fn link(link: &Link, conf: &NetConf) -> Result<OriginalLink, CniError> {
    check_mtu(link, conf)?;
    Ok(OriginalLink {
        name: link.name.parse().map_err(CniError::config)?,
        index: link.index,
        mac: link.mac(),
        mtu: link.mtu,
        flags: link.flags.0,
        settings: InterfaceSettings::from(link),
        alias: link.alias.clone(),
        altnames: link.altnames.clone(),
    })
}

fn check_mtu(link: &Link, conf: &NetConf) -> Result<(), CniError> {
    let Some(mtu) = conf.mtu else { return Ok(()) };
    // 0 is how a driver without a limit says so.
    let too_big = link.max_mtu != 0 && mtu > link.max_mtu;
    if mtu < link.min_mtu || too_big {
        let (low, high) = (link.min_mtu, if link.max_mtu == 0 { 65535 } else { link.max_mtu });
        return Err(CniError::config(format!(
            "mtu: {mtu} is not valid: {} takes {low} to {high}",
            link.name
        )));
    }
    Ok(())
}

/// The VF before, and what to set on its PF; `None` where nothing is.
///
/// The daemon's idle record says what the PF holds, while it counts. Else the PF is asked, if an attribute is asked for or
/// if the record says what the VF should be like and an event of the PF has put it in doubt.
pub(super) fn vf(
    candidate: &Candidate,
    conf: &NetConf,
    context: &Context,
    socket: &mut Socket,
) -> Result<Option<(OriginalVf, Wanted)>, CniError> {
    let (Some(pf), Some(index)) = (candidate.pf.clone(), candidate.device.vf_index()) else {
        return Ok(None);
    };
    let touched = conf.vf.mac.is_some() || !conf.vf.needing_a_pf().is_empty();
    let idle = idle(candidate, &pf, index, context);
    if !touched && idle.as_ref().is_none_or(|idle| idle.in_force) {
        return Ok(None);
    }
    let (pf_id, state) = match &idle {
        Some(idle) if idle.in_force => (pf.id, idle.state),
        _ => {
            let mut port = VfPort { socket, pf, vf: index };
            let state = port.read().map_err(|error| CniError::new(code::REFUSED, error))?;
            (port.pf.id, state)
        }
    };
    let wanted = Wanted::new(&conf.vf, &state, idle.as_ref().map(|idle| &idle.state));
    if wanted.is_empty() {
        return Ok(None);
    }
    let requested = wanted.after(&state);
    let original = OriginalVf {
        pf: pf_id,
        index,
        state,
        requested,
    };
    Ok(Some((original, wanted)))
}

struct Idle {
    state: VfState,
    /// No event of the PF came since.
    in_force: bool,
}

/// What the daemon saw of a VF while nobody had it; `None` if that is of another boot, PF or interface.
fn idle(candidate: &Candidate, pf: &Pf, index: u32, context: &Context) -> Option<Idle> {
    let record = context.idle.get(&candidate.device.id)?;
    let vf = record.vf?;
    let same_vf = vf.pf == pf.id && vf.pf_index == pf.index && vf.index == index;
    let link = candidate.link.as_ref().map(|link| (link.index, link.mac()));
    // A VF that was made anew has another interface, and nothing of what it was set to.
    let same_link = link == record.link.map(|link| (link.index, link.mac));
    let same_driver = record.driver == candidate.device.driver;
    if !(same_vf && same_link && same_driver && boot_id().is_ok_and(|boot| boot == record.boot)) {
        return None;
    }
    let in_force = context.idle.generation(&pf.id) == Some(vf.generation) && daemon_listens(&context.state);
    Some(Idle {
        state: vf.state,
        in_force,
    })
}

/// The VF's trunk, where VLANs are to be added to it.
pub(super) fn trunk(candidate: &Candidate, conf: &NetConf, sysfs: &Sysfs) -> Result<Option<OriginalTrunk>, CniError> {
    let Some(wanted) = &conf.vlan_trunk else {
        return Ok(None);
    };
    let (Some(pf), Some(vf)) = (candidate.device.pf(), candidate.device.vf_index()) else {
        let msg = format!("vlanTrunk: {} is no VF with a PF on this host", candidate.device.id);
        return Err(CniError::config(msg));
    };
    let trunk = OriginalTrunk::read(sysfs, pf, vf, wanted);
    trunk.map(Some).map_err(|error| CniError::new(code::REFUSED, error))
}
