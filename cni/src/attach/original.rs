//! Reading what is about to change.

use hardwire_pci::netlink::{Link, Socket, VfState};
use hardwire_pci::{DeviceId, Sysfs};

use crate::Context;
use crate::boot_id;
use crate::config::NetConf;
use crate::device::Candidate;
use crate::journal::{Hardware, InterfaceSettings, OriginalLink, OriginalVf};
use crate::pf::{AdminMac, InForce, OriginalTrunk, Pf, PfError, VfPort, Wanted};
use crate::protocol::{CniError, code};
use crate::report::daemon_listens;

/// The interface as it is, checked against the MTU that is asked for.
pub(super) fn link(link: &Link, candidate: &Candidate, conf: &NetConf) -> Result<OriginalLink, CniError> {
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
        hardware: Hardware::of(link, &candidate.device, candidate.netdev.as_ref()),
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
/// The daemon's baseline says what the PF holds, while it counts. Else the PF is asked, if an attribute is asked for or
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
    let baseline = baseline(candidate, &pf, index, context);
    if !touched && baseline.as_ref().is_none_or(|baseline| baseline.in_force.is_some()) {
        return Ok(None);
    }
    let known = baseline.as_ref().filter(|baseline| baseline.in_force.is_some());
    let pf_id = pf.id.clone();
    // Told before the PF is asked: from then on it is as the answer says, until something happens to it.
    let in_force = match known {
        Some(baseline) => baseline.in_force,
        None => in_force(&pf.id, context),
    };
    let state = match known {
        Some(baseline) => baseline.state,
        None => match (VfPort { socket, pf, vf: index }).read() {
            Ok(state) => state,
            Err(error @ PfError::TooLong { .. }) => match assumed_state(conf, index, baseline.as_ref(), &error)? {
                Some(state) => state,
                None => return Ok(None),
            },
            Err(error) => return Err(CniError::new(code::REFUSED, error)),
        },
    };
    let wanted = Wanted::new(&conf.vf, &state, baseline.as_ref().map(|baseline| &baseline.state));
    if wanted.is_empty() {
        return Ok(None);
    }
    let requested = wanted.after(&state);
    let original = OriginalVf {
        pf: pf_id,
        index,
        state,
        requested,
        admin_mac: known.map(|baseline| baseline.admin_mac).unwrap_or_default(),
        in_force,
    };
    Ok(Some((original, wanted)))
}

/// What to take for the state of a VF that the kernel cannot tell: what it was like when last seen free. Without that,
/// nothing is set that could not be put back; `None` where nothing is asked for.
fn assumed_state(
    conf: &NetConf,
    index: u32,
    baseline: Option<&Known>,
    error: &PfError,
) -> Result<Option<VfState>, CniError> {
    let mut fields = conf.vf.needing_a_pf();
    fields.extend(conf.vf.mac.map(|_| "mac"));
    if fields.is_empty() {
        tracing::warn!("{error}: VF {index} is attached as it is");
        return Ok(None);
    }
    if let Some(baseline) = baseline {
        tracing::warn!("{error}: VF {index} is taken to be as it was when last seen free");
        return Ok(Some(baseline.state));
    }
    let msg = format!(
        "{}: not set on VF {index}, for what it is now could not be put back: {error}",
        fields.join(", ")
    );
    Err(CniError::new(code::REFUSED, msg))
}

struct Known {
    state: VfState,
    admin_mac: AdminMac,
    /// None if an event of the PF came since.
    in_force: Option<InForce>,
}

/// What the daemon saw of a VF while nobody had it; `None` if that is of another boot, PF or interface.
fn baseline(candidate: &Candidate, pf: &Pf, index: u32, context: &Context) -> Option<Known> {
    let record = context.baselines.get(&candidate.device.id)?;
    let vf = record.vf?;
    let same_vf = vf.pf == pf.id && vf.pf_index == pf.index && vf.index == index;
    let link = candidate.link.as_ref().map(|link| (link.index, link.mac()));
    // A VF that was made anew has another interface, and nothing of what it was set to.
    let same_link = link == record.link.map(|link| (link.index, link.mac));
    let same_driver = record.driver == candidate.device.driver;
    if !(same_vf && same_link && same_driver && boot_id().is_ok_and(|boot| boot == record.boot)) {
        return None;
    }
    Some(Known {
        state: vf.state,
        admin_mac: vf.admin_mac,
        in_force: in_force(&pf.id, context).filter(|now| now.generation == vf.generation),
    })
}

/// What is in force of a PF's records, while somebody would hear of its events.
fn in_force(pf: &DeviceId, context: &Context) -> Option<InForce> {
    context
        .baselines
        .in_force(pf)
        .filter(|_| daemon_listens(&context.state))
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

#[cfg(test)]
mod tests {
    use hardwire_pci::netlink::VfState;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Base;
    use crate::protocol::{CniArgs, SpecVersion};

    fn conf(fields: &Value) -> NetConf {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "n", "deviceID": "0000:01:10.0"});
        for (key, value) in fields.as_object().unwrap() {
            conf[key] = value.clone();
        }
        let base = Base::parse(conf.to_string().as_bytes()).unwrap();
        NetConf::parse(base, SpecVersion::V1_0_0, &CniArgs::default()).unwrap()
    }

    #[test]
    fn what_the_kernel_cannot_tell_is_unknown_and_not_zero() {
        let error = PfError::TooLong {
            pf: Pf {
                id: "0000:01:00.0".parse().unwrap(),
                name: "eth0".into(),
                index: 3,
            },
        };
        assert_eq!(
            assumed_state(&conf(&json!({})), 7, None, &error).unwrap(),
            None,
            "it goes as it is"
        );
        let asked = conf(&json!({"vlan": 5, "trust": "on", "mac": "02:00:00:00:00:01"}));
        let refused = assumed_state(&asked, 7, None, &error).unwrap_err();
        assert_eq!(refused.code, code::REFUSED);
        for named in ["vlan", "trust", "mac", "VF 7", "eth0", "0000:01:00.0", "EMSGSIZE"] {
            assert!(refused.msg.contains(named), "{named}: {}", refused.msg);
        }
        let state = VfState {
            vlan: 9,
            ..VfState::default()
        };
        let baseline = Known {
            state,
            admin_mac: AdminMac::Unset,
            in_force: None,
        };
        assert_eq!(
            assumed_state(&asked, 7, Some(&baseline), &error).unwrap(),
            Some(state),
            "as last seen"
        );
    }
}
