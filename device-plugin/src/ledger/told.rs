//! What repair sees in the journal and what it did, for those who show it to others. Nothing is decided by it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hardwire_cni::journal::{InPod, PodName, Record, Step};
use hardwire_cni::protocol::{ContainerId, NetworkName};
use hardwire_pci::{DeviceId, IfName};
use tokio::sync::watch;

/// So many repairs are remembered: who shows them looks at once.
const REMEMBERED: usize = 64;

/// What was told so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// What is attached.
    pub attached: Arc<BTreeMap<DeviceId, Attached>>,
    /// The latest repairs, the oldest first.
    pub repairs: VecDeque<Repaired>,
    /// How many there were before these.
    pub before: u64,
}

/// An attachment, as its record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// `name` of the network's configuration.
    pub network: NetworkName,
    /// The name of the interface in the pod.
    pub interface: IfName,
    /// The sandbox, which is another one when the pod was attached again.
    pub container_id: ContainerId,
    /// The pod, where the runtime named it.
    pub pod: Option<PodName>,
    /// What the pod has.
    pub in_pod: InPod,
}

/// A repair that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Which device.
    pub device: DeviceId,
    /// The pod that had it.
    pub pod: Option<PodName>,
    /// The network it was attached to.
    pub network: NetworkName,
    /// The device is as it was; else repair tries again.
    pub is_done: bool,
}

/// Takes what is told.
#[derive(Debug, Clone)]
pub struct Teller(watch::Sender<Told>);

// === impl Teller ===

impl Default for Teller {
    fn default() -> Self {
        Self(watch::Sender::new(Told::default()))
    }
}

impl Teller {
    /// What is told from now on, and was before.
    pub fn listen(&self) -> watch::Receiver<Told> {
        self.0.subscribe()
    }

    /// These records are in the journal. What an ADD or DEL is still about is no attachment.
    pub(super) fn attached<'r>(&self, records: impl Iterator<Item = &'r Record>) {
        let is_attached = |record: &&Record| record.step == Step::Attached && record.ending.is_none();
        let now: BTreeMap<DeviceId, Attached> = records
            .filter(is_attached)
            .map(|record| (record.device.clone(), Attached::from(record)))
            .collect();
        self.0.send_if_modified(|told| {
            let changed = *told.attached != now;
            if changed {
                told.attached = Arc::new(now);
            }
            changed
        });
    }

    /// The attachment of this record was released, or could not be.
    pub(super) fn repaired(&self, record: &Record, is_done: bool) {
        let repaired = Repaired {
            device: record.device.clone(),
            pod: record.pod.clone(),
            network: record.owner.network.clone(),
            is_done,
        };
        self.0.send_modify(|told| {
            told.repairs.push_back(repaired);
            if told.repairs.len() > REMEMBERED {
                told.repairs.pop_front();
                told.before += 1;
            }
        });
    }
}

// === impl Told ===

impl Told {
    /// Those of the repairs that came after the first `seen`.
    pub fn repairs_after(&self, seen: u64) -> impl Iterator<Item = &Repaired> {
        let skipped = usize::try_from(seen.saturating_sub(self.before)).unwrap_or(usize::MAX);
        self.repairs.iter().skip(skipped)
    }

    /// How many repairs there were.
    pub fn count(&self) -> u64 {
        self.before + self.repairs.len() as u64
    }
}

// === impl Attached ===

impl From<&Record> for Attached {
    fn from(record: &Record) -> Self {
        Self {
            network: record.owner.network.clone(),
            interface: record.owner.ifname.clone(),
            container_id: record.owner.container_id.clone(),
            pod: record.pod.clone(),
            in_pod: record.in_pod.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u32) -> Record {
        let record = serde_json::json!({
            "version": 1, "attempt": n.to_string(), "device": format!("0000:01:10.{n}"), "step": "attached",
            "owner": {"network": "n", "container_id": "c", "ifname": "net1", "netns_path": "/run/netns/x",
                "netns": {"cookie": null, "device": 1, "inode": 1}},
            "target": {"mac": null, "mtu": null, "index": null},
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn each_repair_is_seen_once_however_many_there_are() {
        let teller = Teller::default();
        let told = teller.listen();
        let mut seen = 0;
        for round in 1..=3_usize {
            for _repair in 0..REMEMBERED {
                teller.repaired(&record(1), true);
            }
            let told = told.borrow();
            assert_eq!(told.repairs_after(seen).count(), REMEMBERED);
            seen = told.count();
            assert_eq!(seen, (round * REMEMBERED) as u64);
            assert_eq!(told.repairs_after(seen).count(), 0);
        }
    }

    #[test]
    fn what_an_add_or_del_is_still_about_is_no_attachment() {
        let (teller, mut told) = (Teller::default(), Teller::default().listen());
        drop(std::mem::replace(&mut told, teller.listen()));
        let (mut begun, mut ending) = (record(1), record(2));
        begun.step = Step::Moved;
        ending.ending = Some(hardwire_cni::journal::Ending::Del);
        teller.attached([begun, ending, record(3)].iter());
        let attached = Arc::clone(&told.borrow().attached);
        assert_eq!(
            attached.keys().map(ToString::to_string).collect::<Vec<_>>(),
            ["0000:01:10.3"]
        );
    }

    #[test]
    fn the_same_journal_is_no_news() {
        let teller = Teller::default();
        let mut told = teller.listen();
        teller.attached([record(1)].iter());
        assert!(told.has_changed().unwrap());
        assert_eq!(told.borrow_and_update().attached.len(), 1);
        teller.attached([record(1)].iter());
        assert!(!told.has_changed().unwrap());
    }
}
