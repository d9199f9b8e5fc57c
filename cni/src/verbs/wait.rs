//! An ADD whose device has a holder on its way out waits for that, and for nothing else.
//!
//! The kubelet gives a device to the next pod as soon as the one before is deleted with grace 0, and the DEL of that one
//! comes a moment later. Refused, the next pod would wait for the kubelet's back-off. The waiting is done without the
//! device's lock, without a place in the queue and without the pod's namespace open, which would keep that alive.
//!
//! While an ADD waits, for a holder or for the lock, it has no record that its own DEL could find, so it leaves a note which
//! that one takes away.

use std::time::Instant;

use hardwire_pci::DeviceId;

use super::ownership::owned;
use crate::Context;
use crate::journal::{DeviceLock, JournalError, Record, Waiting};
use crate::netns::NetnsIdentity;
use crate::protocol::{CniError, Environment, code};

/// The waiting of one ADD, if it has to.
#[derive(Debug)]
pub(super) struct HolderWait<'a> {
    context: &'a Context,
    environment: &'a Environment,
    until: Instant,
    waiting: Option<Waiting>,
    netns: Option<NetnsIdentity>,
}

impl<'a> HolderWait<'a> {
    /// Of an ADD that begins now.
    pub(super) fn begin(context: &'a Context, environment: &'a Environment) -> Self {
        Self {
            context,
            environment,
            until: Instant::now() + context.holder_bound,
            waiting: None,
            netns: None,
        }
    }

    /// Makes sure that the namespace is still the one that this ADD began for.
    pub(super) fn same_netns(&mut self, now: &NetnsIdentity) -> Result<(), CniError> {
        let begun = self.netns.get_or_insert(*now);
        if begun.is(now) {
            return Ok(());
        }
        let msg = "CNI_NETNS: it names another network namespace than when this ADD began: its pod is gone";
        Err(CniError::new(code::ENVIRONMENT, msg))
    }

    /// Takes the device's lock, which another call may have for as long as firmware takes.
    pub(super) fn lock(&mut self, id: &DeviceId) -> Result<DeviceLock, CniError> {
        let journal = &self.context.journal;
        let io = |error: JournalError| CniError::new(code::IO, error);
        if let Some(lock) = journal.try_lock(id).map_err(io)? {
            return Ok(lock);
        }
        self.note()?;
        let lock = journal.lock(id).map_err(io)?;
        if let Err(error) = self.still_wanted() {
            journal.unlock(id, lock).map_err(io)?;
            return Err(error);
        }
        Ok(lock)
    }

    /// Notes that this ADD waits, unless that is noted already.
    fn note(&mut self) -> Result<&Waiting, CniError> {
        let waiting = if let Some(waiting) = self.waiting.take() {
            waiting
        } else {
            let (container_id, ifname) = (self.environment.container_id()?, self.environment.ifname()?);
            let noted = self
                .context
                .journal
                .note_waiting(container_id, ifname, self.environment.chain.as_ref());
            noted.map_err(|error| CniError::new(code::IO, error))?
        };
        Ok(self.waiting.insert(waiting))
    }

    /// Gives up the lock of the holder's device and waits until its record changes. Afterwards everything is to be looked at
    /// anew.
    pub(super) fn wait_for(&mut self, holder: &Record, id: &DeviceId, lock: DeviceLock) -> Result<(), CniError> {
        let journal = &self.context.journal;
        let io = |error: JournalError| CniError::new(code::IO, error);
        let waiting = self.note()?;
        let watch = journal.watch(id, waiting);
        journal.unlock(id, lock).map_err(io)?;
        tracing::info!(device = %id, container = %holder.owner.container_id, "waiting for a holder that is on its way out");
        let failed = |error| CniError::new(code::IO, format!("watching the record of {id}: {error}"));
        let changed = watch.and_then(|watch| watch.wait_until(self.until)).map_err(failed)?;
        self.still_wanted()?;
        if changed {
            Ok(())
        } else {
            let refused = owned(holder);
            Err(CniError {
                msg: format!("{}; it is on its way out, and was waited for", refused.msg),
                ..refused
            })
        }
    }

    /// Puts the record of an ADD that has waited, so that a DEL finds it from now on, unless one came before. The caller holds
    /// the device's lock, and nothing of the device has been changed yet.
    pub(super) fn claim(&mut self, record: &Record) -> Result<(), CniError> {
        if self.waiting.is_none() {
            return Ok(());
        }
        let journal = &self.context.journal;
        let io = |error: JournalError| CniError::new(code::IO, error);
        journal.put(record).map_err(io)?;
        if let Err(error) = self.still_wanted() {
            journal.remove(&record.device).map_err(io)?;
            return Err(error);
        }
        self.waiting = None;
        Ok(())
    }

    fn still_wanted(&self) -> Result<(), CniError> {
        if self.waiting.as_ref().is_none_or(Waiting::is_wanted) {
            return Ok(());
        }
        let msg = "a DEL of this attachment came while its ADD waited for the device";
        Err(CniError::new(code::TRY_AGAIN, msg))
    }
}
