//! What the node has on an interface of its own, before it is lent to a pod.

use hardwire_pci::NodeUse;
use hardwire_pci::netlink::{Link, Socket};

use crate::journal::HostNetwork;
use crate::protocol::{CniError, code};

/// More than an uplink has; fewer than a router. A record is read and written as a whole.
const MOST: usize = 4096;

/// Reads what DEL has to put back.
pub(super) fn read(link: &Link, used: &NodeUse, host: &mut Socket) -> Result<HostNetwork, CniError> {
    let refused = |why: &dyn std::fmt::Display| {
        let msg = format!(
            "{} is the node's own ({used}), and what it has cannot be kept: {why}",
            link.name
        );
        CniError::new(code::NODE_DEVICE, msg)
    };
    let kept = host.kept(link.index, &link.name).map_err(|error| refused(&error))?;
    if kept.len() > MOST {
        let why = format!(
            "{} addresses, routes, rules and neighbours are more than {MOST}",
            kept.len()
        );
        return Err(refused(&why));
    }
    Ok(HostNetwork::now(kept))
}
