//! Allocates that nothing has confirmed yet.
//!
//! The kubelet never says what became of an Allocate. Until podresources show the device in a pod, or enough time has passed
//! without that, its device may be on its way into one: it is not free, and does not leave the list, since a kubelet whose
//! device is gone between the answer and its bookkeeping panics (contract.md, 5.3).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ledger::podresources::Held;

/// After so long without showing in podresources an Allocate has come to nothing: the kubelet books it at once.
const UNCONFIRMED: Duration = Duration::from_secs(60);

/// The Allocates of the node that are not accounted for.
#[derive(Debug, Default)]
pub struct Allocations {
    since: Mutex<HashMap<String, Instant>>,
    news: Mutex<Vec<String>>,
    noted: Notify,
}

// === impl Allocations ===

impl Allocations {
    /// The kubelet allocates these devices.
    pub fn note<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        let now = Instant::now();
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        self.since().extend(ids.iter().map(|id| (id.clone(), now)));
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

    /// Whether an Allocate of the device is not accounted for.
    pub fn is_outstanding(&self, id: &str) -> bool {
        self.since().contains_key(id)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.since().is_empty()
    }

    /// Takes those off the account that podresources show, and those that they should show by now.
    pub fn account(&self, held: &Held) {
        let now = Instant::now();
        self.since()
            .retain(|id, since| held.holder(id).is_none() && *since + UNCONFIRMED > now);
    }

    fn news(&self) -> MutexGuard<'_, Vec<String>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        // A map of instants makes sense whoever panicked.
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocate_is_outstanding_until_it_is_accounted_for() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let allocations = Allocations::default();
            allocations.note(["a", "b"]);
            allocations.noted().await;
            assert!(allocations.is_outstanding("a") && !allocations.is_outstanding("c"));
            allocations.account(&Held::default());
            assert!(allocations.is_outstanding("a"), "too early to tell");
            tokio::time::advance(UNCONFIRMED).await;
            allocations.note(["b"]);
            allocations.account(&Held::default());
            assert!(!allocations.is_outstanding("a") && allocations.is_outstanding("b"));
        });
    }
}
