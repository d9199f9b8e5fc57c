//! Which attachments have lost their owner, and which of those repair may end now. Decisions only.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hardwire_cni::journal::{Ending, Record, Step};
use tokio::time::Instant;

use super::podresources::{Held, Holder};

/// Between looks for what sends no event.
pub(super) const SLOW: Duration = Duration::from_secs(60);
/// So many repairs at once: one waits for its IPAM plugin for minutes, and each has a thread.
const AT_ONCE: usize = 16;

/// Since when attachments have had no owner, and which of them are being repaired. By attempt: the next attachment of a
/// device is another one.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    since: HashMap<String, Instant>,
    running: HashSet<String>,
    /// Those that failed are tried again then.
    again: HashMap<String, Instant>,
    /// Those that the kubelet says a pod has.
    vetoed: HashSet<String>,
    /// A device has come back since they were looked at.
    is_back: bool,
    /// Those of the running repairs that may have begun too early: a device has come back since.
    overtaken: HashSet<String>,
    /// Those of whose namespaces nothing can be told from here.
    hidden: HashSet<String>,
}

/// The pod that keeps repair from an attachment: the kubelet says that it lives and has the device. Not where the kubelet has
/// given the device away since, to a pod of the same name too, which is noted on the record.
pub(super) fn veto<'h>(record: &Record, held: &'h Held) -> Option<&'h Holder> {
    let holder = held.holder(&record.device.to_string())?;
    let is_its_pod = record
        .pod
        .as_ref()
        .is_none_or(|pod| (&holder.namespace, &holder.pod) == (&pod.namespace, &pod.name));
    (record.ending.is_none() && is_its_pod).then_some(holder)
}

// === impl Orphans ===

impl Orphans {
    /// Those that repair is to end, and when to look again even if nothing happens; only so many begin as there is
    /// [`Self::room`] for. One whose DEL has begun is nobody's
    /// failure yet, and nobody's any more if that DEL does not end it.
    pub(super) fn due(
        &mut self,
        records: &[(Record, bool)],
        grace: Duration,
        now: Instant,
    ) -> (Vec<Record>, Option<Instant>) {
        let is_due = |(record, orphaned): &&(Record, bool)| *orphaned || record.ending == Some(Ending::Del);
        let ended: Vec<&Record> = records.iter().filter(is_due).map(|(record, _)| record).collect();
        self.since
            .retain(|attempt, _| ended.iter().any(|record| record.attempt == *attempt));
        let mut next = (!records.is_empty()).then_some(now + SLOW);
        let mut due = Vec::new();
        let is_back = std::mem::take(&mut self.is_back);
        self.again.retain(|attempt, _| self.since.contains_key(attempt));
        self.vetoed.retain(|attempt| self.since.contains_key(attempt));
        for record in ended {
            let lost = *self.since.entry(record.attempt.clone()).or_insert(now);
            let from = self.again.get(&record.attempt).copied().unwrap_or(lost + grace);
            // Nobody's DEL is waited for that came already.
            let del_came = record.ending == Some(Ending::Del) || record.step == Step::Released;
            if from > now && !(is_back && del_came) {
                next = next.map(|next| next.min(from));
            } else if !self.running.contains(&record.attempt) {
                due.push(record.clone());
            }
        }
        (due, next)
    }

    /// How many more repairs may begin.
    pub(super) fn room(&self) -> usize {
        AT_ONCE.saturating_sub(self.running.len())
    }

    /// Those of whose namespaces nothing can be told from here, and which were not among these before.
    pub(super) fn newly_hidden<'r>(&mut self, hidden: &'r [Record]) -> Vec<&'r Record> {
        let before = std::mem::take(&mut self.hidden);
        self.hidden = hidden.iter().map(|record| record.attempt.clone()).collect();
        hidden
            .iter()
            .filter(|record| !before.contains(&record.attempt))
            .collect()
    }

    /// Whether the veto of this one is new: it is told once, for as long as it lasts.
    pub(super) fn is_newly_vetoed(&mut self, attempt: &str) -> bool {
        self.vetoed.insert(attempt.to_owned())
    }

    /// A repair begins.
    pub(super) fn begins(&mut self, record: &Record) {
        self.running.insert(record.attempt.clone());
    }

    /// A repair has ended. One that failed is tried again, but not at once.
    pub(super) fn ended(&mut self, attempt: &str, is_done: bool, now: Instant) {
        self.running.remove(attempt);
        let is_overtaken = self.overtaken.remove(attempt);
        if !is_done {
            let pause = if is_overtaken { Duration::ZERO } else { SLOW };
            self.again.insert(attempt.to_owned(), now + pause);
        }
    }

    /// A device that was attached is back on the host: a repair may succeed that failed before.
    pub(super) fn on_return(&mut self) {
        self.again.clear();
        self.is_back = true;
        self.overtaken.clone_from(&self.running);
    }
}

#[cfg(test)]
#[path = "orphans_tests.rs"]
mod tests;
