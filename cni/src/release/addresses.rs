//! The way back of addresses: IPAM DEL by what is on record, and the lease on disk that goes with it.
//!
//! The lease is there for as long as IPAM may hold something. So it goes before the record goes, and where IPAM fails it
//! stays after the record went: the device is free for the next pod then, and the addresses are still owed.

use std::collections::BTreeSet;

use crate::Context;
use crate::ipam::{self, ReleasedBy};
use crate::journal::Record;
use crate::leases::{Lease, LeaseError};
use crate::protocol::{CniError, code};

/// IPAM plugins that keep an address for a container id, and release by it alone.
const BY_CONTAINER_ID: [&str; 3] = ["host-local", "whereabouts", "dhcp"];

/// Asks the IPAM plugin of a record to release its addresses, with what the record holds. Nothing is asked for an attachment
/// that never got so far.
pub fn release_ipam(context: &Context, record: &Record, by: ReleasedBy<'_>) -> Result<(), CniError> {
    context.journal.wait_for_ipam(&record.device);
    let Some(ipam) = record.ipam.as_ref().filter(|_| record.may_hold_addresses()) else {
        return Ok(());
    };
    if let Err(error) = ipam::release(context, ipam, &record.owner, by) {
        // Of a version that kept none: whoever has the device next must not take this with it.
        if !context.leases.has(&record.attempt)
            && let Err(error) = context.leases.keep(record)
        {
            tracing::warn!(device = %record.device, "{error}");
        }
        return Err(error);
    }
    context.leases.forget(&record.attempt).map_err(io)
}

/// The same with what is kept of an attachment that has no record any more.
pub fn release_lease(context: &Context, lease: &Lease, by: ReleasedBy<'_>) -> Result<(), CniError> {
    tracing::info!(
        device = %lease.device, container = %lease.owner.container_id, ifname = %lease.owner.ifname,
        "IPAM releases what an attachment without a record still holds"
    );
    ipam::release(context, &lease.ipam, &lease.owner, by)?;
    context.leases.forget(&lease.attempt).map_err(io)
}

/// Releases those leases that are stale and without a record, and touches no device. Only through IPAM plugins that match
/// the container id: others may release by the pod's name, and a pod of that name may live again. Goes on past errors and
/// returns all of them.
///
/// `vouched` are plugins that the operator says do so, beside those that are known to.
pub fn release_stale_leases(
    context: &Context,
    vouched: &[String],
    is_stale: impl Fn(&Lease) -> bool,
    by: ReleasedBy<'_>,
) -> Vec<CniError> {
    let leases = match context.leases.all() {
        Ok(leases) => leases,
        Err(error) => return vec![io(error)],
    };
    if leases.is_empty() {
        return Vec::new();
    }
    let attempts: BTreeSet<String> = match context.journal.all() {
        Ok((records, _unreadable)) => records.into_iter().map(|record| record.attempt).collect(),
        Err(error) => return vec![CniError::new(code::IO, error)],
    };
    let mut errors = Vec::new();
    for lease in leases {
        if attempts.contains(&lease.attempt) || !is_stale(&lease) {
            continue;
        }
        let plugin = lease.ipam.plugin.as_str();
        if BY_CONTAINER_ID.contains(&plugin) || vouched.iter().any(|listed| listed == plugin) {
            let released = release_lease(context, &lease, by);
            errors.extend(released.err().map(|error| CniError {
                msg: format!("container {}: IPAM DEL: {}", lease.owner.container_id, error.msg),
                ..error
            }));
        } else {
            tracing::info!(
                container = %lease.owner.container_id, ifname = %lease.owner.ifname,
                "IPAM plugin {plugin} is not known to release by container id: its addresses wait for their DEL"
            );
        }
    }
    errors
}

fn io(error: LeaseError) -> CniError {
    CniError::new(code::IO, error)
}
