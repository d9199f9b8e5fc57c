//! The task that tells the cluster: it waits for something to change, and for the time to tell it.
//!
//! One request is under way at a time, and beside it changes are looked at as they come, so that what happens while an API
//! server does not answer is told when it does.

use std::collections::hash_map::RandomState;
use std::future::pending;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kube::Client;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::access::{AccessError, KubeAccess, node_name};
use super::api::{Api, ApiError};
use super::conditions::{Condition, conditions};
use super::events::{Events, Post, Sent};
use super::facts::Facts;
use super::news::Known;
use super::object::Status;
use super::said::Said;
use super::schedule::{Attempt, Schedule};
use super::snapshot::Snapshot;
use crate::events::backoff::Backoff;
use crate::ledger::told::Told;
use crate::telemetry::metrics::Metrics;

/// What is wrong for so long is told.
const LASTS: Duration = Duration::from_secs(2);
/// A Node that was made anew has another uid.
const UID_KEPT: Duration = Duration::from_secs(300);
/// Pauses before a client is made again that could not be made.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// What the task needs.
#[derive(Debug, Clone)]
pub struct Telling {
    /// Where the API is.
    pub access: KubeAccess,
    /// What the loop knows.
    pub snapshots: watch::Receiver<Option<Snapshot>>,
    /// What repair sees.
    pub told: watch::Receiver<Told>,
    /// How the daemon is.
    pub metrics: Metrics,
}

/// What is under way, or has been.
type Flight = BoxFuture<'static, Landed>;

/// What came of a request.
enum Landed {
    /// The object is written, or is as it was; and what the Node said of itself on the way.
    Object(Result<Written, ApiError>, Option<Node>),
    /// An Event was sent, or was not.
    Event(Post, Result<(), ApiError>),
}

/// The object as it is with the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Written {
    /// With this status.
    Now(u64),
    /// As it was before.
    Before,
}

/// The Node, which owns the object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    uid: String,
    /// When it was asked for that.
    asked: Instant,
}

/// What was told, and is to be.
struct Conversation {
    api: Api,
    sources: Telling,
    schedule: Schedule,
    known: Known,
    events: Events,
    conditions: Vec<Condition>,
    /// The status that is with the API server.
    written: Option<u64>,
    node: Option<Node>,
    /// When what is wrong has lasted.
    lasts: Option<Instant>,
    object_said: Said,
    events_said: Said,
    dice: RandomState,
}

// === impl Telling ===

impl Telling {
    /// Tells the cluster until it is dropped.
    pub async fn run(self) {
        let mut backoff = Backoff::between(RETRY.0, RETRY.1);
        let mut is_said = false;
        let (client, node) = loop {
            match self.connect() {
                Ok(connected) => break connected,
                Err(error) if !is_said => {
                    warn!("the cluster is told nothing of this node, all else goes on, and it is tried again: {error}");
                    is_said = true;
                }
                Err(_the_same) => {}
            }
            sleep(backoff.pause()).await;
        };
        info!(node, "the cluster is told of this node's devices");
        self.talk(client, node).await;
    }

    fn connect(&self) -> Result<(Client, String), AccessError> {
        let node = node_name()?;
        Ok((self.access.client()?, node))
    }

    /// Tells it by this client, of the node with this name.
    pub async fn talk(self, client: Client, node: String) {
        let conversation = Conversation {
            api: Api::new(client, node),
            sources: self,
            schedule: Schedule::default(),
            known: Known::default(),
            events: Events::default(),
            conditions: Vec::new(),
            written: None,
            node: None,
            lasts: None,
            object_said: Said::new("this node's devices"),
            events_said: Said::new("this node's Events"),
            dice: RandomState::new(),
        };
        conversation.run().await;
    }

    /// All that is known now; none before the first list.
    fn facts(&mut self) -> Option<Facts> {
        // In this order: repair tells of an attachment before the loop hears of it.
        let snapshot = self.snapshots.borrow_and_update().clone()?;
        let told = self.told.borrow_and_update().clone();
        Some(Facts {
            snapshot,
            told,
            standing: self.metrics.standing(),
        })
    }
}

// === impl Conversation ===

impl Conversation {
    async fn run(mut self) {
        let mut standing = self.sources.metrics.standing_changes();
        let mut flight: Option<Flight> = None;
        self.on_change();
        loop {
            let due = if flight.is_none() { self.due() } else { self.lasts };
            let sources = &mut self.sources;
            tokio::select! {
                Ok(()) = sources.snapshots.changed() => self.on_change(),
                Ok(()) = sources.told.changed() => self.on_change(),
                Ok(()) = standing.changed() => self.on_change(),
                landed = landed(&mut flight) => {
                    flight = None;
                    self.on_landed(landed);
                }
                () = until(due) => {}
            }
            self.look_at_what_lasts();
            if flight.is_none() {
                flight = self.next();
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        let times = [self.schedule.due(), self.events.due(Instant::now()), self.lasts];
        times.into_iter().flatten().min()
    }

    fn on_change(&mut self) {
        let Some(facts) = self.sources.facts() else { return };
        let now = Instant::now();
        let dice = self.dice();
        self.schedule.on_change(now, dice);
        self.lasts.get_or_insert(now + LASTS);
        for news in self.known.look(&facts) {
            self.events.note(news, self.api.node(), now, SystemTime::now());
        }
    }

    fn look_at_what_lasts(&mut self) {
        let now = Instant::now();
        if self.lasts.is_none_or(|lasts| lasts > now) {
            return;
        }
        self.lasts = None;
        let Some(facts) = self.sources.facts() else { return };
        for news in self.known.look_at_what_lasts(&facts) {
            self.events.note(news, self.api.node(), now, SystemTime::now());
        }
        match self.events.take_dropped() {
            0 => {}
            dropped => warn!("{dropped} Events were not sent: more happens than is told"),
        }
    }

    /// What is to be asked now.
    fn next(&mut self) -> Option<Flight> {
        let now = Instant::now();
        if self.schedule.due().is_some_and(|due| due <= now) {
            return self.write(now);
        }
        // Events are found beside a Node by its uid or, as the kubelet has it, by its name in that place.
        let uid = self.node.as_ref().map_or(self.api.node(), |node| &node.uid);
        let post = self.events.take((self.api.node(), uid), now)?;
        let api = self.api.clone();
        let send = async move {
            let sent = api.send_event(&post.place, &post.body, post.is_new).await;
            Landed::Event(post, sent)
        };
        Some(send.boxed())
    }

    fn write(&mut self, now: Instant) -> Option<Flight> {
        let facts = self.sources.facts()?;
        self.schedule.begin();
        self.conditions = conditions(&facts.standing, &self.conditions, SystemTime::now());
        let (api, conditions) = (self.api.clone(), self.conditions.clone());
        let (before, mut node) = (self.written, self.node.clone());
        node.take_if(|node| node.asked + UID_KEPT <= now);
        let write = async move {
            let outcome = write(&api, facts, conditions, before, &mut node).await;
            Landed::Object(outcome, node)
        };
        Some(write.boxed())
    }

    fn on_landed(&mut self, landed: Landed) {
        let (now, dice) = (Instant::now(), self.dice());
        match landed {
            Landed::Object(outcome, node) => {
                let attempt = match &outcome {
                    Ok(Written::Before) => Attempt::Same,
                    Ok(Written::Now(_)) => Attempt::Written,
                    Err(ApiError::Away(_)) => Attempt::Away,
                    Err(_) => Attempt::Refused,
                };
                self.schedule.end(attempt, now, dice);
                self.object_said.say(outcome.as_ref().map(|_| ()));
                self.node = node.or(self.node.take());
                match outcome {
                    Ok(Written::Before) => {}
                    Ok(Written::Now(digest)) => self.written = Some(digest),
                    // Nobody knows what is there: what comes next is a write.
                    Err(_) => self.written = None,
                }
            }
            Landed::Event(post, outcome) => {
                let sent = match &outcome {
                    Ok(()) => Sent::Taken,
                    Err(ApiError::Away(_)) => Sent::Away,
                    Err(ApiError::Forbidden(_)) => Sent::Forbidden,
                    Err(_) => Sent::Refused,
                };
                self.events.landed(&post, sent, now);
                // One that is refused, since its pod is gone, says nothing of the others.
                if sent != Sent::Refused {
                    self.events_said.say(outcome.as_ref().map(|()| ()));
                }
            }
        }
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

/// Writes the object, unless it is there as it is to be. Asks for the Node unless it is known.
async fn write(
    api: &Api,
    facts: Facts,
    conditions: Vec<Condition>,
    before: Option<u64>,
    node: &mut Option<Node>,
) -> Result<Written, ApiError> {
    // A thousand devices take a few milliseconds, in which an Allocate would wait.
    let status = spawn_blocking(move || Status::new(&facts, &conditions)).await;
    let status = status.map_err(|error| ApiError::Away(error.to_string()))?;
    let status = status.map_err(|error| ApiError::Away(error.to_string()))?;
    let digest = status.digest();
    if before == Some(digest) {
        return Ok(Written::Before);
    }
    let known = match node {
        Some(node) => node,
        None => node.insert(Node {
            uid: api.node_uid().await?,
            asked: Instant::now(),
        }),
    };
    api.apply(status.of_node(api.node(), &known.uid)).await?;
    Ok(Written::Now(digest))
}

async fn landed(flight: &mut Option<Flight>) -> Landed {
    match flight {
        Some(flight) => flight.await,
        None => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

#[cfg(test)]
#[path = "telling_tests.rs"]
mod tests;
