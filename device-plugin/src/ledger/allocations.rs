//! Allocates that nothing has confirmed yet.
//!
//! The kubelet never says what became of an Allocate. Until podresources show the device in a pod, or enough time has passed
//! without that, its device may be on its way into one: it is not free, and does not leave the list, since a kubelet whose
//! device is gone between the answer and its bookkeeping panics (`devicesToAllocate`, pkg/kubelet/cm/devicemanager/manager.go).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::podresources::Held;

/// After so long without showing in podresources an Allocate has come to nothing: the kubelet books it at once.
pub const UNCONFIRMED: Duration = Duration::from_secs(60);

/// The Allocates of the node that are not accounted for.
#[derive(Debug, Default)]
pub struct Allocations {
    outstanding: Mutex<HashMap<String, Allocation>>,
    news: Mutex<Vec<String>>,
    noted: Notify,
}

/// An Allocate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The resource that the device was given out as.
    pub resource: String,
    /// When.
    pub since: Instant,
}

// === impl Allocations ===

impl Allocations {
    /// The kubelet allocates these devices, as this resource.
    pub fn note<'a>(&self, resource: &str, ids: impl IntoIterator<Item = &'a str>) {
        let allocation = Allocation {
            resource: resource.to_owned(),
            since: Instant::now(),
        };
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        self.outstanding()
            .extend(ids.iter().map(|id| (id.clone(), allocation.clone())));
        self.news().extend(ids);
        self.noted.notify_one();
    }

    /// Returns after the next [`Self::note`], or at once if there was one since.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    /// What was noted since this was asked last.
    pub fn take_news(&self) -> Vec<String> {
        std::mem::take(&mut *self.news())
    }

    /// The Allocate of a device that is not accounted for.
    pub fn of(&self, id: &str) -> Option<Allocation> {
        self.outstanding().get(id).cloned()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.outstanding().is_empty()
    }

    /// When the next one should be accounted for at the latest.
    pub fn expires(&self) -> Option<Instant> {
        let outstanding = self.outstanding();
        outstanding
            .values()
            .map(|allocation| allocation.since + UNCONFIRMED)
            .min()
    }

    /// Takes those off the account that podresources show, and those that they should show by now: with `None`, where
    /// nobody can tell, only the latter.
    pub fn account(&self, held: Option<&Held>, now: Instant) {
        self.outstanding().retain(|id, allocation| {
            let is_shown = held.is_some_and(|held| held.holder(id).is_some());
            !is_shown && allocation.since + UNCONFIRMED > now
        });
    }

    fn news(&self) -> MutexGuard<'_, Vec<String>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outstanding(&self) -> MutexGuard<'_, HashMap<String, Allocation>> {
        // A map of instants makes sense whoever panicked.
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_7_an_allocate_is_outstanding_until_it_is_accounted_for() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let allocations = Allocations::default();
            let is_outstanding = |id| allocations.of(id).is_some();
            allocations.note("a.com/x", ["a", "b"]);
            allocations.noted().await;
            assert!(is_outstanding("a") && !is_outstanding("c"));
            allocations.account(Some(&Held::default()), Instant::now());
            assert!(is_outstanding("a"), "too early to tell");
            assert_eq!(allocations.expires(), Some(Instant::now() + UNCONFIRMED));
            tokio::time::advance(UNCONFIRMED).await;
            allocations.note("a.com/y", ["b"]);
            allocations.account(None, Instant::now());
            assert!(!is_outstanding("a"));
            assert_eq!(allocations.of("b").unwrap().resource, "a.com/y");
        });
    }
}
