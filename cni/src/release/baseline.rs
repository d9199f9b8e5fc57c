//! A free device that an attachment of ours left dirty: its baseline is what it has to be again.

use hardwire_pci::DeviceId;
use hardwire_pci::netlink::{Socket, VfState};

use super::children::end_children;
use super::clean::{From, note};
use super::link::{Address, Restoring};
use super::pf::{PfRestored, restore_vf};
use super::{ReleaseError, refused, renamed};
use crate::Context;
use crate::baseline::Baseline;
use crate::journal::{OriginalVf, Owner, Record, Step};
use crate::netns::{Netns, NetnsIdentity, reachable};

/// Brings a device back to its baseline, under its lock, unless it has got a record meanwhile: then it is another
/// attachment's. `now` is what its PF shows of it, if it has one; `interface` the index of its interface on the host.
pub fn return_to_baseline(
    context: &Context,
    baseline: &Baseline,
    now: Option<&VfState>,
    interface: Option<u32>,
    host: &mut Socket,
) -> Result<(), ReleaseError> {
    let lock = context.journal.lock(&baseline.device)?;
    let result = match context.journal.get(&baseline.device)? {
        Some(_) => Ok(()),
        None => restore(context, baseline, now, interface, host),
    };
    let unlocked = context.journal.unlock(&baseline.device, lock);
    result?;
    Ok(unlocked?)
}

/// Ends the links that stand on a free device from whatever namespace can be reached, and returns how many there were. For an
/// attachment of ours that has just ended: what stands on the device then, a pod made. What cannot be ended is noted.
pub fn end_children_anywhere(context: &Context, device: &DeviceId, index: u32) -> Result<usize, ReleaseError> {
    let failed = |source| ReleaseError::Netns {
        device: device.clone(),
        source,
    };
    let own = Netns::own().map_err(failed)?;
    let lock = context.journal.lock(device)?;
    let result = match context.journal.get(device)? {
        Some(_) => Ok(0),
        None => end_children_in(context, device, index, &own),
    };
    let unlocked = context.journal.unlock(device, lock);
    let count = result?;
    unlocked?;
    Ok(count)
}

fn end_children_in(context: &Context, device: &DeviceId, index: u32, own: &Netns) -> Result<usize, ReleaseError> {
    let (mut count, mut left) = (0, Vec::new());
    for netns in reachable().filter(|netns| !netns.is_same(own)) {
        // One that ended meanwhile took its links along.
        let Ok(mut place) = netns.enter() else { continue };
        match end_children(&mut place, own, &[index]) {
            Ok(ended) => {
                count += ended.count;
                left.extend(
                    ended
                        .refused
                        .map(|error| format!("what was made on it in another namespace: {error}")),
                );
            }
            Err(error) => left.push(format!(
                "what was made on it in another namespace is not known: {error}"
            )),
        }
    }
    if !left.is_empty() {
        note(context, device, index, &left)?;
    }
    Ok(count)
}

fn restore(
    context: &Context,
    baseline: &Baseline,
    now: Option<&VfState>,
    interface: Option<u32>,
    host: &mut Socket,
) -> Result<(), ReleaseError> {
    let vf = baseline.vf.as_ref().zip(now).map(|(vf, now)| OriginalVf {
        pf: vf.pf.clone(),
        index: vf.index,
        state: vf.state,
        requested: *now,
        admin_mac: vf.admin_mac,
        in_force: None,
    });
    let Some(record) = as_if_attached(baseline, vf) else {
        return Ok(());
    };
    let found = interface.map(|index| host.link_by_index(index)).transpose();
    let found = found.map_err(|source| refused(&record, "looking at it on the host", source))?;
    let found = found.flatten();
    // It is asked for where the PF has just been seen.
    let told = record.vf.as_ref().map_or(Ok(PfRestored::NOTHING_TO_DO), |vf| {
        restore_vf(context, &record, vf, found.as_ref(), host)
    });
    let restored = match (found, &record.link) {
        (Some(found), Some(original)) => {
            let address = Address::of(&record, None);
            let mut restoring = Restoring {
                context,
                record: &record,
                original,
                host,
            };
            restoring.settle(&found, From::Host, None, address).map(|name| {
                if name != original.name {
                    renamed(&record, &original.name, &name);
                }
            })
        }
        _ => Ok(()),
    };
    told.and(restored)
}

/// What a release goes by. Nobody owned it, and nothing that a release does on the host asks who did.
fn as_if_attached(baseline: &Baseline, vf: Option<OriginalVf>) -> Option<Record> {
    let name = "nobody";
    let nobody = Owner {
        network: name.parse().ok()?,
        container_id: name.parse().ok()?,
        ifname: name.parse().ok()?,
        netns_path: String::new(),
        netns: NetnsIdentity {
            cookie: None,
            device: 0,
            inode: 0,
        },
    };
    Some(Record {
        link: baseline.link.clone(),
        vf,
        ..Record::new(baseline.device.clone(), String::new(), nobody, Step::Released)
    })
}
