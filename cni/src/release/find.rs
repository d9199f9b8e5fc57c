//! Where a device is now.
//!
//! In the pod under its name, in the pod under another one, back on the host because the namespace ended (under the pod's
//! name, or `devN` where that is taken), in another namespace, or nowhere. Not seen is not gone: gone is what its bus does
//! not have any more, and a software interface that is in no namespace, for it ends with that.

use std::path::PathBuf;

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::netlink::{Link, NetlinkError, Socket};
use hardwire_pci::{DeviceId, PortName, ReadError, Sysfs, read_attachable};

use super::which::{Likeness, likeness, which};
use super::without_bus::{self, is_elsewhere, known_instance};
use super::{ReleaseError, refused};
use crate::Context;
use crate::journal::{OriginalLink, Parent, Record};
use crate::netns::{Entered, Netns};

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
    WithoutInterface,
    /// Somewhere else.
    Unreachable,
    /// Not in this machine any more.
    Gone,
}

/// Looks in the pod first, where an attached device is, then on the host.
pub fn find(context: &Context, record: &Record, host: &mut Socket) -> Result<Location, ReleaseError> {
    let Some(original) = &record.link else {
        return Ok(Location::WithoutInterface);
    };
    if let Some(mut entered) = pod(record)?
        && let Some(link) = in_pod(context, record, original, &mut entered)?
    {
        return Ok(Location::Pod {
            entered,
            link: Box::new(link),
        });
    }
    let found = match (&record.device, &original.hardware.parent) {
        (DeviceId::Interface(_), Some(parent)) => on_foreign_bus(context, record, original, parent, host),
        (DeviceId::Interface(_), None) => without_bus(context, record, original, host),
        _ => on_bus(context, record, original, host),
    };
    found.map_err(|source| refused(record, "looking for it on the host", source))
}

/// A device whose bus gives it its id.
fn on_bus(
    context: &Context,
    record: &Record,
    original: &OriginalLink,
    host: &mut Socket,
) -> Result<Location, NetlinkError> {
    // By its number, so that a port that is alone here is not taken for the first.
    let id = match (record.device.pci(), original.hardware.port) {
        (Some(function), Some(port)) => DeviceId::PciPort { function, port },
        _ => record.device.clone(),
    };
    let device = match read_attachable(&context.sysfs, &id) {
        Ok(device) => device,
        Err(ReadError::Missing(_)) => return Ok(missing(&record.device, &context.sysfs)),
        Err(ReadError::Sysfs(error)) => {
            tracing::warn!(device = %record.device, "cannot be read: {error}");
            return Ok(Location::Unreachable);
        }
    };
    let ports = device.ports();
    if ports.is_empty() {
        let bare = device.driver.as_deref().is_none_or(is_userspace_driver);
        return Ok(if bare {
            Location::WithoutInterface
        } else {
            Location::Unreachable
        });
    }
    let mut links = Vec::new();
    for port in &ports {
        links.extend(host.link_by_index(port.index)?);
    }
    // What the number has chosen needs no more than that nothing speaks against it.
    if let ([link], Some(_)) = (&links[..], original.hardware.port)
        && likeness(record, original, link) != Likeness::Other
    {
        return Ok(Location::Host(Box::new(link.clone())));
    }
    Ok(on_host(record, original, &links))
}

fn on_host(record: &Record, original: &OriginalLink, links: &[Link]) -> Location {
    let link = which(record, original, links, Some(original.index));
    link.map_or(Location::Unreachable, |link| Location::Host(Box::new(link.clone())))
}

/// Hardware on another bus (USB, platform): it is gone when its device is, and found below that.
fn on_foreign_bus(
    context: &Context,
    record: &Record,
    original: &OriginalLink,
    parent: &Parent,
    host: &mut Socket,
) -> Result<Location, NetlinkError> {
    let Some(directory) = parent_directory(&context.sysfs, parent) else {
        return without_bus(context, record, original, host);
    };
    if matches!(directory.try_exists(), Ok(false)) {
        return Ok(Location::Gone);
    }
    let mut links = Vec::new();
    for name in context.sysfs.names(&directory.join("net")) {
        links.extend(host.link_by_name(&name)?);
    }
    Ok(on_host(record, original, &links))
}

/// `None` if the names are none of a bus and a device there, which the kernel would not have told.
fn parent_directory(sysfs: &Sysfs, parent: &Parent) -> Option<PathBuf> {
    let is_name = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    let Parent { bus, name } = parent;
    (is_name(bus) && is_name(name)).then(|| sysfs.path(format!("bus/{bus}/devices/{name}")))
}

/// An interface on no bus. Software ends with its namespace; hardware is somewhere.
fn without_bus(
    context: &Context,
    record: &Record,
    original: &OriginalLink,
    host: &mut Socket,
) -> Result<Location, NetlinkError> {
    Ok(match without_bus::on_host(context, record, original, host)? {
        Some(link) => Location::Host(Box::new(link)),
        None if original.hardware.returns || is_elsewhere(context, record, original) => Location::Unreachable,
        None => Location::Gone,
    })
}

/// The namespace of the record, if the path still names it.
pub(super) fn pod(record: &Record) -> Result<Option<Entered>, ReleaseError> {
    let failed = |source| ReleaseError::Netns {
        device: record.device.clone(),
        source,
    };
    match Netns::open(&record.owner.netns_path).and_then(Netns::enter) {
        Ok(entered) => Ok(Some(entered).filter(|entered| record.owner.netns.is(&entered.identity))),
        Err(error) if error.is_no_namespace() => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn in_pod(
    context: &Context,
    record: &Record,
    original: &OriginalLink,
    entered: &mut Entered,
) -> Result<Option<Link>, ReleaseError> {
    let failed = |source| refused(record, "looking for it in the pod", source);
    if let Some(instance) = known_instance(context, record, original) {
        match entered.netns.index_of_instance(instance) {
            Ok(index) => {
                let link = index.map_or(Ok(None), |index| entered.socket.link_by_index(index));
                return link.map_err(failed);
            }
            Err(error) => tracing::debug!(device = %record.device, "taken for what its index says: {error}"),
        }
    }
    let socket = &mut entered.socket;
    let index = record.target.index;
    if let Some(index) = index
        && let Some(link) = socket.link_by_index(index).map_err(failed)?
        && is_certain(record, original, &link)
    {
        return Ok(Some(link));
    }
    // Killed before the index was on record, or moved within the pod: any name, so long as it is the device.
    let links = socket.links().map_err(failed)?;
    Ok(which(record, original, &links, index).cloned())
}

/// Whether a link with the recorded index needs no comparison with the others: nothing but the index could tell more.
fn is_certain(record: &Record, original: &OriginalLink, link: &Link) -> bool {
    let hardware = &original.hardware;
    match likeness(record, original, link) {
        Likeness::Same => true,
        Likeness::Possible => hardware.permanent.is_none() && hardware.phys_port_id.is_none(),
        Likeness::Other => false,
    }
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
        (Err(_), _) if matches!(directory.try_exists(), Ok(false)) => Location::Gone,
        (Ok(_) | Err(_), _) => Location::Unreachable,
    }
}
