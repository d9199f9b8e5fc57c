//! Addresses, routes, rules and neighbours of an interface of the node's own that was lent to a pod: put back when it is on the host.
//!
//! What is there already is right, so it may be done any number of times. What the kernel refuses for good (a gateway that
//! nothing leads to any more) is told in the log and no reason to keep the device from everybody.

use std::time::{Duration, Instant};

use hardwire_pci::netlink::{Group, Kept, KeptKind, Link, NetlinkError, Socket, Watch};

use super::find::{Location, find};
use super::{ReleaseError, refused};
use crate::Context;
use crate::device::is_link_of;
use crate::journal::{HostNetwork, Record};

/// A nexthop object is taken only while there is a carrier (`nh_check_attr`, `rtm_to_nh_config`), for which a NIC that was
/// just set up needs seconds.
const CARRIER_BOUND: Duration = Duration::from_secs(10);

/// Puts back what a record holds, if it holds any.
pub(super) fn restore(context: &Context, record: &Record, host: &mut Socket) -> Result<(), ReleaseError> {
    let (Some(network), Some(original)) = (&record.host_network, &record.link) else {
        return Ok(());
    };
    let failed = |source| refused(record, "putting back the node's addresses, routes and rules", source);
    // On no bus, it is known by name and address: the host may have given its index to another one meanwhile.
    let named = host.link_by_name(original.name.as_str()).map_err(failed)?;
    let is_it = |link: &Link| is_link_of(link, &record.device).unwrap_or_else(|| link.mac() == original.mac);
    let link = match (named.filter(is_it), find(context, record, host)?) {
        (Some(link), _) => link,
        (None, Location::Host(link)) => *link,
        (None, _) => {
            tracing::warn!(device = %record.device, "gone, and the node's addresses and routes on it with it");
            return Ok(());
        }
    };
    if network.kept.iter().any(|kept| kept.kind == KeptKind::Nexthop) && link.flags.is_up() {
        wait_for_carrier(link.index, host).map_err(failed)?;
    }
    let count = restore_each(record, network, (original.index, link.index), host).map_err(failed)?;
    tracing::info!(
        device = %record.device, netdev = %link.name,
        "the node's own is back: {count} of {} addresses, routes, rules and neighbours were to be put back",
        network.all().count()
    );
    Ok(())
}

fn restore_each(
    record: &Record,
    network: &HostNetwork,
    indices: (u32, u32),
    host: &mut Socket,
) -> Result<usize, NetlinkError> {
    let elapsed = network.elapsed();
    let mut restored = 0;
    let mut pending: Vec<&Kept> = network.all().collect();
    // A route may lead to the gateway of one that comes before it.
    loop {
        let mut left = Vec::new();
        let before = pending.len();
        for kept in pending {
            match kept.restore(host, indices, elapsed) {
                Ok(is_new) => restored += usize::from(is_new),
                Err(error @ NetlinkError::Refused { .. }) if !is_passing(&error) => left.push((kept, error)),
                Err(error) => return Err(error),
            }
        }
        if left.len() == before || left.is_empty() {
            for (kept, error) in left {
                tracing::warn!(device = %record.device, "{kept} is not put back: {error}");
            }
            return Ok(restored);
        }
        pending = left.into_iter().map(|(kept, _)| kept).collect();
    }
}

/// Whether the next call may succeed without anybody doing anything.
fn is_passing(error: &NetlinkError) -> bool {
    use rustix::io::Errno;

    let passing = [Errno::NOMEM, Errno::NOBUFS, Errno::AGAIN, Errno::INTR, Errno::BUSY];
    let errno = error.errno();
    passing.iter().any(|passing| Some(passing.raw_os_error()) == errno)
}

fn wait_for_carrier(index: u32, host: &mut Socket) -> Result<(), NetlinkError> {
    let mut links = Watch::open(Group::Links)?;
    let deadline = Instant::now() + CARRIER_BOUND;
    while let Some(link) = host.link_by_index(index)? {
        let left = deadline.saturating_duration_since(Instant::now());
        if link.flags.has_carrier() || left.is_zero() {
            return Ok(());
        }
        links.wait(left)?;
    }
    Ok(())
}
