//! The one place that answers "who has this device?", and what is done when its owner is gone.
//!
//! The witnesses: the kubelet (its podresources API lists every device that a pod holds, of every resource), our own journal
//! (an attachment from before its first change until all of it is undone), Allocates that neither shows yet, and the kernel
//! (the interface is not in the host's namespace), and the claims that were prepared here. One that names a holder is enough; a
//! device is free only if all were heard and none does. What cannot be heard makes it unknown, which is never free: nothing is
//! compared, put right or adopted on it, while offering goes on as the kubelet asks.
//!
//! The kubelet is asked for the ledger's own reasons: a while after an Allocate and once more when that should be accounted
//! for, when an attachment ends, when the kubelet's socket comes, before any repair, and by the slow timer.
//!
//! - [`ownership`]: the answer; `question`: when the kubelet is asked;
//! - [`podresources`]: what the kubelet says; [`checkpoint`]: what it writes down;
//! - [`claims`]: which devices claims have;
//! - [`attachments`]: what the journal says; [`state_directory`]: whether it is the one that the plugin writes;
//! - [`allocations`]: Allocates that nothing has confirmed yet;
//! - [`given_away`]: attachments whose device the kubelet has given to another pod;
//! - [`repair`], `orphans`: attachments that no DEL came for are released; [`on_demand`]: at once, where an operator asks;
//! - [`told`]: what repair sees and does, for those who show it;
//! - [`leases`]: addresses of attachments of before the boot.

pub mod allocations;
pub mod attachments;
pub mod checkpoint;
pub mod claims;
pub mod given_away;
pub mod leases;
pub mod on_demand;
mod orphans;
pub mod ownership;
pub mod podresources;
mod question;
pub mod repair;
pub mod state_directory;
pub mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hardwire_pci::DeviceId;
use tokio::time::Instant;
use tracing::{debug, warn};

pub use self::attachments::Attachments;
pub use self::ownership::{Attachment, HeldAsOther, Holding, Ownership};

use self::allocations::Allocations;
use self::claims::{OfClaim, Prepared};
use self::podresources::{Held, PodResourcesError};
use self::question::Question;

/// The kubelet books an Allocate after it has our answer.
const BOOKED: Duration = Duration::from_secs(1);

/// Who has what.
#[derive(Debug)]
pub struct Ledger {
    attachments: Attachments,
    /// Those that were attached before the journal could not be read any more.
    attached_before: BTreeSet<DeviceId>,
    kubelet: Kubelet,
    /// The devices that claims have.
    claimed: BTreeMap<DeviceId, OfClaim>,
    /// Why those may not be all.
    claims_unheard: Option<String>,
    /// The kubelet could not be heard, and no event will tell when it can.
    is_to_be_asked_again: bool,
    allocations: Arc<Allocations>,
    question: Question,
    /// What was known of the devices that somebody holds when that was first seen.
    first_seen: BTreeMap<DeviceId, FirstSeen>,
}

/// What the kubelet said last.
#[derive(Debug)]
enum Kubelet {
    /// Nothing, for this reason.
    Unheard(String),
    /// Who holds what.
    Heard(Held),
}

#[derive(Debug, Clone)]
struct FirstSeen {
    at: SystemTime,
    resource: Option<String>,
}

// === impl Ledger ===

impl Ledger {
    /// With what the journal says; the kubelet is to be asked.
    pub fn new(attachments: Attachments, now: Instant) -> Self {
        let mut question = Question::default();
        question.want(now);
        Self {
            attachments,
            attached_before: BTreeSet::new(),
            kubelet: Kubelet::Unheard("the kubelet was not asked yet".to_owned()),
            claimed: BTreeMap::new(),
            claims_unheard: None,
            is_to_be_asked_again: false,
            allocations: Arc::default(),
            question,
            first_seen: BTreeMap::new(),
        }
    }

    /// Where Allocates are noted.
    pub fn allocations(&self) -> &Arc<Allocations> {
        &self.allocations
    }

    /// The devices that are attached.
    pub fn attached(&self) -> impl Iterator<Item = &DeviceId> {
        self.attachments.by_device.keys()
    }

    /// Whether a device is.
    pub fn is_attached(&self, id: &DeviceId) -> bool {
        self.attachments.by_device.contains_key(id)
    }

    /// What the kubelet said last, where it could be heard.
    pub fn held(&self) -> Option<&Held> {
        match &self.kubelet {
            Kubelet::Heard(held) => Some(held),
            Kubelet::Unheard(_) => None,
        }
    }

    /// Why it is not known whether a device is free that no witness names.
    pub fn unheard(&self) -> Option<&str> {
        let claims = || self.claims_unheard.as_deref();
        self.journal_unheard()
            .or_else(|| self.kubelet_unheard())
            .or_else(claims)
    }

    /// Why the journal says nothing of devices that it does not name.
    pub fn journal_unheard(&self) -> Option<&str> {
        self.attachments.unheard.as_deref()
    }

    /// Why the kubelet says nothing.
    pub fn kubelet_unheard(&self) -> Option<&str> {
        match &self.kubelet {
            Kubelet::Heard(_) => None,
            Kubelet::Unheard(because) => Some(because),
        }
    }

    /// Who has a device. `is_away` is the kernel's word: an interface that it had is not in the host's namespace.
    pub fn owner(&self, id: &DeviceId, is_away: bool) -> Ownership {
        let is_anything_given_out = !self.allocations.is_empty() || self.held().is_some_and(|held| !held.is_empty());
        let name = is_anything_given_out.then(|| id.to_string());
        let allocation = name.as_ref().and_then(|name| self.allocations.of(name));
        let pod = name.as_ref().and_then(|name| self.held()?.holder(name)).cloned();
        let first_seen = self.first_seen.get(id);
        let claimed = self.claimed.get(id);
        let given_out_as = [
            claimed.map(|claimed| claimed.resource.clone()),
            pod.as_ref().map(|pod| pod.resource.clone()),
            allocation.as_ref().map(|allocation| allocation.resource.clone()),
            first_seen.and_then(|first| first.resource.clone()),
        ];
        let holding = Holding {
            attachment: self.attachments.by_device.get(id).copied(),
            is_allocated: allocation.is_some(),
            is_away,
            resource: given_out_as.into_iter().flatten().next(),
            since: first_seen.map(|first| first.at),
            claim: claimed.map(|claimed| claimed.claim.clone()),
            pod,
        };
        let is_given = holding.pod.is_some() || holding.claim.is_some();
        if holding.attachment.is_some() || holding.is_allocated || is_away || is_given {
            return Ownership::Held(Box::new(holding));
        }
        match self.unheard() {
            None => Ownership::Free,
            Some(because) => Ownership::Unknown(because.to_owned()),
        }
    }

    /// Remembers since when a device is held, and as which resource, for as long as it is.
    pub fn remember(&mut self, id: &DeviceId, ownership: &Ownership, listed_by: Option<&str>) {
        let Some(holding) = ownership.holding() else {
            self.first_seen.remove(id);
            return;
        };
        let resource = holding.resource.clone().or_else(|| listed_by.map(str::to_owned));
        let known = self.first_seen.entry(id.clone()).or_insert_with(|| FirstSeen {
            at: SystemTime::now(),
            resource: None,
        });
        known.resource = resource.or_else(|| known.resource.take());
    }

    /// The kubelet is to be asked then. Returns the number of the first answer that is new enough.
    pub fn want(&mut self, at: Instant) -> u64 {
        self.question.want(at)
    }

    /// How many times the kubelet answered, or could not be heard.
    pub fn answers(&self) -> u64 {
        self.question.answers()
    }

    /// When the kubelet is to be asked; not while an answer is under way.
    pub fn due(&self) -> Option<Instant> {
        let expires = self.allocations.expires().filter(|_| !self.question.is_asked());
        self.question.due().into_iter().chain(expires).min()
    }

    /// Whether the kubelet is to be asked now; who asks tells the answer.
    pub fn take(&mut self, now: Instant) -> bool {
        let is_over = self.allocations.expires().is_some_and(|expires| expires <= now);
        if is_over && !self.question.is_asked() {
            self.question.want(now);
        }
        self.question.take(now)
    }

    /// The kubelet allocates devices.
    pub fn on_allocate(&mut self, now: Instant) {
        self.question.want(now + BOOKED);
    }

    /// Claims were prepared or unprepared.
    pub fn on_claims(&mut self, prepared: &Prepared, now: Instant) {
        self.claimed = prepared.by_device();
        self.claims_unheard.clone_from(&prepared.unheard);
        // Which pod has a claim, podresources tell.
        self.question.want(now + BOOKED);
    }

    /// The journal has changed. Returns the devices whose attachments have ended.
    pub fn on_attachments(&mut self, attachments: Attachments, now: Instant) -> Vec<DeviceId> {
        let before = std::mem::replace(&mut self.attachments, attachments);
        self.attached_before.extend(before.by_device.into_keys());
        if self.attachments.unheard.is_some() {
            return Vec::new();
        }
        let is_over = |id: &DeviceId| !self.attachments.by_device.contains_key(id);
        let before = std::mem::take(&mut self.attached_before);
        let ended: Vec<DeviceId> = before.into_iter().filter(is_over).collect();
        if !ended.is_empty() {
            self.question.want(now);
        }
        ended
    }

    /// The kubelet has answered, or could not be heard.
    pub fn on_podresources(&mut self, answer: Result<Held, PodResourcesError>, now: Instant) {
        self.question.answered();
        self.is_to_be_asked_again = answer.as_ref().is_err_and(|error| !error.is_without_socket());
        match answer {
            Ok(held) => {
                self.allocations.account(Some(&held), now);
                self.kubelet = Kubelet::Heard(held);
            }
            Err(error) => {
                self.allocations.account(None, now);
                let because = format!("which pod holds which device is not known: {error}");
                if self.held().is_some() {
                    warn!("{because}");
                } else {
                    debug!("{because}");
                }
                self.kubelet = Kubelet::Unheard(because);
            }
        }
    }

    /// Who asked the kubelet has panicked: it is asked again, but not at once.
    pub fn lost(&mut self, now: Instant) {
        self.allocations.account(None, now);
        self.question.lost(now + BOOKED);
    }

    /// Whether anything may end without an event: an attachment, an Allocate, one of these devices in a pod, or the silence of
    /// a kubelet whose socket is there.
    pub fn is_anything_outstanding(&self, is_listed: impl Fn(&str) -> bool) -> bool {
        let is_held = || self.held().is_some_and(|held| held.iter().any(|(id, _)| is_listed(id)));
        let is_attached = !self.attachments.by_device.is_empty();
        is_attached || !self.allocations.is_empty() || self.is_to_be_asked_again || is_held()
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
