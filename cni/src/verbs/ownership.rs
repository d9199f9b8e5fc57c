//! Who has a device: the record decides, and a record whose owner is gone is released on the spot.

use hardwire_pci::DeviceId;
use hardwire_pci::netlink::Socket;

use super::other_version::{may_be_in_a_pod, refusal};
use crate::Context;
use crate::device::{Candidate, refuse_with_vfs_in_use, vf_in_use, vfs_of};
use crate::ipam::ReleasedBy;
use crate::journal::{Journal, JournalError, Owner, Record};
use crate::migration;
use crate::netns::Netns;
use crate::protocol::{CniError, Environment, code};
use crate::release::{Outcome, is_orphaned, release, release_ipam};
use crate::report::Phases;
use crate::unclean::leftovers;

/// Refuses a device on whose interface something of another pod stays.
pub(super) fn refuse_unclean(context: &Context, candidate: Candidate) -> Result<Candidate, CniError> {
    let device = &candidate.device.id;
    let index = candidate.link.as_ref().map(|link| link.index);
    match index.and_then(|index| leftovers(&context.state, device, index)) {
        None => Ok(candidate),
        Some(what) => {
            let msg = format!("{device} is not clean: a pod left on its interface what cannot be taken away: {what}");
            Err(CniError::new(code::REFUSED, msg).with_details("binding its driver anew makes a clean interface"))
        }
    }
}

/// Why a device cannot be had.
#[derive(Debug)]
pub(super) enum NotFree {
    /// Its owner has ended, and its release has begun or is about to.
    Ending(Box<Record>),
    /// Somebody has it, or it cannot be told.
    Refused(CniError),
}

impl From<CniError> for NotFree {
    fn from(error: CniError) -> Self {
        Self::Refused(error)
    }
}

/// Makes sure that nobody has the device whose lock is held.
pub(super) fn release_stale_owner(
    context: &Context,
    environment: &Environment,
    id: &DeviceId,
    host: &mut Socket,
) -> Result<(), NotFree> {
    let record = match context.journal.get(id) {
        Ok(record) => record,
        Err(JournalError::Unreadable(unreadable)) => {
            // It can only be what an older or newer hardwire, or a hand, left: whether the device is free is then told by
            // the device itself, if it has an interface.
            if unreadable.other_version.is_some() && may_be_in_a_pod(&unreadable, context, host) {
                return Err(refusal(&unreadable).into());
            }
            tracing::warn!(device = %id, "{unreadable}: it is set aside");
            context
                .journal
                .set_aside(id)
                .map_err(|error| CniError::new(code::IO, error))?;
            None
        }
        Err(error) => return Err(CniError::new(code::IO, error).into()),
    };
    let Some(record) = record else { return Ok(()) };
    let again =
        record.owner.is(environment.container_id()?, environment.ifname()?) && record.chain == environment.chain;
    // After its DEL an attachment has no owner, whatever became of the namespace.
    if !again && !is_orphaned(&record) {
        return Err(if record.ending.is_some() {
            NotFree::Ending(Box::new(record))
        } else {
            NotFree::Refused(owned(&record))
        });
    }
    tracing::warn!(
        device = %id, network = %record.owner.network, container = %record.owner.container_id,
        "releasing an attachment that no DEL came for"
    );
    if record.owner.container_id != *environment.container_id()? {
        let withdrawn = context.journal.withdraw_call_of(&record);
        withdrawn.map_err(|error| CniError::new(code::IO, error))?;
    }
    if let Err(error) = release_ipam(context, &record, ReleasedBy::Another(environment)) {
        // The one who asks now is another pod, and the address is not its: the lease stays for who releases it.
        tracing::warn!(device = %id, "IPAM DEL: {error}");
    }
    match release(context, &record, host, &mut Phases::begin()) {
        Ok(Outcome::Done) => Ok(()),
        Ok(Outcome::Unreachable) => Err(owned(&record).into()),
        Err(error) => Err(CniError::new(code::TRY_AGAIN, format!("{id} could not be released: {error}")).into()),
    }
}

/// Makes sure that nobody has a VF of the device, which is then a PF in use.
pub(super) fn refuse_pf_in_use(context: &Context, id: &DeviceId, host: &mut Socket) -> Result<(), CniError> {
    let vfs = vfs_of(context, id)?;
    refuse_with_vfs_in_use(id, &vfs, |vf| {
        let of_another_plugin = migration::check_free(context, vf).err().map(|error| error.to_string());
        vf_in_use(context, vf, host).or(of_another_plugin)
    })
}

pub(super) fn owned(record: &Record) -> CniError {
    let Owner {
        network,
        container_id,
        ifname,
        ..
    } = &record.owner;
    let msg = format!(
        "{} is attached to another pod: container {container_id}, interface {ifname}",
        record.device
    );
    CniError::new(code::TRY_AGAIN, msg).with_details(format!("network {network}"))
}

/// The record as the journal has it, if that is still of this very attempt.
pub(super) fn ours(journal: &Journal, record: &Record) -> Option<Record> {
    let found = journal.get(&record.device).ok().flatten();
    found.filter(|found| found.attempt == record.attempt)
}

/// Refuses a call whose pod would be the host itself, before anything is done.
pub(super) fn refuse_own_netns(pod: &Netns, environment: &Environment) -> Result<(), CniError> {
    let own = Netns::own().map_err(|error| CniError::new(code::INTERNAL, error))?;
    if pod.is_same(&own) && !environment.netns_override {
        return Err(CniError::new(
            code::SAME_NETNS,
            "plugin's netns and netns from CNI_NETNS should not be the same",
        ));
    }
    Ok(())
}
