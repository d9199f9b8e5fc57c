//! DEL: whatever the journal says is undone, any number of times.
//!
//! Where there is a record, the record decides: which device, which IPAM plugin with which configuration. The call needs no
//! prevResult, no namespace, and nothing on stdin that can be understood. IPAM is released first (dhcp needs the interface),
//! and its failure is reported only after the device is back. The call's own configuration counts where there is neither a
//! record nor a lease: for an attachment that another plugin made, or an older version of this one.
//!
//! The DEL of a list in which we stand is for all attachments that its ADD made, whatever their interfaces are called.

use hardwire_pci::netlink::Socket;

use super::other_version::refuse_unknown;
use super::ownership::refuse_own_netns;
use crate::Context;
use crate::config::{Base, PodConf, is_beyond_bounds};
use crate::ipam::{Delegate, ReleasedBy};
use crate::journal::{Ending, JournalError, Record, Step};
use crate::migration;
use crate::netns::Netns;
use crate::protocol::{CniError, Command, Environment, code};
use crate::release::{Outcome, release, release_ipam, release_lease};
use crate::report::{Phase, Phases};

/// Detaches what `CNI_CONTAINERID` has as `CNI_IFNAME`, and what it was given in the call of that name.
pub fn del(context: &Context, environment: &Environment, stdin: &[u8], phases: &mut Phases) -> Result<(), CniError> {
    let (container_id, ifname) = (environment.container_id()?, environment.ifname()?);
    if let Some(pod) = environment.netns.as_deref().and_then(|path| Netns::open(path).ok()) {
        refuse_own_netns(&pod, environment)?;
    }
    // Before the records are read: an ADD that waits looks for this after it has written its own.
    let io = |error: JournalError| CniError::new(code::IO, error);
    context.journal.withdraw_waiting(container_id, ifname).map_err(io)?;
    let hint = Base::device_hint(stdin);
    let found = phases.time(Phase::Journal, || {
        context.journal.of(container_id, ifname, hint.as_ref())
    });
    let (mut records, unreadable) = found.map_err(io)?;
    let mut ended = Ok(());
    if records.is_empty() {
        refuse_unknown(context, environment, &unreadable)?;
        ended = without_record(context, environment, stdin, phases);
        // An ADD that the runtime gave up may have gone on beside this, with addresses that were just released. That of a list
        // sees that this came, and takes back what it makes.
        if !is_of_list(stdin) {
            records = context.journal.of(container_id, ifname, hint.as_ref()).map_err(io)?.0;
        }
    } else {
        // No version that is not spoken is answered, whatever else stands there.
        Base::refuse_unspoken_version(stdin)?;
    }
    for record in records {
        let detached = detach(context, environment, &record, phases);
        ended = ended.and(detached);
    }
    ended
}

fn is_of_list(stdin: &[u8]) -> bool {
    Base::parse_for_del(stdin).is_ok_and(|base| PodConf::is_meant(&base))
}

/// Releases what a record says: addresses, then the device.
pub(super) fn detach(
    context: &Context,
    environment: &Environment,
    seen: &Record,
    phases: &mut Phases,
) -> Result<(), CniError> {
    let io = |error: JournalError| CniError::new(code::IO, error);
    let by = ReleasedBy::ItsDel(environment);
    phases.device(&seen.device);
    if seen.may_hold_addresses() {
        // Whoever wants the device meanwhile knows that it will be free.
        let marked = phases.time(Phase::Journal, || context.journal.mark_ending(seen, Ending::Del));
        if let Err(error) = marked {
            tracing::warn!(device = %seen.device, "not marked as ending: {error}");
        }
    }
    let mut ipam = phases.time(Phase::Ipam, || release_ipam(context, seen, by));
    let device = &seen.device;
    let mut host = Socket::open().map_err(|error| CniError::new(code::INTERNAL, error))?;
    let lock = phases.time(Phase::Lock, || context.journal.lock(device)).map_err(io)?;
    // Read again under the lock: another DEL may have been faster, and the device may be another pod's by now.
    let record = context.journal.get(device).map_err(io)?;
    let (container_id, ifname) = (environment.container_id()?, environment.ifname()?);
    let Some(record) = record.filter(|record| record.is_of(container_id, ifname)) else {
        context.journal.unlock(device, lock).map_err(io)?;
        return ipam;
    };
    let went_on = record.attempt != seen.attempt || !seen.may_hold_addresses();
    if context.journal.is_ipam_asked(device) || went_on && record.may_hold_addresses() {
        // Its ADD had the lock until now, and asked for addresses after ours were released.
        ipam = phases.time(Phase::Ipam, || release_ipam(context, &record, by));
    }
    let released = match release(context, &record, &mut host, phases) {
        Ok(Outcome::Done) => Ok(()),
        Ok(Outcome::Unreachable) => {
            tracing::warn!(device = %device, "it or its PF is in a namespace that cannot be reached: it is put right when that ends");
            let left = Record {
                step: Step::Released,
                ipam: record.ipam.clone().filter(|_| ipam.is_err()),
                ..record
            };
            context.journal.put(&left).map_err(io)
        }
        Err(error) => Err(CniError::new(code::REFUSED, error)),
    };
    context.journal.unlock(device, lock).map_err(io)?;
    // The device's own failure leaves more behind than IPAM's.
    released.and(ipam)
}

/// There is no record: what IPAM may still hold is released by its lease, or else by the call's configuration; and what the
/// replaced plugins left for this container is honoured the same way.
fn without_record(
    context: &Context,
    environment: &Environment,
    stdin: &[u8],
    phases: &mut Phases,
) -> Result<(), CniError> {
    let leases = context.leases.of(environment.container_id()?, environment.ifname()?);
    let leases = leases.map_err(|error| CniError::new(code::IO, error))?;
    let base = match Base::parse_for_del(stdin) {
        Ok(base) => base,
        // What is beyond a bound has attached nothing, and its DEL must come to an end.
        Err(error) if leases.is_empty() && is_beyond_bounds(stdin) => {
            tracing::warn!("{error}: there is no record, and nothing is released");
            return Ok(());
        }
        Err(error) if leases.is_empty() => return Err(error),
        Err(error) => {
            tracing::warn!("{error}: addresses are released by their lease");
            Base::refuse_unspoken_version(stdin)?;
            return release_all(context, environment, &leases, phases);
        }
    };
    base.required_version()?;
    let mut ipam = release_all(context, environment, &leases, phases);
    if PodConf::is_meant(&base) {
        // What was there before us attached nothing by such a configuration.
        return ipam;
    }
    let mut missing = None;
    if let (true, Some(plugin)) = (leases.is_empty(), base.ipam.as_deref()) {
        let delegate = Delegate::of_call(context, plugin, environment, stdin);
        match delegate.locate() {
            Ok(located) => ipam = phases.time(Phase::Ipam, || located.run(Command::Del)),
            Err(error) => missing = Some(error),
        }
    }
    let was_there = detach_foreign(context, environment, &base, phases)?;
    match missing {
        // An ADD of ours asks nothing of IPAM before it has a record, and keeps a lease: there is nothing to release.
        Some(error) if !was_there => tracing::info!("there is no record, and IPAM is not asked: {error}"),
        Some(error) => ipam = Err(CniError::new(code::INTERNAL, error)),
        None => {}
    }
    ipam
}

fn release_all(
    context: &Context,
    environment: &Environment,
    leases: &[crate::leases::Lease],
    phases: &mut Phases,
) -> Result<(), CniError> {
    let by = ReleasedBy::ItsDel(environment);
    let released = leases
        .iter()
        .map(|lease| phases.time(Phase::Ipam, || release_lease(context, lease, by)));
    released.fold(Ok(()), Result::and)
}

/// Releases what another plugin attached, and tells whether there was something.
fn detach_foreign(
    context: &Context,
    environment: &Environment,
    base: &Base,
    phases: &mut Phases,
) -> Result<bool, CniError> {
    let mut host = Socket::open().map_err(|error| CniError::new(code::INTERNAL, error))?;
    let Some(foreign) = migration::find(context, environment, base, &mut host)? else {
        return Ok(false);
    };
    let record = &foreign.record;
    tracing::info!(device = %record.device, "releasing what another plugin attached");
    let io = |error: JournalError| CniError::new(code::IO, error);
    phases.device(&record.device);
    let lock = phases.time(Phase::Lock, || context.journal.lock(&record.device));
    let lock = lock.map_err(io)?;
    // A record of ours means that the device is already another pod's, and theirs is stale.
    let released = match context.journal.get(&record.device).map_err(io)? {
        Some(_) => Ok(()),
        None => release(context, record, &mut host, phases).map(|_outcome| ()),
    };
    context.journal.unlock(&record.device, lock).map_err(io)?;
    released.map_err(|error| CniError::new(code::REFUSED, error))?;
    foreign.forget();
    Ok(true)
}
