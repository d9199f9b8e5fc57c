//! Attachments that no DEL came for: GC's, and the daemon's repair.

use hardwire_pci::netlink::Socket;

use super::{Outcome, release, release_ipam};
use crate::Context;
use crate::ipam::{self, ReleasedBy};
use crate::journal::{Ending, JournalError, Owner, Record, Step};
use crate::netns::{self, Netns};
use crate::protocol::{CniError, code};
use crate::report::Phases;

/// Whether an attachment has no owner any more: its DEL was here and could not end it, or its namespace is gone. By path
/// and cookie; a namespace that lives on without its path has lost the runtime that would have sent a DEL. One that we may
/// not look at, or could not see from where we run, counts as alive: a pod in it would lose its device.
pub fn is_orphaned(record: &Record) -> bool {
    record.step == Step::Released || is_gone(&record.owner)
}

/// The same, and an attachment whose DEL has begun: nobody else will end it if that DEL was killed. For who comes long after.
pub fn is_abandoned(record: &Record) -> bool {
    record.ending == Some(Ending::Del) || is_orphaned(record)
}

fn is_gone(owner: &Owner) -> bool {
    match Netns::open(&owner.netns_path).and_then(Netns::enter) {
        Ok(entered) => !owner.netns.is(&entered.identity),
        Err(_) => netns::is_gone(&owner.netns_path),
    }
}

/// Releases addresses and device under the device's lock, if `is_stale` still says so of the record that is there then.
/// Goes on past errors and returns all of them.
pub fn reclaim(
    context: &Context,
    seen: &Record,
    is_stale: impl Fn(&Record) -> bool,
    by: ReleasedBy<'_>,
    host: &mut Socket,
) -> Vec<CniError> {
    let device = &seen.device;
    let io = |error: JournalError| CniError::new(code::IO, error);
    let lock = match context.journal.lock(device) {
        Ok(lock) => lock,
        Err(error) => return vec![io(error)],
    };
    let mut errors = Vec::new();
    match context.journal.get(device) {
        Ok(Some(record)) if record.attempt == seen.attempt && is_stale(&record) => {
            errors.extend(release_ipam(context, &record, by).err().map(|error| CniError {
                msg: format!("IPAM DEL: {}", error.msg),
                ..error
            }));
            errors.extend(context.journal.withdraw_call_of(&record).map_err(io).err());
            // This program ends, and its plugin was ended for that: the next one goes by the record, and asks IPAM again.
            if errors.is_empty() || !ipam::all_are_ended() {
                errors.extend(release_device(context, &record, host));
            }
        }
        Ok(_) => {}
        Err(error) => errors.push(io(error)),
    }
    errors.extend(context.journal.unlock(device, lock).map_err(io).err());
    errors
}

fn release_device(context: &Context, record: &Record, host: &mut Socket) -> Option<CniError> {
    match release(context, record, host, &mut Phases::begin()) {
        Ok(Outcome::Done) => None,
        Ok(Outcome::Unreachable) => {
            let msg = format!("{}, or its PF, is in a namespace that cannot be reached", record.device);
            Some(CniError::new(code::TRY_AGAIN, msg))
        }
        Err(error) => Some(CniError::new(code::REFUSED, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(path: &str) -> Owner {
        let own = Netns::own().and_then(Netns::enter).unwrap();
        Owner {
            netns_path: path.to_owned(),
            netns: own.identity,
            ..Owner::fixture("c1")
        }
    }

    #[test]
    fn a_namespace_that_lives_is_not_gone_and_another_at_its_path_is_not_it() {
        let mut owner = owner("/proc/self/ns/net");
        assert!(!is_gone(&owner));
        owner.netns.cookie = owner.netns.cookie.map(|cookie| cookie + 1);
        owner.netns.inode += 1;
        assert!(is_gone(&owner));
    }
}
