//! When slices are looked at and written: when what they say changes, when the kubelet has taken us (it deletes them when it
//! starts), and seldom otherwise, since somebody may have deleted one.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hardwire_pci::Sysfs;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

use super::attributes::attributes;
use super::layout::{Content, Layout, Told};
use super::plan::{Known, Owner, plan, stamp};
use crate::cluster::line::Line;
use crate::cluster::messages::{ApiError, SliceFound};
use crate::cluster::said::{Said, What};
use crate::cluster::schedule::{Attempt, Schedule};
use crate::config::{DriverName, Via};
use crate::dra::Claimable;
use crate::dra::claimable::ClaimablePool;
use crate::dra::names::device_name;

/// After the kubelet has taken us: one that starts deletes the slices then, when its own API server answers.
const LOOKED: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    // It has lost us before, and waits so long before it deletes them.
    Duration::from_secs(45),
];
/// Between two looks at slices that do not change.
const SELDOM: Duration = Duration::from_secs(600);

/// The first version of Kubernetes in which classes name resources without a gate (`DRAExtendedResource`).
const EXTENDED: (u32, u32) = (1, 36);

/// What slices are made of, and where they go.
pub(in crate::cluster) struct Publishing {
    line: Line,
    node: String,
    sysfs: Sysfs,
    claimable: watch::Receiver<Arc<Claimable>>,
    taken: watch::Receiver<u64>,
    schedule: Schedule,
    looks: Vec<Instant>,
    said: Said,
    dice: RandomState,
}

/// What is known of the slices of one driver.
#[derive(Default)]
struct State {
    driver: Option<DriverName>,
    uid: Option<String>,
    layout: Layout,
    /// What is there; none where nobody knows.
    known: Option<Known>,
    /// `metadata.generation` of those that we wrote: who changes one counts it.
    written: BTreeMap<String, i64>,
    /// The highest generation of the pool.
    latest: i64,
    /// The API server does not keep taints.
    is_without_taints: bool,
    /// Whether it knows what pools with `via: extended` are asked for by; none where nobody asked.
    is_extended: Option<bool>,
}

// === impl Publishing ===

impl Publishing {
    /// Over this line, for the node with this name. `taken` counts how often the kubelet took us.
    pub(in crate::cluster) fn new(
        line: Line,
        node: String,
        sysfs: Sysfs,
        claimable: watch::Receiver<Arc<Claimable>>,
        taken: watch::Receiver<u64>,
    ) -> Self {
        Self {
            line,
            node,
            sysfs,
            claimable,
            taken,
            schedule: Schedule::quick(),
            looks: Vec::new(),
            said: Said::default(),
            dice: RandomState::new(),
        }
    }

    /// Goes on until it is dropped.
    pub(in crate::cluster) async fn run(mut self) {
        let mut state = State::default();
        self.claimable.mark_changed();
        loop {
            let due = self.looks.iter().copied().chain(self.schedule.due()).min();
            tokio::select! {
                Ok(()) = self.claimable.changed() => {
                    if self.claimable.borrow_and_update().driver.is_some() {
                        self.schedule.on_change(Instant::now(), self.dice());
                    }
                }
                Ok(()) = self.taken.changed() => {
                    self.taken.mark_unchanged();
                    let now = Instant::now();
                    self.looks = LOOKED.iter().map(|after| now + *after).collect();
                }
                () = until(due) => self.on_due(&mut state).await,
            }
        }
    }

    async fn on_due(&mut self, state: &mut State) {
        let now = Instant::now();
        if self.looks.iter().any(|look| *look <= now) {
            self.looks.retain(|look| *look > now);
            state.known = None;
        }
        self.schedule.begin();
        let claimable = Arc::clone(&self.claimable.borrow());
        let Some(driver) = claimable.driver.clone() else {
            // The kubelet deletes what it had, since it has lost the driver.
            *state = State::default();
            return;
        };
        if state.driver.as_ref() != Some(&driver) {
            *state = State::default();
            state.driver = Some(driver);
        }
        let outcome = self.publish(state, claimable).await;
        let attempt = match &outcome {
            Ok(0) => Attempt::Same,
            Ok(_) => Attempt::Written,
            Err(error) if error.is_passing() => Attempt::Away(error.retry_after()),
            // It was changed while we looked, or a token ran out, and is another one soon.
            Err(ApiError::Refused { code: 409 | 401, .. }) => Attempt::Away(Duration::ZERO),
            Err(_) => Attempt::Refused,
        };
        let dice = self.dice();
        self.schedule.end(attempt, Instant::now(), dice);
        self.said.say(What::Slices, outcome.as_ref().map(|_| ()));
        if outcome.is_err() {
            // Nobody knows what is there.
            (state.known, state.uid) = (None, None);
        }
        if self.looks.is_empty() {
            self.looks.push(Instant::now() + SELDOM.mul_f64(0.5 + dice));
        }
    }

    /// Sees to it that the slices are there; returns how many writes it took.
    async fn publish(&self, state: &mut State, claimable: Arc<Claimable>) -> Result<usize, ApiError> {
        let Some(driver) = state.driver.clone() else {
            return Ok(0);
        };
        let uid = match &state.uid {
            Some(uid) => uid.clone(),
            None => state.uid.insert(self.line.node_uid().await?).clone(),
        };
        let owner = Owner {
            driver: driver.to_string(),
            node: self.node.clone(),
            uid,
        };
        if state.known.is_none() {
            let found = self.line.slices(owner.driver.clone()).await?;
            state.known = Some(found.into_iter().map(|found| (found.name.clone(), found)).collect());
        }
        let with_extended = self.with_extended(state, &claimable).await?;
        let sysfs = self.sysfs.clone();
        let told = spawn_blocking(move || told(&claimable, &sysfs, with_extended)).await;
        let told = told.map_err(|error| ApiError::away(error.to_string()))?;
        let mut writes = 0;
        loop {
            let wanted = state
                .layout
                .slices(driver.as_str(), told.clone(), !state.is_without_taints);
            let (count, kept) = self.write(state, &owner, &wanted).await?;
            writes += count;
            if kept || state.is_without_taints {
                return Ok(writes);
            }
            warn!(%driver, "the API server keeps no taints (DRADeviceTaints): devices that are not to be given out are not told of");
            state.is_without_taints = true;
        }
    }

    /// Whether pools with `via: extended` are of any use: an older API server drops the field of the class that names the
    /// resource, and their pods would wait for ever.
    async fn with_extended(&self, state: &mut State, claimable: &Claimable) -> Result<bool, ApiError> {
        let mut pools = claimable.pools.iter().map(|pool| &pool.pool);
        let Some(pool) = pools.find(|pool| pool.via == Via::Extended) else {
            return Ok(false);
        };
        if let Some(known) = state.is_extended {
            return Ok(known);
        }
        let (major, minor) = self.line.version().await?;
        let is_known = (major, minor) >= EXTENDED;
        if !is_known {
            error!(
                "{}: its devices are given to nobody: via: extended needs Kubernetes {}.{}, and this is {major}.{minor}",
                pool.resource, EXTENDED.0, EXTENDED.1
            );
        }
        state.is_extended = Some(is_known);
        Ok(is_known)
    }

    /// Writes what is to be written. Returns how much that was, and whether taints were kept.
    async fn write(&self, state: &mut State, owner: &Owner, wanted: &[Content]) -> Result<(usize, bool), ApiError> {
        let known = state.known.get_or_insert_default();
        let written = &mut state.written;
        let is_as_written = |found: &SliceFound| {
            let ours = written.get(&found.name);
            ours.is_none() || ours.copied() == found.generation
        };
        let plan = plan(owner, known, wanted, state.latest, is_as_written);
        state.latest = plan.generation;
        for name in &plan.delete {
            self.line.delete_slice(name.clone()).await?;
            known.remove(name);
            written.remove(name);
        }
        let mut is_kept = true;
        for place in &plan.write {
            let Some(content) = wanted.get(*place) else { continue };
            let body = owner.slice(*place, content, plan.generation, wanted.len());
            let body = body.map_err(|error| ApiError::away(error.to_string()))?;
            let answer = self.line.apply_slice(owner.name(*place), body).await?;
            is_kept &= content.tainted == 0 || answer.tainted.is_none_or(|kept| kept >= content.tainted);
            let found = SliceFound {
                name: owner.name(*place),
                digest: Some(stamp(content, wanted.len())),
                pool_generation: Some(plan.generation),
                ..answer
            };
            written.extend(found.generation.map(|generation| (found.name.clone(), generation)));
            known.insert(found.name.clone(), found);
        }
        Ok((plan.delete.len() + plan.write.len(), is_kept))
    }

    /// From 0 to 1. No secret depends on it.
    #[allow(clippy::cast_precision_loss, reason = "a spread of seconds is not that precise")]
    fn dice(&self) -> f64 {
        // Its keys are random, and its input is another each time.
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let thrown = self.dice.hash_one(at.unwrap_or_default());
        thrown as f64 / u64::MAX as f64
    }
}

/// Each device as it is to be told, in the order of their pools. Blocking: reads sysfs.
fn told(claimable: &Claimable, sysfs: &Sysfs, with_extended: bool) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    let is_told = |pool: &&ClaimablePool| with_extended || pool.pool.via != Via::Extended;
    for pool in claimable.pools.iter().filter(is_told) {
        for (id, state) in &pool.devices {
            told.push(Told {
                name: device_name(id),
                attributes: attributes(claimable, pool, id, state, sysfs),
                unhealthy: state.kind,
                is_held: state.is_held,
                is_gone: claimable.hardware.inventory.get(id).is_none(),
            });
        }
    }
    told
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "publishing_tests.rs"]
mod tests;
