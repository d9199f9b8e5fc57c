//! DEL: whatever the journal says is undone, any number of times.
//!
//! Needs no prevResult, no namespace, no field of the configuration but its name. IPAM is released first (dhcp needs the
//! interface), and its failure is reported only after the device is back.

use hardwire_pci::netlink::Socket;

use crate::Context;
use crate::config::Base;
use crate::ipam::Delegate;
use crate::journal::{Record, Step};
use crate::protocol::{CniError, Command, Environment, Folded, code};
use crate::release::{Outcome, release};

/// Detaches what `CNI_CONTAINERID` has as `CNI_IFNAME`.
pub fn del(context: &Context, environment: &Environment, stdin: &[u8]) -> Result<(), CniError> {
    let base = Base::parse(stdin)?;
    base.required_version()?;
    let found = find(context, environment, base.fields())?;
    let ipam = base.ipam.as_deref().map_or(Ok(()), |plugin| {
        Delegate::of_call(plugin, environment, stdin).run(Command::Del)
    });
    let device = found.map_or(Ok(()), |record| detach(context, environment, &record));
    // The device's own failure leaves more behind than IPAM's.
    device.and(ipam)
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

fn detach(context: &Context, environment: &Environment, record: &Record) -> Result<(), CniError> {
    let io = |error: crate::journal::JournalError| CniError::new(code::IO, error);
    let device = &record.device;
    let mut host = Socket::open().map_err(|error| CniError::new(code::INTERNAL, error))?;
    let lock = context.journal.lock(device).map_err(io)?;
    // Read again under the lock: another DEL may have been faster, and the device may be another pod's by now.
    let record = context.journal.get(device).map_err(io)?;
    let (container_id, ifname) = (environment.container_id()?, environment.ifname()?);
    let released = match record.filter(|record| record.owner.is(container_id, ifname)) {
        None => Ok(()),
        Some(record) => match release(context, &record, &mut host) {
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
    released
}
