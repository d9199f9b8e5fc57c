//! The claims that are prepared, and the two verbs of the kubelet.
//!
//! A claim is on record first, its spec is written then, and the kubelet is answered last; the other way round its record goes
//! last. So whenever we are killed, what the kubelet does next (it asks again) comes to the same.

use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::claims::{ClaimRecord, ClaimStore, ClaimsError};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::allocated::{AboutClaim, Allocated};
use super::claimable::Claimable;
use super::decision::{ClaimName, decide};
use super::specs::Specs;
use crate::events::backoff::Backoff;
use crate::ledger::claims::Prepared;

/// The kubelet waits 45 s for all claims of a pod.
const FETCHED: Duration = Duration::from_secs(35);
/// Pauses before an API server is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The prepared claims.
#[derive(Debug, Clone)]
pub struct Claims {
    store: ClaimStore,
    specs: Specs,
    prepared: watch::Sender<Arc<Prepared>>,
    claimable: watch::Receiver<Arc<Claimable>>,
    /// Takes questions about claims; none where nobody speaks to the API.
    api: Option<mpsc::Sender<AboutClaim>>,
    /// One change at a time.
    changing: Arc<Mutex<()>>,
}

// === impl Claims ===

impl Claims {
    /// With the records of an earlier daemon. `prepared` is told of each change, and has what is known now.
    pub fn new(
        store: ClaimStore,
        specs: Specs,
        prepared: watch::Sender<Arc<Prepared>>,
        claimable: watch::Receiver<Arc<Claimable>>,
        api: Option<mpsc::Sender<AboutClaim>>,
    ) -> Self {
        Self {
            store,
            specs,
            prepared,
            claimable,
            api,
            changing: Arc::default(),
        }
    }

    /// What the loop left last.
    pub fn claimable(&self) -> watch::Receiver<Arc<Claimable>> {
        self.claimable.clone()
    }

    /// Whether claims can be fetched at all.
    pub fn has_api(&self) -> bool {
        self.api.is_some()
    }

    /// Removes what a daemon that was killed did not.
    pub async fn sweep(&self) {
        let _changing = self.changing.lock().await;
        let (specs, prepared) = (self.specs.clone(), self.prepared());
        if prepared.unheard.is_some() {
            return;
        }
        if let Err(error) = spawn_blocking(move || specs.sweep(&prepared.records)).await {
            warn!("specs of claims: {error}");
        }
    }

    /// Prepares a claim. The same claim has the same answer.
    pub async fn prepare(&self, driver: &str, claim: &ClaimName) -> Result<ClaimRecord, String> {
        claim.check()?;
        let until = Instant::now() + FETCHED;
        if let Some(record) = self.known(&claim.uid) {
            return self.again(record).await;
        }
        let found = self.fetch(driver, claim, until).await?;
        let changing = self.changing.lock().await;
        if let Some(record) = self.known(&claim.uid) {
            // Another call was faster.
            drop(changing);
            return self.again(record).await;
        }
        let prepared = self.prepared();
        if let Some(why) = &prepared.unheard {
            return Err(why.clone());
        }
        let claimable = Arc::clone(&self.claimable.borrow());
        let mut record = decide(claim, &found, driver, &claimable, &prepared.records)?;
        Specs::name(&mut record);
        let (store, specs, written) = (self.store.clone(), self.specs.clone(), record.clone());
        let done = spawn_blocking(move || {
            store.put(&written).map_err(|error| error.to_string())?;
            let made = specs.ensure(&written, &claimable);
            made.map_err(|error| format!("its CDI spec is not written: {error}"))
        });
        // Known whatever became of the spec: the record is there, or may be.
        self.change(|records| records.push(record.clone()));
        match done.await.map_err(|lost| lost.to_string()).and_then(|done| done) {
            Ok(()) => {
                let devices: Vec<String> = record.devices.iter().map(|held| held.device.to_string()).collect();
                info!(claim = %record.name(), uid = %claim.uid, "prepared: {}", devices.join(", "));
                Ok(record)
            }
            Err(why) => Err(why),
        }
    }

    /// Ends a claim. One that is not known is done with.
    pub async fn unprepare(&self, uid: &str) -> Result<(), String> {
        let _changing = self.changing.lock().await;
        let record = self.known(uid);
        let (store, specs, of) = (self.store.clone(), self.specs.clone(), uid.to_owned());
        let done = spawn_blocking(move || match store.remove(&of) {
            // Nothing of ours has such a name.
            Err(ClaimsError::Uid(_)) => Ok(()),
            Ok(()) => {
                specs.remove(&of);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        });
        done.await.map_err(|lost| lost.to_string()).and_then(|done| done)?;
        if let Some(record) = record {
            info!(claim = %record.name(), %uid, "unprepared");
            self.change(|records| records.retain(|record| record.claim.uid != uid));
        }
        Ok(())
    }

    fn prepared(&self) -> Arc<Prepared> {
        Arc::clone(&self.prepared.borrow())
    }

    fn known(&self, uid: &str) -> Option<ClaimRecord> {
        let prepared = self.prepared();
        prepared.records.iter().find(|record| record.claim.uid == uid).cloned()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<ClaimRecord>)) {
        self.prepared
            .send_modify(|prepared| change(&mut Arc::make_mut(prepared).records));
    }

    /// A claim that is prepared: what was answered before, with all that belongs to it.
    async fn again(&self, record: ClaimRecord) -> Result<ClaimRecord, String> {
        let _changing = self.changing.lock().await;
        let (specs, store, of) = (self.specs.clone(), self.store.clone(), record.clone());
        let claimable = Arc::clone(&self.claimable.borrow());
        let done = spawn_blocking(move || {
            // Its first preparation may have ended in between.
            store.put(&of).map_err(|error| error.to_string())?;
            if specs.is_there(&of.claim.uid) {
                return Ok(());
            }
            specs
                .ensure(&of, &claimable)
                .map_err(|error| format!("its CDI spec is not written: {error}"))
        });
        done.await.map_err(|lost| lost.to_string()).and_then(|done| done)?;
        Ok(record)
    }

    /// The claim as the API has it, asked for again while it cannot be had.
    async fn fetch(&self, driver: &str, claim: &ClaimName, until: Instant) -> Result<Allocated, String> {
        let Some(api) = &self.api else {
            return Err("hardwired speaks to no API server (--kube), and cannot know what was allocated".to_owned());
        };
        let mut backoff = Backoff::between(PAUSES.0, PAUSES.1);
        loop {
            let (reply, replied) = oneshot::channel();
            let about = AboutClaim {
                namespace: claim.namespace.clone(),
                name: claim.name.clone(),
                driver: driver.to_owned(),
                reply,
            };
            let asked = async {
                api.send(about)
                    .await
                    .map_err(|_gone| "hardwired is stopping".to_owned())?;
                replied.await.map_err(|_gone| "hardwired is stopping".to_owned())?
            };
            let why = match timeout_at(until, asked).await {
                Ok(Ok(Some(found))) => return Ok(found),
                Ok(Ok(None)) => return Err(format!("there is no claim {}/{}", claim.namespace, claim.name)),
                Ok(Err(why)) => why,
                Err(_elapsed) => format!("the API server does not answer within {FETCHED:?}"),
            };
            let pause = backoff.pause();
            if Instant::now() + pause >= until {
                return Err(format!("claim {}/{} cannot be had: {why}", claim.namespace, claim.name));
            }
            sleep(pause).await;
        }
    }
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
