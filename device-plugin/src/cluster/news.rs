//! What happened that a person should hear of where the cluster's API is read: a decision on two moments, without memory of
//! what was sent. The clock is the caller's.
//!
//! On the node: a pool that is refused, devices that are unhealthy, repairs. On a pod only what the kubelet cannot say: its
//! device is gone from the machine, was taken back, or was attached again. An ADD that is refused stands among the pod's
//! events already, in our words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use hardwire_cni::journal::PodName;
use hardwire_cni::printable::printable;
use hardwire_cni::protocol::ContainerId;
use hardwire_pci::DeviceId;
use tokio::time::Instant;

use super::facts::Facts;
use super::fault::{Fault, Faults};
use super::measure::cut;
use super::memory::Remembered;
use crate::ledger::told::{Attached, Repaired};

/// So many devices are named, of however many it is true.
const NAMED: usize = 8;
/// Characters of each part of a sentence that others write.
const LONGEST: usize = 300;

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// This node.
    Node,
    /// A pod on it.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid, without which `kubectl describe` does not find an Event.
        uid: Option<String>,
        /// A device of it, by which the kubelet's checkpoint knows the uid.
        device: DeviceId,
    },
}

/// The word for programs (`reason` of an Event).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A pool of the configuration is not run.
    PoolRefused,
    /// Devices are not given out.
    DeviceUnhealthy,
    /// An attachment that no DEL came for was released.
    DeviceRepaired,
    /// It could not be.
    RepairFailed,
    /// A device is gone under its pod.
    DeviceVanished,
    /// A pod was attached to a device once more.
    DeviceAttachedAgain,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct News {
    /// Whom it is about.
    pub subject: Subject,
    /// What it is.
    pub kind: Kind,
    /// A sentence for a person.
    pub text: String,
}

/// What an earlier daemon told is not forgotten before this one has seen as much.
const BEGINNING: Duration = Duration::from_secs(60);

/// Namespace, name and uid of a pod, and the name of an interface in it.
type InterfaceOfPod = (String, String, Option<String>, String);

/// What was known at the moment before.
#[derive(Debug, Default)]
pub struct Known {
    /// Since when anything is.
    begun: Option<Instant>,
    faults: Faults,
    vanished: BTreeSet<DeviceId>,
    /// In which sandbox each pod had which interface.
    sandboxes: BTreeMap<InterfaceOfPod, ContainerId>,
    repairs: u64,
}

// === impl News ===

impl News {
    /// Whether it is told of a pod, not of the node.
    pub fn is_on_pod(&self) -> bool {
        matches!(self.subject, Subject::Pod { .. })
    }
}

// === impl Kind ===

impl Kind {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PoolRefused => "PoolRefused",
            Self::DeviceUnhealthy => "DeviceUnhealthy",
            Self::DeviceRepaired => "DeviceRepaired",
            Self::RepairFailed => "RepairFailed",
            Self::DeviceVanished => "DeviceVanished",
            Self::DeviceAttachedAgain => "DeviceAttachedAgain",
        }
    }

    /// What was done when it was noticed (`action` of an Event).
    pub fn action(self) -> &'static str {
        match self {
            Self::PoolRefused => "ReadConfiguration",
            Self::DeviceUnhealthy | Self::DeviceVanished => "Watch",
            Self::DeviceRepaired | Self::RepairFailed => "Repair",
            Self::DeviceAttachedAgain => "Attach",
        }
    }

    /// Whether somebody has to do something.
    pub fn is_warning(self) -> bool {
        !matches!(self, Self::DeviceRepaired | Self::DeviceAttachedAgain)
    }
}

// === impl Known ===

impl Known {
    /// An earlier daemon of this node told this.
    pub fn remembering(remembered: &Remembered) -> Self {
        Self {
            faults: Faults::told_before(remembered.faults.clone()),
            vanished: remembered.vanished.clone(),
            ..Self::default()
        }
    }

    /// What the next one should know.
    pub fn remembered(&self) -> Remembered {
        Remembered {
            faults: self.faults.told().clone(),
            vanished: self.vanished.clone(),
        }
    }

    /// What is told at once: what happens to pods, and repairs.
    pub fn look(&mut self, facts: &Facts, now: Instant) -> Vec<News> {
        let is_beginning = now < *self.begun.get_or_insert(now) + BEGINNING;
        self.faults.look(facts, now, is_beginning);
        let mut news = self.repairs(facts);
        news.extend(self.vanished(facts, is_beginning));
        news.extend(self.attached(facts));
        news
    }

    /// When something will have been wrong for so long that it is told.
    pub fn due(&self) -> Option<Instant> {
        self.faults.due()
    }

    /// What has been wrong for so long. Devices of a pool with the same thing wrong are told of together.
    pub fn look_at_what_lasts(&mut self, facts: &Facts, now: Instant) -> Vec<News> {
        let faults = self.faults.take(now);
        let mut news = Vec::new();
        let mut together: BTreeMap<(&str, &str), Vec<&DeviceId>> = BTreeMap::new();
        for fault in &faults {
            match fault {
                Fault::Refused(text) => news.push(pool_refused(text)),
                Fault::Unhealthy(id, reason) => {
                    let pool = facts.snapshot.view.devices.get(id).map_or("", |seen| &seen.pool);
                    together.entry((pool, reason)).or_default().push(id);
                }
            }
        }
        news.extend(together.into_iter().map(|((pool, reason), ids)| News {
            subject: Subject::Node,
            kind: Kind::DeviceUnhealthy,
            text: format!("{} of {pool}: {}", names(&ids), bounded(reason)),
        }));
        news
    }

    fn vanished(&mut self, facts: &Facts, is_beginning: bool) -> Vec<News> {
        let ids = facts.snapshot.held.keys();
        let mut now: BTreeSet<DeviceId> = ids.filter(|id| facts.is_vanished(id)).cloned().collect();
        let new = now.difference(&self.vanished);
        let news = new.filter_map(|id| {
            let attached = facts.attached().get(id);
            Some(News {
                subject: subject(facts, id)?,
                kind: Kind::DeviceVanished,
                text: format!(
                    "{}{} is gone from the node, and this pod's interface with it: what removed its VFs, or took its PF, is in the node's kernel log; a new pod gets another device",
                    id,
                    attached.map(place).unwrap_or_default(),
                ),
            })
        });
        let news = news.collect();
        if is_beginning {
            now.append(&mut self.vanished);
        }
        self.vanished = now;
        news
    }

    fn attached(&mut self, facts: &Facts) -> Vec<News> {
        let mut news = Vec::new();
        let mut now = BTreeMap::new();
        for (id, attached) in &**facts.attached() {
            let Some(pod) = &attached.pod else { continue };
            let PodName { namespace, name, uid } = pod.clone();
            let key = (namespace, name, uid, attached.interface.to_string());
            let before = self.sandboxes.get(&key);
            if before.is_some_and(|before| *before != attached.container_id) {
                news.push(News {
                    subject: pod_subject(pod, id),
                    kind: Kind::DeviceAttachedAgain,
                    text: format!(
                        "{id}{} is attached again, to a new sandbox of this pod",
                        place(attached)
                    ),
                });
            }
            now.insert(key, attached.container_id.clone());
        }
        // Between two sandboxes of one pod nothing is attached: it counts for as long as the kubelet says that the pod has
        // a device.
        let holders = facts.snapshot.held.values().filter_map(|holding| holding.pod.as_ref());
        let holders: BTreeSet<(&str, &str)> = holders.map(|pod| (&*pod.namespace, &*pod.pod)).collect();
        for (key, container) in std::mem::take(&mut self.sandboxes) {
            if holders.contains(&(&*key.0, &*key.1)) {
                now.entry(key).or_insert(container);
            }
        }
        self.sandboxes = now;
        news
    }

    fn repairs(&mut self, facts: &Facts) -> Vec<News> {
        let seen = std::mem::replace(&mut self.repairs, facts.told.count());
        facts.told.repairs_after(seen).flat_map(repaired).collect()
    }
}

fn pool_refused(text: &str) -> News {
    News {
        subject: Subject::Node,
        kind: Kind::PoolRefused,
        text: bounded(text),
    }
}

fn repaired(repaired: &Repaired) -> Vec<News> {
    let Repaired {
        device,
        pod,
        network,
        is_done,
    } = repaired;
    let of = match pod {
        Some(pod) => format!(" of {}/{}", pod.namespace, pod.name),
        None => String::new(),
    };
    let network = cut(network.as_str(), LONGEST);
    if !is_done {
        return vec![News {
            subject: Subject::Node,
            kind: Kind::RepairFailed,
            text: format!(
                "{device} (network {network}){of}: no DEL came, and it could not be released; tried again each minute, the reason is in the log of hardwired"
            ),
        }];
    }
    let on_node = News {
        subject: Subject::Node,
        kind: Kind::DeviceRepaired,
        text: format!("{device} (network {network}){of}: no DEL came; released, and as it was"),
    };
    let on_pod = pod.as_ref().map(|pod| News {
        subject: pod_subject(pod, device),
        kind: Kind::DeviceRepaired,
        text: format!(
            "{device} (network {network}) was taken back from this pod: its network namespace was gone, and no DEL came"
        ),
    });
    [on_node].into_iter().chain(on_pod).collect()
}

/// The pod of a device, by the journal, which knows its uid, else by the kubelet.
fn subject(facts: &Facts, id: &DeviceId) -> Option<Subject> {
    let by_journal = facts.attached().get(id).and_then(|attached| attached.pod.as_ref());
    let by_kubelet = || {
        let pod = facts.snapshot.held.get(id)?.pod.as_ref()?;
        Some(Subject::Pod {
            namespace: pod.namespace.clone(),
            name: pod.pod.clone(),
            uid: None,
            device: id.clone(),
        })
    };
    by_journal.map(|pod| pod_subject(pod, id)).or_else(by_kubelet)
}

fn pod_subject(pod: &PodName, id: &DeviceId) -> Subject {
    Subject::Pod {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        device: id.clone(),
    }
}

/// Where an attachment is, in the pod's words.
fn place(attached: &Attached) -> String {
    let network = cut(attached.network.as_str(), LONGEST);
    format!(" ({}, network {network})", attached.interface)
}

/// What others write, in one line with a bound.
fn bounded(text: &str) -> String {
    cut(&printable(text), LONGEST).into_owned()
}

fn names(ids: &[&DeviceId]) -> String {
    let named: Vec<String> = ids.iter().take(NAMED).map(ToString::to_string).collect();
    let mut text = named.join(", ");
    if ids.len() > NAMED {
        // Writing to a text does not fail.
        let _ = write!(text, " and {} more", ids.len() - NAMED);
    }
    text
}

#[cfg(test)]
#[path = "news_tests.rs"]
mod tests;
