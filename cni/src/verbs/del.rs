//! DEL: whatever the journal says is undone, any number of times.
//!
//! Needs no prevResult, no namespace, no field of the configuration but its name. IPAM is released first (dhcp needs the
//! interface), and its failure is reported only after the device is back.

use hardwire_pci::netlink::Socket;

use super::ownership::refuse_own_netns;
use crate::Context;
use crate::config::Base;
use crate::ipam::Delegate;
use crate::journal::{JournalError, Record, Step};
use crate::migration;
use crate::netns::Netns;
use crate::protocol::{CniError, Command, Environment, Folded, code};
use crate::release::{Outcome, release};
use crate::report::{Phase, Phases};

/// Detaches what `CNI_CONTAINERID` has as `CNI_IFNAME`.
pub fn del(context: &Context, environment: &Environment, stdin: &[u8], phases: &mut Phases) -> Result<(), CniError> {
    let base = Base::parse(stdin)?;
    base.required_version()?;
    if let Some(pod) = environment.netns.as_deref().and_then(|path| Netns::open(path).ok()) {
        refuse_own_netns(&pod, environment)?;
    }
    let found = phases.time(Phase::Journal, || find(context, environment, base.fields()))?;
    let release_ipam = || {
        base.ipam.as_deref().map_or(Ok(()), |plugin| {
            Delegate::of_call(plugin, environment, stdin).run(Command::Del)
        })
    };
    if let Some(record) = &found {
        phases.device(&record.device);
        phases.time(Phase::Ipam, || context.journal.wait_for_ipam(&record.device));
    }
    let ipam = if base.ipam.is_some() {
        phases.time(Phase::Ipam, release_ipam)
    } else {
        Ok(())
    };
    let device = match found {
        Some(record) => detach(context, environment, &record, release_ipam, phases),
        None => detach_foreign(context, environment, &base, phases),
    };
    // The device's own failure leaves more behind than IPAM's.
    device.and(ipam)
}

/// There is no record of ours: what the replaced plugins left for this container is honoured the same way.
fn detach_foreign(
    context: &Context,
    environment: &Environment,
    base: &Base,
    phases: &mut Phases,
) -> Result<(), CniError> {
    let mut host = Socket::open().map_err(|error| CniError::new(code::INTERNAL, error))?;
    let Some(foreign) = migration::find(context, environment, base, &mut host)? else {
        return Ok(());
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
    Ok(())
}

fn find(context: &Context, environment: &Environment, fields: Folded<'_>) -> Result<Option<Record>, CniError> {
    let runtime = fields
        .get("runtimeConfig")
        .and_then(|runtime| runtime.as_object())
        .map(Folded::new);
    let ids = [
        fields.get("deviceID"),
        runtime.and_then(|r| r.get("deviceID")),
        fields.get("pciBusID"),
    ];
    let hint = ids.into_iter().flatten().find_map(|id| id.as_str()?.parse().ok());
    let found = context
        .journal
        .find(environment.container_id()?, environment.ifname()?, hint.as_ref());
    found.map_err(|error| CniError::new(code::IO, error))
}

fn detach(
    context: &Context,
    environment: &Environment,
    record: &Record,
    release_ipam: impl FnOnce() -> Result<(), CniError>,
    phases: &mut Phases,
) -> Result<(), CniError> {
    let io = |error: JournalError| CniError::new(code::IO, error);
    let device = &record.device;
    let mut host = Socket::open().map_err(|error| CniError::new(code::INTERNAL, error))?;
    let lock = phases.time(Phase::Lock, || context.journal.lock(device)).map_err(io)?;
    // Read again under the lock: another DEL may have been faster, and the device may be another pod's by now.
    let record = context.journal.get(device).map_err(io)?;
    let (container_id, ifname) = (environment.container_id()?, environment.ifname()?);
    let record = record.filter(|record| record.owner.is(container_id, ifname));
    let mut late = Ok(());
    if record.is_some() && context.journal.is_ipam_asked(device) {
        // Its ADD had the lock until now, and asked for addresses after ours were released.
        context.journal.wait_for_ipam(device);
        late = release_ipam();
    }
    let released = match record {
        None => Ok(()),
        Some(record) => match release(context, &record, &mut host, phases) {
            Ok(Outcome::Done) => Ok(()),
            Ok(Outcome::Unreachable) => {
                tracing::warn!(device = %device, "in a namespace that cannot be reached: it is put right when that ends");
                context
                    .journal
                    .put(&Record {
                        step: Step::Released,
                        ..record
                    })
                    .map_err(io)
            }
            Err(error) => Err(CniError::new(code::REFUSED, error)),
        },
    };
    context.journal.unlock(device, lock).map_err(io)?;
    released.and(late)
}
