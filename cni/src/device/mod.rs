//! Which device an ADD is about, and whether it may be given away.
//!
//! Rule 5 (never the node's own NIC) and rule 6 (no representors) of the architecture are enforced here, before anything
//! is written or changed.

mod locate;

use hardwire_pci::netlink::{Link, Socket};
use hardwire_pci::{Device, DeviceId, LinkType, Netdev, NodeUse, Sysfs, node_use, read_device};

use crate::Context;
use crate::config::NetConf;
use crate::pf::{Pf, pf_of};
use crate::protocol::{CniError, code};

pub use locate::id_of_link;
pub(crate) use locate::{find_by_mac, is_link_of, missing};

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
}

/// Finds the device that the configuration names and checks that it may be attached.
pub fn candidate(conf: &NetConf, sysfs: &Sysfs, socket: &mut Socket) -> Result<Candidate, CniError> {
    let located = locate::locate(&conf.device, sysfs, socket)?;
    let pf = located.device.pf().and_then(|pf| pf_of(pf, sysfs));
    let candidate = Candidate { pf, ..located };
    check_fields(conf, &candidate)?;
    if let Some(netdev) = &candidate.netdev {
        check_spare(conf, &candidate.device, netdev, sysfs, socket)?;
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
        return Err(CniError::config(format!("{field}: {id} cannot have one: {why}")));
    }
    if candidate.netdev.is_none() {
        let driver = candidate.device.driver.as_deref().unwrap_or("no driver");
        if conf.mtu.is_some() {
            return Err(CniError::config(format!(
                "mtu: {id} has no interface (it is bound to {driver})"
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

fn check_spare(
    conf: &NetConf,
    device: &Device,
    netdev: &Netdev,
    sysfs: &Sysfs,
    socket: &mut Socket,
) -> Result<(), CniError> {
    let failed = |error| {
        CniError::new(
            code::INTERNAL,
            format!("asking what the node uses {} for: {error}", netdev.name),
        )
    };
    let Some(used) = node_use(socket, sysfs, netdev).map_err(failed)? else {
        return Ok(());
    };
    if conf.allow_node_device {
        tracing::warn!(device = %device.id, netdev = %netdev.name, "allowNodeDevice: attaching the node's own: {used}");
        return Ok(());
    }
    Err(node_device(device, netdev, &used))
}

fn node_device(device: &Device, netdev: &Netdev, used: &NodeUse) -> CniError {
    let msg = format!("{} ({}) is the node's own: {used}", device.id, netdev.name);
    CniError::new(code::NODE_DEVICE, msg).with_details("\"allowNodeDevice\": true attaches it all the same")
}

/// Whether a device is in this machine: on the host, in a pod of ours, or with user space.
pub fn is_present(id: &DeviceId, context: &Context) -> bool {
    read_device(&context.sysfs, id).is_ok() || context.journal.get(id).is_ok_and(|record| record.is_some())
}
