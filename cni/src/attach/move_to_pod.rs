//! From the host into the pod: journal, one message to the PF, one move.

use std::os::fd::AsFd;

use hardwire_pci::netlink::{Link, LinkFlags, NetlinkError, Socket};
use hardwire_pci::{IfName, instance};

use super::{host_network, original};
use crate::Context;
use crate::config::NetConf;
use crate::device::{Candidate, is_link_of, refuse_while_its_pf_or_vf_attaches};
use crate::journal::{OriginalLink, Record};
use crate::kernel::{LinkChange, change_link, delete_altname, is_taken};
use crate::netns::Entered;
use crate::pf::{VfPort, Wanted};
use crate::protocol::{CniError, code};
use crate::queue::FairLock;
use crate::report::{Phase, Phases};

/// A device on its way from the host into the pod.
#[derive(Debug)]
pub struct MoveToPod<'a> {
    /// Where the node's state is.
    pub context: &'a Context,
    /// What is asked for.
    pub conf: &'a NetConf,
    /// The device.
    pub candidate: &'a Candidate,
    /// Its record. What the device was is filled in and written before anything is changed.
    pub record: &'a mut Record,
    /// The host's socket.
    pub host: &'a mut Socket,
    /// The pod's namespace.
    pub pod: &'a mut Entered,
}

// === impl MoveToPod ===

impl MoveToPod<'_> {
    /// Fills in what the device was, writes the record, sets the VF's attributes and moves the device. Returns the interface as
    /// the pod sees it; none for a device that user space drives. On an error the caller releases the record.
    pub fn run(mut self, phases: &mut Phases) -> Result<Option<Link>, CniError> {
        let wanted = self.note_original(phases)?;
        refuse_while_its_pf_or_vf_attaches(self.context, &self.candidate.device)?;
        if let Some(wanted) = wanted {
            phases.time(Phase::Pf, || self.apply(&wanted))?;
        }
        if let Some(trunk) = &self.record.trunk {
            let added = trunk.add(&self.context.sysfs);
            added.map_err(|error| CniError::new(code::REFUSED, error))?;
        }
        let Some(original) = self.record.link.clone() else {
            return Ok(None);
        };
        let queued = phases.time(Phase::Lock, || FairLock::acquire(&self.context.state));
        // On record from the next write on. Asked here, for each answer waits for RTNL, which in front of the queue all moves
        // of others hold; what is not known yet when a call dies here, nobody in the pod has changed yet.
        if let Some(link) = &mut self.record.link {
            let is_vf = self.candidate.device.vf_index().is_some();
            link.settings.complete(link.index, link.name.as_str(), is_vf);
        }
        let link = phases.time(Phase::Move, || self.send(&original))?;
        drop(queued);
        self.record.target.index = Some(link.index);
        Ok(Some(link))
    }

    /// Puts on record what the device is, and returns what to set on its PF.
    fn note_original(&mut self, phases: &mut Phases) -> Result<Option<Wanted>, CniError> {
        let Self {
            context,
            conf,
            candidate,
            record,
            host,
            ..
        } = self;
        let sysfs = &context.sysfs;
        record.link = candidate
            .link
            .as_ref()
            .map(|link| original::link(link, candidate, conf))
            .transpose()?;
        let vf = phases.time(Phase::Pf, || original::vf(candidate, conf, context, host))?;
        let (vf, wanted) = vf.unzip();
        record.vf = vf;
        let name = candidate.link.as_ref().map(|link| link.name.as_str());
        record.instance = instance(sysfs, &record.device, name);
        record.trunk = original::trunk(candidate, conf, sysfs)?;
        if let (Some(link), Some(used)) = (&candidate.link, &candidate.node_use) {
            record.host_network = Some(host_network::read(link, used, host)?);
        }
        let put = phases.time(Phase::Journal, || context.journal.put(record));
        put.map_err(|error| CniError::new(code::IO, error))?;
        Ok(wanted)
    }

    /// The one message to the PF.
    fn apply(&mut self, wanted: &Wanted) -> Result<(), CniError> {
        let (Some(vf), Some(pf)) = (&self.record.vf, self.candidate.pf.clone()) else {
            return Ok(());
        };
        let mut port = VfPort {
            socket: self.host,
            pf,
            vf: vf.index,
        };
        port.apply(wanted, &vf.state).map_err(|error| {
            let error = CniError::new(code::REFUSED, error);
            // What the PF calls it may stand nowhere in the configuration.
            match self.conf.spelt("max_tx_rate") {
                key if error.msg.contains("max_tx_rate") && key != "max_tx_rate" => {
                    error.with_details(format_args!("max_tx_rate comes from {key}"))
                }
                _ => error,
            }
        })
    }

    /// The one message that moves it, and what the interface is in the pod.
    fn send(&mut self, original: &OriginalLink) -> Result<Link, CniError> {
        let Self {
            conf,
            candidate,
            record,
            host,
            pod,
            ..
        } = self;
        let record: &Record = record;
        let ifname = record.owner.ifname.clone();
        let change = LinkChange {
            netns: Some(pod.netns.as_fd()),
            name: Some(ifname.clone()),
            mac: conf.vf.mac,
            mtu: conf.mtu,
            // With addresses to set, up comes after them, so that the kernel announces them.
            flags: Some(flags(conf, record.ipam.is_none())).filter(|(_, mask)| mask.0 != 0),
            ..LinkChange::default()
        };
        // The kernel does not rename a device to a name of its own (`__dev_get_by_name`, net/core/dev.c).
        let mut moved = lift_altnames(original, |altname| Ok(altname == ifname.as_str()), host)
            .and_then(|_lifted| change_link(host, original.index, &change));
        if is_taken(&moved) {
            // An alternative name that something in the pod has stops the move; it is on record, and comes back after.
            let in_pod = |altname: &str| Ok(pod.socket.link_by_name(altname)?.is_some());
            if lift_altnames(original, in_pod, host).is_ok_and(|lifted| lifted) {
                moved = change_link(host, original.index, &change);
            }
        }
        if let Err(error) = moved {
            let moved = moved_link(record, original, &mut pod.socket);
            let port = record.vf.as_ref().zip(candidate.pf.clone()).map(|(vf, pf)| VfPort {
                socket: host,
                pf,
                vf: vf.index,
            });
            match (moved, conf.vf.mac, port) {
                (Some(link), Some(mac), Some(mut port)) if link.mac() != Some(mac) => {
                    let given = port.give_address(Some(&mut pod.socket), link.index, mac, Some(mac));
                    given.map_err(|error| refusal(record, original, &change, Some(&link), &error))?;
                    // The kernel stopped at the address: what comes after it is still to be done.
                    let rest = LinkChange {
                        netns: None,
                        mac: None,
                        ..change
                    };
                    let finished = change_link(&mut pod.socket, link.index, &rest);
                    finished.map_err(|error| refusal(record, original, &rest, Some(&link), &error))?;
                }
                (moved, _, _) => return Err(refusal(record, original, &change, moved.as_ref(), &error)),
            }
        }
        pod_link(record, &ifname, pod)
    }
}

/// Takes those of its alternative names from a device on the host that stand in the way, and tells whether there were any.
fn lift_altnames(
    original: &OriginalLink,
    mut is_in_the_way: impl FnMut(&str) -> Result<bool, NetlinkError>,
    host: &mut Socket,
) -> Result<bool, NetlinkError> {
    let mut lifted = false;
    for altname in &original.altnames {
        if is_in_the_way(altname)? {
            delete_altname(host, original.index, altname)?;
            lifted = true;
        }
    }
    Ok(lifted)
}

/// The flags to set, and which of them.
fn flags(conf: &NetConf, up: bool) -> (LinkFlags, LinkFlags) {
    let wanted = [
        (LinkFlags::UP, up.then_some(true)),
        (LinkFlags::PROMISC, conf.promisc),
        (LinkFlags::ALLMULTI, conf.allmulti),
    ];
    let given = wanted.into_iter().filter_map(|(flag, on)| Some((flag, on?)));
    given.fold((LinkFlags(0), LinkFlags(0)), |(flags, mask), (flag, on)| {
        (LinkFlags(flags.0 | if on { flag } else { 0 }), LinkFlags(mask.0 | flag))
    })
}

fn pod_link(record: &Record, ifname: &IfName, pod: &mut Entered) -> Result<Link, CniError> {
    let failed = |error: &dyn std::fmt::Display| {
        CniError::new(
            code::INTERNAL,
            format!("{}: looking for {ifname} in the pod: {error}", record.device),
        )
    };
    let link = pod
        .socket
        .link_by_name(ifname.as_str())
        .map_err(|error| failed(&error))?;
    let link = link.ok_or_else(|| failed(&"the move succeeded and it is not there"))?;
    if is_link_of(&link, &record.device) == Some(false) {
        return Err(failed(&"another device has that name"));
    }
    Ok(link)
}

/// The interface in the pod after a message that failed: under the new name, or under its old one.
fn moved_link(record: &Record, original: &OriginalLink, pod: &mut Socket) -> Option<Link> {
    let mut named = |name: &IfName| pod.link_by_name(name.as_str()).ok().flatten();
    let link = named(&record.owner.ifname).or_else(|| named(&original.name));
    link.filter(|link| is_link_of(link, &record.device) != Some(false))
}

/// Which part of the message the kernel refused: it applies them in a known order (address, MTU, name, flags), and a move
/// that was made stays made.
fn refusal(
    record: &Record,
    original: &OriginalLink,
    change: &LinkChange<'_>,
    moved: Option<&Link>,
    error: &NetlinkError,
) -> CniError {
    let what = match (moved, change.mac, change.mtu) {
        (None, _, _) => format!("the move to {} as {}", record.owner.netns_path, record.owner.ifname),
        (Some(link), Some(mac), _) if link.mac() != Some(mac) => format!("mac {mac}"),
        (Some(link), _, Some(mtu)) if link.mtu != mtu => format!("mtu {mtu}"),
        (Some(link), _, _) if link.name != record.owner.ifname.as_str() => format!("name {}", record.owner.ifname),
        (Some(_), _, _) => "up".to_owned(),
    };
    let msg = format!(
        "{} ({}): the kernel refused {what}: {error}",
        record.device, original.name
    );
    CniError::new(code::REFUSED, msg)
}
