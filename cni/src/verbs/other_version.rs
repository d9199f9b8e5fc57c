//! Records of another version of this program: what they are about is not known here, so nothing is taken for free.

use std::path::Path;

use hardwire_pci::netlink::{Link, Socket};
use hardwire_pci::{DeviceId, ReadError, read_attachable};

use crate::Context;
use crate::device::is_link_of;
use crate::journal::Unreadable;
use crate::netns::{self, Netns};
use crate::protocol::{CniError, Environment, code};

/// Refuses a DEL whose attachment has a record that is not understood, while its device may still be in the pod.
pub(super) fn refuse_unknown(
    context: &Context,
    environment: &Environment,
    unreadable: &[Unreadable],
) -> Result<(), CniError> {
    let mut open = None;
    for record in unreadable {
        tracing::warn!("{record}");
        let is_ours = match record.is_of(environment.container_id()?, environment.ifname()?) {
            Some(is_ours) => is_ours,
            // Torn by a hand: it tells nothing. Of another layout: the pod tells whether there is something to release.
            None => record.other_version.is_some() && may_be_interface_of(environment, record)?,
        };
        if !is_ours {
            continue;
        }
        if open.is_none() {
            open = Some(Socket::open().map_err(|error| CniError::new(code::INTERNAL, error))?);
        }
        if open.as_mut().is_some_and(|host| may_be_in_a_pod(record, context, host)) {
            return Err(refusal(record));
        }
    }
    Ok(())
}

/// Why nothing is done about a device.
pub(super) fn refusal(record: &Unreadable) -> CniError {
    let device = device(record).map_or_else(|| "its device".to_owned(), |id| id.to_string());
    let msg = format!(
        "{record}: {device} may be in a pod and is left alone: call the hardwire that wrote the record, or remove it once \
         the device is back"
    );
    CniError::new(code::IO, msg)
}

/// Whether the device of a record is somewhere else than on the host, as far as anybody can tell.
pub(super) fn may_be_in_a_pod(record: &Unreadable, context: &Context, host: &mut Socket) -> bool {
    if record.salvaged.netns_path.as_deref().is_some_and(netns::is_gone) {
        return false;
    }
    match device(record) {
        Some(DeviceId::Interface(name)) => !host.link_by_name(name.as_str()).is_ok_and(|link| link.is_some()),
        Some(id) => match read_attachable(&context.sysfs, &id) {
            Ok(device) => device.netdev().is_none(),
            Err(ReadError::Missing(_)) => matches!(id, DeviceId::Netdevsim(_)),
            Err(ReadError::Sysfs(_)) => true,
        },
        None => true,
    }
}

fn device(record: &Unreadable) -> Option<DeviceId> {
    let of_its_name = || {
        let stem = record.path.file_stem().and_then(|stem| stem.to_str())?;
        stem.parse().or_else(|_| stem.replacen('_', "/", 1).parse()).ok()
    };
    record.salvaged.device.clone().or_else(of_its_name)
}

/// Whether the pod has an interface of the attachment's name that may be the device of a record.
fn may_be_interface_of(environment: &Environment, record: &Unreadable) -> Result<bool, CniError> {
    let Some(path) = environment.netns.as_deref().filter(|path| Path::new(path).exists()) else {
        return Ok(false);
    };
    let Ok(mut pod) = Netns::open(path).and_then(Netns::enter) else {
        return Ok(false);
    };
    let link = pod.socket.link_by_name(environment.ifname()?.as_str());
    let link = link.map_err(|error| CniError::new(code::INTERNAL, error))?;
    let is_another = |link: &Link| device(record).is_some_and(|id| is_link_of(link, &id) == Some(false));
    Ok(link.is_some_and(|link| !is_another(&link)))
}
