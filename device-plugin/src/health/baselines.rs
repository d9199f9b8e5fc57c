//! Which PFs are to be looked at, which VFs of them, and what was found.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use hardwire_pci::DeviceId;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use crate::health::inspection::{Inspected, Verdict};

/// Without an event for so long, a PF and its VFs have settled: network managers and udev's rules have had their turn.
const SETTLED: Duration = Duration::from_secs(2);

/// For so long after the end of a call its events are heard.
const AFTERMATH: Duration = Duration::from_millis(50);

/// Whom an adoption is told to.
pub type Reply = oneshot::Sender<Result<String, String>>;

/// What is to be done to the records, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordChange {
    /// No record of a VF of this PF is in force.
    Withdraw(DeviceId),
    /// The records of this PF's VFs are in force, as of this generation.
    Confirm(DeviceId, u64),
    /// The record of this VF goes.
    Remove(DeviceId),
    /// All records but those of these go.
    RemoveAllBut(HashSet<DeviceId>),
}

/// A PF that is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPf {
    /// Which.
    pub pf: DeviceId,
    /// How many events it has had.
    pub events: u64,
    /// Whether it has settled.
    pub settled: bool,
    /// Whether only VFs of it changed.
    pub only_vfs: bool,
}

/// What is known of the idle states of the node.
#[derive(Debug)]
pub struct Baselines {
    changes: Vec<RecordChange>,
    /// Of all records that this process writes. What it says of a PF is in force until the PF's next event.
    pub generation: u64,
    pfs: HashMap<DeviceId, Watched>,
    /// PFs that are to be looked at.
    wanted: BTreeSet<DeviceId>,
    /// How VFs differ from their records.
    differences: BTreeMap<DeviceId, String>,
    /// VFs that an attachment of ours had, and that were not looked at since.
    pub ended: HashSet<DeviceId>,
    /// VFs that a driver was bound to since their records were taken.
    pub rebound: HashSet<DeviceId>,
    /// VFs in use whose records count no more: they need no look until they are free.
    distrusted: HashSet<DeviceId>,
    /// VFs whose state is to be adopted, and who wants to know.
    adopting: HashMap<DeviceId, Vec<Reply>>,
    /// The same of those that are being looked at for it.
    adopted: HashMap<DeviceId, Vec<Reply>>,
}

/// A PF whose events are counted.
#[derive(Debug)]
struct Watched {
    events: u64,
    last: Instant,
    in_force: bool,
    /// When a call of ours was last seen to change it.
    ours: Option<Instant>,
    /// Its VFs have been looked at since it settled.
    is_done: bool,
    /// Only VFs of it changed since it was looked at, as far as is known.
    only_vfs: bool,
}

// === impl Baselines ===

impl Baselines {
    /// With no PF's generation in force: what happened before is not known.
    pub fn new(pfs: impl IntoIterator<Item = DeviceId>) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut baselines = Self {
            changes: Vec::new(),
            generation: since.map_or(1, |since| u64::try_from(since.as_nanos()).unwrap_or(1)),
            pfs: HashMap::new(),
            wanted: BTreeSet::new(),
            differences: BTreeMap::new(),
            ended: HashSet::new(),
            rebound: HashSet::new(),
            distrusted: HashSet::new(),
            adopting: HashMap::new(),
            adopted: HashMap::new(),
        };
        let now = Instant::now();
        for pf in pfs {
            baselines.withdraw(&pf);
            baselines.happened(&pf, now);
        }
        baselines
    }

    /// An event of a PF or of one of its VFs: from now on no record of its VFs counts, until they were looked at again.
    pub fn happened(&mut self, pf: &DeviceId, now: Instant) {
        let watched = self.pfs.entry(pf.clone()).or_insert(Watched {
            events: 0,
            last: now,
            in_force: false,
            ours: None,
            is_done: false,
            only_vfs: false,
        });
        watched.events += 1;
        watched.only_vfs = false;
        watched.last = now;
        watched.is_done = false;
        let was_in_force = std::mem::take(&mut watched.in_force);
        if was_in_force {
            debug!(%pf, "something happened: the idle records of its VFs do not count until it was looked at");
            self.withdraw(pf);
        }
        self.wanted.insert(pf.clone());
    }

    /// The same of an event that only a VF's own interface had.
    pub fn happened_to_vf(&mut self, pf: &DeviceId, now: Instant) {
        let only_vfs = self.pfs.get(pf).is_some_and(|watched| watched.only_vfs);
        self.happened(pf, now);
        if let Some(watched) = self.pfs.get_mut(pf) {
            watched.only_vfs = only_vfs;
        }
    }

    /// Whether its VFs' records count.
    pub fn is_in_force(&self, pf: &DeviceId) -> bool {
        self.pfs.get(pf).is_some_and(|watched| watched.in_force)
    }

    /// Whether a call of ours changed it until a moment ago: its last events are heard when it has ended.
    pub fn was_ours(&self, pf: &DeviceId, now: Instant) -> bool {
        let ours = self.pfs.get(pf).and_then(|watched| watched.ours);
        ours.is_some_and(|ours| now < ours + AFTERMATH)
    }

    /// An event of a PF that a call of ours makes: it changes one VF, whose record nobody goes by meanwhile. The others' go on
    /// counting; all are looked at again. `still` tells that the call has not ended.
    pub fn happened_by_us(&mut self, pf: &DeviceId, now: Instant, still: bool) {
        if let Some(watched) = self.pfs.get_mut(pf) {
            watched.events += 1;
            watched.last = now;
            if still {
                watched.ours = Some(now);
            }
            watched.is_done = false;
        }
        self.wanted.insert(pf.clone());
    }

    fn withdraw(&mut self, pf: &DeviceId) {
        self.changes.push(RecordChange::Withdraw(pf.clone()));
    }

    /// What is to be done to the records since this was asked last.
    pub fn take_changes(&mut self) -> Vec<RecordChange> {
        std::mem::take(&mut self.changes)
    }

    /// The records of a PF's VFs could not be put in force.
    pub fn not_confirmed(&mut self, pf: &DeviceId) {
        if let Some(watched) = self.pfs.get_mut(pf) {
            watched.in_force = false;
        }
    }

    /// A PF is to be looked at, although nothing happened to it.
    pub fn want(&mut self, pf: &DeviceId) {
        self.wanted.insert(pf.clone());
    }

    /// All PFs are.
    pub fn want_all(&mut self) {
        self.wanted.extend(self.pfs.keys().cloned());
    }

    /// A device is not in this machine any more, or is another one under the same id.
    pub fn forget(&mut self, id: &DeviceId) {
        self.differences.remove(id);
        self.ended.remove(id);
        self.rebound.remove(id);
        self.distrusted.remove(id);
        self.pfs.remove(id);
        self.wanted.remove(id);
        self.changes.push(RecordChange::Remove(id.clone()));
    }

    /// Removes the records of all other devices.
    pub fn forget_all_but(&mut self, known: HashSet<DeviceId>) {
        self.changes.push(RecordChange::RemoveAllBut(known));
    }

    /// How a VF differs from its record.
    pub fn difference(&self, id: &DeviceId) -> Option<&str> {
        self.differences.get(id).map(String::as_str)
    }

    /// The state of a VF is to be adopted.
    pub fn adopt(&mut self, id: DeviceId, pf: &DeviceId, reply: Reply) {
        self.adopting.entry(id).or_default().push(reply);
        self.wanted.insert(pf.clone());
    }

    /// Whether a VF in use needs no look.
    pub fn is_distrusted(&self, id: &DeviceId) -> bool {
        self.distrusted.contains(id)
    }

    /// Whether the state of a VF is to be adopted.
    pub fn is_adopting(&self, id: &DeviceId) -> bool {
        self.adopting.contains_key(id)
    }

    /// Whether there is anything to look at now.
    pub fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The PFs to look at now.
    pub fn take_wanted(&mut self, now: Instant) -> Vec<WantedPf> {
        let wanted = std::mem::take(&mut self.wanted).into_iter();
        let known = wanted.filter_map(|pf| {
            let watched = self.pfs.get(&pf)?;
            Some(WantedPf {
                events: watched.events,
                settled: watched.last + SETTLED <= now,
                only_vfs: watched.only_vfs,
                pf,
            })
        });
        known.collect()
    }

    /// When the next PF settles that was not looked at since.
    pub fn settles(&self) -> Option<Instant> {
        let pending = self.pfs.values().filter(|watched| !watched.is_done);
        pending.map(|watched| watched.last + SETTLED).min()
    }

    /// The PFs that have settled are to be looked at.
    pub fn want_settled(&mut self, now: Instant) {
        let settled = self.pfs.iter_mut();
        let settled = settled.filter(|(_, watched)| !watched.is_done && watched.last + SETTLED <= now);
        for (pf, watched) in settled {
            watched.is_done = true;
            self.wanted.insert(pf.clone());
        }
    }

    /// Takes note of what was found, when the PF had had `events` events. Returns the VFs that differ or did before.
    pub fn found(&mut self, inspected: Inspected, events: u64) {
        for (id, verdict) in inspected.verdicts {
            self.judge(id, verdict);
        }
        let Some(watched) = self.pfs.get_mut(&inspected.pf) else {
            return;
        };
        // Something happened while it was looked at: the next look decides.
        if watched.events != events {
            return;
        }
        watched.only_vfs = inspected.is_told;
        if !inspected.is_told || watched.in_force {
            return;
        }
        watched.in_force = true;
        self.changes.push(RecordChange::Confirm(inspected.pf, self.generation));
    }

    fn judge(&mut self, id: DeviceId, verdict: Verdict) {
        let answer = match &verdict {
            Verdict::Clean => Ok("it is in its idle state: there is nothing to adopt".to_owned()),
            Verdict::Unsettled => Ok("it has no idle state yet: what it is like once it settles will be".to_owned()),
            Verdict::Adopted(difference) => Ok(format!("adopted: {difference}")),
            Verdict::Differs(difference) => Err(format!("not adopted: {difference}")),
            Verdict::Unknown | Verdict::Distrusted => Err("it cannot be looked at, or is in use".to_owned()),
        };
        for reply in self.adopted.remove(&id).into_iter().flatten() {
            // Who asked may have gone.
            let _ = reply.send(answer.clone());
        }
        match verdict {
            Verdict::Unknown => return,
            Verdict::Distrusted => {
                self.distrusted.insert(id);
                return;
            }
            Verdict::Unsettled => {}
            Verdict::Clean | Verdict::Adopted(_) => {
                self.differences.remove(&id);
                self.rebound.remove(&id);
                self.distrusted.remove(&id);
            }
            Verdict::Differs(text) => {
                self.differences.insert(id.clone(), text);
            }
        }
        self.ended.remove(&id);
    }

    /// These VFs are about to be looked at, for those who want one of them adopted too; the others are answered.
    pub fn begin_adoptions(&mut self, looked_at: &HashSet<DeviceId>) {
        for (id, replies) in std::mem::take(&mut self.adopting) {
            if looked_at.contains(&id) {
                self.adopted.entry(id).or_default().extend(replies);
                continue;
            }
            for reply in replies {
                let text = "it is in use, or whether it is free is not known";
                // Who asked may have gone.
                let _ = reply.send(Err(text.to_owned()));
            }
        }
    }

    /// The look came to nothing: what was to be adopted still is.
    pub fn lost(&mut self) {
        for (id, replies) in std::mem::take(&mut self.adopted) {
            self.adopting.entry(id).or_default().extend(replies);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::sync::oneshot;

    use super::*;

    /// Its verdict is of before the request, so it says nothing of what was to be adopted.
    #[test]
    fn who_asks_during_a_look_is_answered_by_the_next() {
        let (pf, vf): (DeviceId, DeviceId) = ("0000:01:00.0".parse().unwrap(), "0000:01:10.0".parse().unwrap());
        let mut baselines = Baselines::new([pf.clone()]);
        let inspected = |verdict| Inspected {
            pf: pf.clone(),
            verdicts: vec![(vf.clone(), verdict)],
            is_told: true,
        };
        let looked_at = HashSet::from([vf.clone()]);
        baselines.begin_adoptions(&looked_at);
        let (reply, mut answer) = oneshot::channel();
        baselines.adopt(vf.clone(), &pf, reply);
        baselines.found(inspected(Verdict::Differs("vlan was 0, is 7".to_owned())), 1);
        assert!(answer.try_recv().is_err(), "not yet");
        assert!(baselines.is_adopting(&vf));
        baselines.begin_adoptions(&looked_at);
        baselines.lost();
        baselines.begin_adoptions(&looked_at);
        baselines.found(inspected(Verdict::Adopted("vlan was 0, is 7".to_owned())), 1);
        assert_eq!(answer.try_recv().unwrap(), Ok("adopted: vlan was 0, is 7".to_owned()));
    }
}
