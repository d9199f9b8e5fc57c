//! A device that the kubelet has given to another pod, while the journal still has it as somebody's: its owner has ended.
//!
//! At grace 0 the kubelet frees a device before the runtime sends its DEL, and the next pod's ADD would be refused. Noted on
//! the record, the ADD waits for that DEL instead. Two things tell: an Allocate of a device that is attached (also to a pod
//! of the same name, as a `StatefulSet` makes), and podresources that name another pod than the one on record. Nothing is
//! released for it: who is wrong here makes an ADD wait, and no more.

use hardwire_cni::Context;
use hardwire_cni::journal::{Ending, Journal, Record};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::ledger::podresources::Held;

/// Notes it of devices that the kubelet allocates at this moment.
pub fn allocated(context: &Context, ids: Vec<String>) {
    let journal = context.journal.clone();
    // Elsewhere: a device's lock may be held for a while.
    spawn_blocking(move || {
        for id in ids.iter().filter_map(|id| id.parse().ok()) {
            match journal.get(&id) {
                Ok(record) => mark(&journal, record, |_record| {
                    Some("the kubelet allocates it anew".to_owned())
                }),
                Err(error) => warn!("{error}"),
            }
        }
    });
}

/// Notes it of devices that another pod holds than the one on record.
pub fn held(context: &Context, held: &Held) {
    let (journal, held) = (context.journal.clone(), held.clone());
    let other_pod = move |record: &Record| {
        let holder = held.holder(&record.device.to_string())?;
        let pod = record.pod.as_ref()?;
        let same = (&holder.namespace, &holder.pod) == (&pod.namespace, &pod.name);
        (!same).then(|| format!("the kubelet has given it to {}/{}", holder.namespace, holder.pod))
    };
    spawn_blocking(move || match journal.all() {
        Ok((records, _unreadable)) => mark(&journal, records, other_pod),
        Err(error) => warn!("{error}"),
    });
}

fn mark(journal: &Journal, records: impl IntoIterator<Item = Record>, why: impl Fn(&Record) -> Option<String>) {
    for record in records.into_iter().filter(|record| record.ending.is_none()) {
        let Some(why) = why(&record) else { continue };
        let (device, container) = (&record.device, &record.owner.container_id);
        match journal.mark_ending(&record, Ending::GivenAway) {
            Ok(()) => info!(%device, %container, "its owner has ended: {why}"),
            Err(error) => warn!(%device, %container, "not marked as ending: {error}"),
        }
    }
}
