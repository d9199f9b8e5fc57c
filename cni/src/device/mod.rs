//! Which device an ADD is about, and whether it may be given away.
//!
//! Never the node's own NIC, and never a representor: both are seen to here, before anything is written or changed.

mod attached;
mod identity;
mod locate;
mod spare;
mod vfs;

use hardwire_pci::netlink::{Link, Socket};
use hardwire_pci::{Device, DeviceId, LinkType, Netdev, NodeUse, read_device};

use crate::Context;
use crate::config::NetConf;
use crate::pf::{Pf, pf_of};
use crate::protocol::{CniError, code};

pub use identity::id_of_link;
pub(crate) use identity::is_link_of;
pub(crate) use locate::identify;
use spare::Interface;
pub use spare::Operator;
pub(crate) use vfs::{refuse_while_its_pf_or_vf_attaches, refuse_with_vfs_in_use, vf_in_use, vfs_of};

/// A device that may be attached.
#[derive(Debug)]
pub struct Candidate {
    /// The device.
    pub device: Device,
    /// The interface to move; none for a device that user space drives.
    pub netdev: Option<Netdev>,
    /// The same, as the kernel describes it.
    pub link: Option<Link>,
    /// The PF, for a VF whose PF has an interface here.
    pub pf: Option<Pf>,
    /// What the node itself uses it for, where NAD and operator give it away all the same.
    pub node_use: Option<NodeUse>,
}

impl Candidate {
    /// Refuses another device than the one whose lock is held: a name or an address became its while the lock was waited for.
    pub fn must_be(self, locked: &DeviceId) -> Result<Self, CniError> {
        let found = &self.device.id;
        if found == locked {
            return Ok(self);
        }
        let msg = format!("the configuration named {locked} a moment ago and names {found} now: try again");
        Err(CniError::new(code::TRY_AGAIN, msg))
    }
}

/// Finds the device that the configuration names and checks that it may be attached. `operator` is what the node's own file
/// says.
pub fn candidate(
    conf: &NetConf,
    context: &Context,
    operator: &Operator,
    socket: &mut Socket,
) -> Result<Candidate, CniError> {
    let sysfs = &context.sysfs;
    let located = locate::locate(&conf.device, context, socket)?;
    let pf = located.device.pf().and_then(|pf| pf_of(pf, sysfs));
    let mut candidate = Candidate { pf, ..located };
    check_fields(conf, &candidate)?;
    if let Some(netdev) = &candidate.netdev {
        let interface = Interface {
            device: &candidate.device,
            netdev,
            link: candidate.link.as_ref(),
        };
        candidate.node_use = spare::check(interface, conf, operator, context, socket)?;
    }
    Ok(candidate)
}

/// Fields that this device cannot have.
fn check_fields(conf: &NetConf, candidate: &Candidate) -> Result<(), CniError> {
    let id = &candidate.device.id;
    let on_a_pf = candidate.pf.is_some() && candidate.device.vf_index().is_some();
    if let (false, Some(field)) = (on_a_pf, conf.vf.needing_a_pf().first()) {
        let why = match candidate.device.pf() {
            Some(pf) => format!("its PF {pf} has no interface on this host"),
            None => "it is no VF with a PF on this host".to_owned(),
        };
        let field = conf.spelt(field);
        return Err(CniError::config(format!("{field}: {id} cannot have one: {why}")));
    }
    if candidate.netdev.is_none() {
        let driver = candidate.device.driver.as_deref().unwrap_or("no driver");
        let asked = [
            ("mtu", conf.mtu.is_some()),
            ("promisc", conf.promisc == Some(true)),
            ("allmulti", conf.allmulti == Some(true)),
        ];
        if let Some((field, _)) = asked.into_iter().find(|(_, asked)| *asked) {
            return Err(CniError::config(format!(
                "{field}: {id} has no interface (it is bound to {driver})"
            )));
        }
        if conf.vf.mac.is_some() && !on_a_pf {
            return Err(CniError::config(format!(
                "mac: {id} has no interface and no PF to set it on"
            )));
        }
    }
    let ether = candidate
        .netdev
        .as_ref()
        .is_none_or(|netdev| netdev.link_type == LinkType::Ether);
    if conf.vf.mac.is_some() && !ether {
        return Err(CniError::config(format!("mac: {id} is no Ethernet device")));
    }
    Ok(())
}

/// Whether a device is in this machine: on the host, in a pod of ours, or with user space.
pub fn is_present(id: &DeviceId, context: &Context) -> bool {
    read_device(&context.sysfs, id).is_ok() || context.journal.get(id).is_ok_and(|record| record.is_some())
}
