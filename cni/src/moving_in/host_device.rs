//! host-device's alias: it keeps the interface's host name as `ifalias` of the link in the pod, and nothing else.

use hardwire_pci::IfName;
use hardwire_pci::netlink::Link;

use super::Inherited;
use crate::Context;
use crate::config::{Base, DeviceName, Way};
use crate::device::{id_of_link, is_link_of};
use crate::journal::{OriginalLink, Owner, Record, Step, Target};
use crate::netns::{Netns, NetnsError};
use crate::protocol::{CniError, Environment, code};

pub(super) fn find(context: &Context, environment: &Environment, base: &Base) -> Result<Option<Inherited>, CniError> {
    let Some(path) = environment.netns.as_deref() else {
        return Ok(None);
    };
    let entered = match Netns::open(path).and_then(Netns::enter) {
        Ok(entered) => entered,
        Err(NetnsError::Missing(_) | NetnsError::NotANamespace { .. }) => return Ok(None),
        Err(error) => return Err(CniError::new(code::INTERNAL, error)),
    };
    let (mut socket, ifname) = (entered.socket, environment.ifname()?);
    let link = socket
        .link_by_name(ifname.as_str())
        .map_err(|error| CniError::new(code::INTERNAL, error))?;
    let Some(link) = link else { return Ok(None) };
    let Some(name) = link.alias.as_deref().and_then(|alias| alias.parse::<IfName>().ok()) else {
        return Ok(None);
    };
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
    let record = Record {
        version: Record::VERSION,
        attempt: format!("host-device-{}-{ifname}", environment.container_id()?),
        device,
        owner: Owner {
            network: base.name.clone(),
            container_id: environment.container_id()?.clone(),
            ifname: ifname.clone(),
            netns_path: path.to_owned(),
            netns: entered.identity,
        },
        step: Step::Attached,
        target: Target {
            index: Some(link.index),
            ..Target::default()
        },
        // It changes name and flags only, and always leaves the link down.
        link: Some(OriginalLink {
            name,
            index: link.index,
            altnames: link.altnames.clone(),
            mac: link.mac(),
            mtu: link.mtu,
            alias: None,
            flags: 0,
        }),
        vf: None,
        trunk: None,
        ipam: None,
    };
    Ok(Some(Inherited {
        record,
        files: Vec::new(),
    }))
}

/// Whether the link is the one that the configuration names, in one of host-device's ways.
fn is_the_configurations(link: &Link, host_name: &IfName, base: &Base) -> bool {
    let Some(named) = DeviceName::of(base) else {
        return false;
    };
    named.ways().any(|way| match way {
        Way::Interface(name) => name == host_name.as_str() || link.altnames.iter().any(|altname| altname == name),
        Way::Hardware(mac) => link.mac() == Some(mac),
        Way::Id(_, id) => is_link_of(link, id) == Some(true),
    })
}
