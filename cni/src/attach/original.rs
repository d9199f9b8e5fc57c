//! Reading what is about to change.

use hardwire_pci::Sysfs;
use hardwire_pci::netlink::{Link, Socket};

use crate::config::NetConf;
use crate::device::Candidate;
use crate::journal::{OriginalLink, OriginalVf};
use crate::pf::{OriginalTrunk, VfPort, requested_state};
use crate::protocol::{CniError, code};

/// The interface as it is, checked against the MTU that is asked for.
pub(super) fn link(link: &Link, conf: &NetConf) -> Result<OriginalLink, CniError> {
    check_mtu(link, conf)?;
    Ok(OriginalLink {
        name: link.name.parse().map_err(CniError::config)?,
        index: link.index,
        mac: link.mac(),
        mtu: link.mtu,
        flags: link.flags.0,
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

/// The VF as its PF shows it, where an attribute of the PF is asked for.
pub(super) fn vf(candidate: &Candidate, conf: &NetConf, socket: &mut Socket) -> Result<Option<OriginalVf>, CniError> {
    let touched = conf.vf.mac.is_some() || !conf.vf.needing_a_pf().is_empty();
    let (true, Some(pf), Some(index)) = (touched, candidate.pf.clone(), candidate.device.vf_index()) else {
        return Ok(None);
    };
    let mut port = VfPort { socket, pf, vf: index };
    let state = port.read().map_err(|error| CniError::new(code::REFUSED, error))?;
    Ok(Some(OriginalVf {
        pf: port.pf.id,
        index,
        state,
        requested: requested_state(&conf.vf, &state),
    }))
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
