//! host-device's alias: it keeps the interface's host name as `ifalias` of the link in the pod, and nothing else.
//!
//! A pod can write aliases, names and addresses, so none of them tells that a link came from the host. What does is the
//! kernel's word that there is hardware behind it (`IFLA_PARENT_DEV_NAME`, Linux 5.14), which no pod can make. A software
//! interface stays where it is and ends with its namespace. Of hardware the alias is only a wish for a name: one that is free
//! on the host and nobody else's on record.

use hardwire_pci::netlink::{Link, Socket};
use hardwire_pci::{Device, DeviceId, IfName, MacAddr};

use super::{ForeignAttachment, unset_flags};
use crate::Context;
use crate::config::{Base, DeviceName, LookupBy};
use crate::device::{id_of_link, is_link_of};
use crate::journal::{Hardware, InterfaceSettings, OriginalLink, Owner, Record, Step, Target};
use crate::netns::Netns;
use crate::protocol::{CniError, Environment, code};
use crate::release::fallback_name;

pub(super) fn find(
    context: &Context,
    environment: &Environment,
    base: &Base,
    host: &mut Socket,
) -> Result<Option<ForeignAttachment>, CniError> {
    let Some(path) = environment.netns.as_deref() else {
        return Ok(None);
    };
    let internal = |error: &dyn std::fmt::Display| CniError::new(code::INTERNAL, error);
    let entered = match Netns::open(path).and_then(Netns::enter) {
        Ok(entered) => entered,
        Err(error) if error.is_no_namespace() => return Ok(None),
        Err(error) => return Err(CniError::new(code::ENVIRONMENT, format!("CNI_NETNS: {error}"))),
    };
    let (mut socket, ifname) = (entered.socket, environment.ifname()?);
    let link = socket.link_by_name(ifname.as_str()).map_err(|error| internal(&error))?;
    let Some(link) = link else { return Ok(None) };
    let Some(name) = link.alias.as_deref().and_then(|alias| alias.parse::<IfName>().ok()) else {
        return Ok(None);
    };
    if !is_hardware(&link) {
        tracing::warn!(
            ifname = %ifname,
            "there is no hardware behind it, so nothing tells that host-device moved it here: it ends with its namespace"
        );
        return Ok(None);
    }
    // The container may have an interface of this name from somebody else, with an alias that means something else.
    if !is_the_configurations(&link, &name, base) {
        return Ok(None);
    }
    let host_view = Link {
        name: name.to_string(),
        ..link.clone()
    };
    let Ok(device) = id_of_link(&host_view, &context.sysfs) else {
        return Ok(None);
    };
    let owner = Owner {
        network: base.name.clone(),
        container_id: environment.container_id()?.clone(),
        ifname: ifname.clone(),
        netns_path: path.to_owned(),
        netns: entered.identity,
    };
    let attempt = format!("host-device-{}-{ifname}", owner.container_id);
    let record = Record {
        target: Target {
            index: Some(link.index),
            ..Target::default()
        },
        // It changes name and flags only, and always leaves the link down.
        link: Some(OriginalLink {
            name: host_name(context, &device, name, host)?,
            index: link.index,
            altnames: link.altnames.clone(),
            mac: link.mac(),
            mtu: link.mtu,
            alias: None,
            flags: unset_flags(&link),
            settings: InterfaceSettings::default(),
            hardware: Hardware::of(&link, &Device::unknown(device.clone()), None),
        }),
        ..Record::new(device, attempt, owner, Step::Attached)
    };
    Ok(Some(ForeignAttachment {
        record,
        files: Vec::new(),
    }))
}

/// Whether the kernel says that a device of some bus is behind the link.
fn is_hardware(link: &Link) -> bool {
    link.kind.is_none() && link.parent_bus.is_some() && link.parent_name.is_some()
}

/// The name to come back under: the one of the alias, unless it is somebody else's.
fn host_name(context: &Context, device: &DeviceId, wish: IfName, host: &mut Socket) -> Result<IfName, CniError> {
    let internal = |error: &dyn std::fmt::Display| CniError::new(code::INTERNAL, error);
    let taken = host.link_by_name(wish.as_str()).map_err(|error| internal(&error))?;
    let (records, unreadable) = context.journal.all().map_err(|error| internal(&error))?;
    let on_record = records.iter().any(|record| {
        let original = record.link.as_ref();
        record.device != *device
            && original.is_some_and(|link| link.name == wish || link.altnames.iter().any(|name| name == wish.as_str()))
    });
    if taken.is_none() && !on_record && unreadable.is_empty() {
        return Ok(wish);
    }
    let instead = fallback_name(device).unwrap_or_else(|| wish.clone());
    tracing::warn!(device = %device, "the name {wish} in its alias is another device's: it comes back as {instead}");
    Ok(instead)
}

/// Whether the link is the one that the configuration names, in one of host-device's ways.
fn is_the_configurations(link: &Link, host_name: &IfName, base: &Base) -> bool {
    let Some(named) = DeviceName::of(base) else {
        return false;
    };
    named.lookups().any(|way| match way {
        LookupBy::Interface(name) => name == host_name.as_str(),
        LookupBy::Hardware(mac) => [link.mac(), MacAddr::from_bytes(&link.permanent_address)].contains(&Some(mac)),
        LookupBy::Id(_, id) => is_link_of(link, id) == Some(true),
        LookupBy::Path(path) => match path.id() {
            Some(id) => is_link_of(link, id) == Some(true),
            None => link.parent_name.as_deref() == Some(path.name()),
        },
    })
}
