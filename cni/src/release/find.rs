//! Where a device is now.
//!
//! In the pod under its name, in the pod under another one, back on the host because the namespace ended (under the pod's
//! name, or `devN` where that is taken), in a namespace that nobody can reach, or nowhere.

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::netlink::{Link, NetlinkError, Socket};
use hardwire_pci::{DeviceId, PortName, ReadError, Sysfs, read_attachable};

use super::stand_in::stand_in;
use super::{ReleaseError, refused};
use crate::Context;
use crate::device::is_link_of;
use crate::journal::{OriginalLink, Record};
use crate::netns::{Entered, Netns, NetnsError};

/// Where a device is.
#[derive(Debug)]
pub enum Location {
    /// In the namespace of the record.
    Pod {
        /// That namespace.
        entered: Entered,
        /// The interface there.
        link: Box<Link>,
    },
    /// In the host's namespace.
    Host(Box<Link>),
    /// Without an interface, as a device is that user space drives or that is bound to no driver.
    Bare,
    /// Somewhere else.
    Unreachable,
    /// Not in this machine any more.
    Gone,
}

/// Looks in the pod first, where an attached device is, then on the host.
pub fn find(context: &Context, record: &Record, host: &mut Socket) -> Result<Location, ReleaseError> {
    let Some(original) = &record.link else {
        return Ok(Location::Bare);
    };
    if let Some(mut entered) = pod(record)?
        && let Some(link) = in_pod(record, original, &mut entered)?
    {
        return Ok(Location::Pod {
            entered,
            link: Box::new(link),
        });
    }
    let failed = |source| refused(record, "looking for it on the host", source);
    if let DeviceId::Interface(_) = &record.device {
        let found = software_interface(record, original, host).map_err(failed)?;
        return Ok(found.map_or(Location::Gone, |link| Location::Host(Box::new(link))));
    }
    let device = match read_attachable(&context.sysfs, &record.device) {
        Ok(device) => device,
        Err(ReadError::Missing(_)) => return Ok(missing(&record.device, &context.sysfs)),
        Err(ReadError::Sysfs(error)) => {
            tracing::warn!(device = %record.device, "cannot be read: {error}");
            return Ok(Location::Unreachable);
        }
    };
    if let Some(netdev) = device.netdev() {
        let link = host.link_by_index(netdev.index).map_err(failed)?;
        return Ok(link.map_or(Location::Unreachable, |link| Location::Host(Box::new(link))));
    }
    let bare = device.driver.as_deref().is_none_or(is_userspace_driver);
    Ok(if bare { Location::Bare } else { Location::Unreachable })
}

/// An interface on no bus that is on the host: as it was, under the stand-in that a release gave it, or, for hardware
/// (USB), under the pod's name after its namespace ended. Software interfaces end with their namespace, and the old name
/// may meanwhile be another's.
fn software_interface(
    record: &Record,
    original: &OriginalLink,
    host: &mut Socket,
) -> Result<Option<Link>, NetlinkError> {
    let stand_in = stand_in(&record.device);
    let addressed = |link: &Link| link.mac() == original.mac || link.mac() == record.target.mac;
    let is_it = |link: &Link| {
        let unmoved = link.name == original.name.as_str() && link.index == original.index;
        let returned = link.kind.is_none() && link.name == record.owner.ifname.as_str();
        addressed(link) && (unmoved || returned || link.name == stand_in.as_str())
    };
    Ok(host.links()?.into_iter().find(is_it))
}

/// The namespace of the record, if the path still names it.
pub(super) fn pod(record: &Record) -> Result<Option<Entered>, ReleaseError> {
    let failed = |source| ReleaseError::Netns {
        device: record.device.clone(),
        source,
    };
    let netns = match Netns::open(&record.owner.netns_path) {
        Ok(netns) => netns,
        Err(NetnsError::Missing(_) | NetnsError::NotANamespace { .. }) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let entered = netns.enter().map_err(failed)?;
    Ok(Some(entered).filter(|entered| record.owner.netns.is(&entered.identity)))
}

fn in_pod(record: &Record, original: &OriginalLink, entered: &mut Entered) -> Result<Option<Link>, ReleaseError> {
    let failed = |source| refused(record, "looking for it in the pod", source);
    let socket = &mut entered.socket;
    if let Some(index) = record.target.index
        && let Some(link) = socket.link_by_index(index).map_err(failed)?
        && is_it(record, original, &link)
    {
        return Ok(Some(link));
    }
    // Killed before the index was on record, or moved within the pod: any name, so long as it is the device.
    Ok(socket
        .links()
        .map_err(failed)?
        .into_iter()
        .find(|link| is_it(record, original, link)))
}

fn is_it(record: &Record, original: &OriginalLink, link: &Link) -> bool {
    is_link_of(link, &record.device).unwrap_or_else(|| {
        // A namespace gives an index to one device only; a name can become another's, so it needs the address beside it.
        let named = link.name == record.owner.ifname.as_str() || link.name == original.name.as_str();
        let mac = link.mac();
        let addressed = mac == original.mac || record.target.mac.is_some() && mac == record.target.mac;
        record
            .target
            .index
            .map_or(named && addressed, |index| index == link.index)
    })
}

/// A device that sysfs does not show. A netdevsim port shows only where its interface is; it is gone if its VF is.
fn missing(id: &DeviceId, sysfs: &Sysfs) -> Location {
    let DeviceId::Netdevsim(port) = id else {
        return Location::Gone;
    };
    let directory = sysfs.path(format!("bus/netdevsim/devices/netdevsim{}", port.device));
    let num_vfs = sysfs.number::<u32>(&directory.join("sriov_numvfs"));
    match (num_vfs, port.port) {
        (Ok(num_vfs), PortName::Vf { vf, .. }) if vf >= num_vfs => Location::Gone,
        (Ok(_), _) => Location::Unreachable,
        (Err(_), _) => Location::Gone,
    }
}
