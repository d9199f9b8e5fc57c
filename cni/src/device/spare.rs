//! Never the node's own NIC, as ADD enforces it: what cannot be found out is refused as well.

use hardwire_pci::netlink::{Link, Socket};
use hardwire_pci::{Device, Netdev, NodeUse, node_use};

use crate::Context;
use crate::boot_id;
use crate::config::NetConf;
use crate::netns::{Netns, sees_all_processes};
use crate::node::{Findings, NodeConfig, NodeConfigError, Upper, search};
use crate::protocol::{CniError, code};
use crate::report::daemon_listens;

/// What the node's operator says in its own file, or why that is not known.
pub type Operator = Result<Option<NodeConfig>, NodeConfigError>;

/// An interface that is to be given away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interface<'a> {
    /// Whose it is.
    pub(super) device: &'a Device,
    /// As sysfs has it.
    pub(super) netdev: &'a Netdev,
    /// As the kernel describes it.
    pub(super) link: Option<&'a Link>,
}

/// Refuses a device that the node lives on, unless NAD and operator both name it. Then tells what the node uses it for.
pub(super) fn check(
    Interface { device, netdev, link }: Interface<'_>,
    conf: &NetConf,
    operator: &Operator,
    context: &Context,
    socket: &mut Socket,
) -> Result<Option<NodeUse>, CniError> {
    let failed = |error: &dyn std::fmt::Display| {
        let msg = format!(
            "{} ({}): asking what the node uses it for: {error}",
            device.id, netdev.name
        );
        CniError::new(code::TRY_AGAIN, msg)
    };
    let findings = Findings::read(&context.state);
    let used = match node_use(socket, &context.sysfs, netdev).map_err(|error| failed(&error))? {
        Some(used) => Some(used),
        None => unseen(context, &findings, netdev.index).map_err(|error| failed(&error))?,
    };
    let Some(used) = used else { return Ok(None) };
    let refused = |what: &dyn std::fmt::Display| {
        let msg = format!("{} ({}) is the node's own: {used}", device.id, netdev.name);
        Err(CniError::new(code::NODE_DEVICE, msg).with_details(what))
    };
    if !conf.allow_node_device {
        return refused(
            &"\"allowNodeDevice\": true attaches it all the same, where the node's operator allows that too",
        );
    }
    let names = link.iter().flat_map(|link| &link.altnames).map(String::as_str);
    let names = names.chain([netdev.name.as_str()]);
    let of_a_pool = findings
        .ok()
        .flatten()
        .filter(|findings| findings.allowed.contains(&device.id) && is_of_this_boot(findings));
    let source = match (of_a_pool, operator) {
        (Some(_), _) => "its pool",
        (None, Ok(Some(config))) if config.allows(&device.id, names) => "the node's plugin.json",
        (None, Ok(_)) => {
            return refused(&format!(
                "allowNodeDevice counts only where the node's operator allows it too: in allowNodeDevices of the device's \
                 pool, or of {}",
                context.plugin_config.display()
            ));
        }
        (None, Err(error)) => return refused(&error),
    };
    tracing::warn!(device = %device.id, netdev = %netdev.name, "attaching the node's own, as allowNodeDevice and {source} want it: {used}");
    Ok(Some(used))
}

/// What stands on an interface and cannot be seen from it: the daemon's answer. One of a daemon that has ended is looked at
/// anew, so that it locks nobody out for ever; so is one that cannot be understood.
pub(super) fn unseen(
    context: &Context,
    findings: &Result<Option<Findings>, crate::node::FindingsError>,
    index: u32,
) -> Result<Option<NodeUse>, crate::node::SearchError> {
    let told = match findings {
        Ok(None) => return Ok(None),
        Ok(Some(findings)) => match findings.upper(index) {
            Some(upper) if is_of_this_boot(findings) => Some(upper),
            _ => return Ok(None),
        },
        Err(error) => {
            tracing::warn!("{error}: looking into all namespaces instead");
            None
        }
    };
    let used = |upper: &Upper| NodeUse::Upper(upper.to_string());
    if let Some(upper) = told
        && (daemon_listens(&context.state) || !sees_all_processes())
    {
        return Ok(Some(used(upper)));
    }
    Ok(search(&Netns::own()?)?
        .iter()
        .find(|upper| upper.lower == index)
        .map(used))
}

fn is_of_this_boot(findings: &Findings) -> bool {
    // Where that cannot be told, it is as if it were.
    boot_id().map_or(true, |boot| boot == findings.boot)
}
