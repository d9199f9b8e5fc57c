//! The conversation with an API server: when something changes, and when it is time, something is asked of it.
//!
//! One request is under way at a time, and beside it changes are looked at as they come, so that what happens while an API
//! server does not answer is told when it does.

use std::collections::hash_map::RandomState;
use std::future::pending;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use kube::Client;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::api::{Api, ApiError};
use super::conditions::{Condition, conditions};
use super::events::{Events, Sent};
use super::flight::{Flight, Landed, Node, Written, ask, write};
use super::news::Known;
use super::said::Said;
use super::schedule::{Attempt, Schedule};
use super::sources::Sources;

/// What is wrong for so long is told.
const LASTS: Duration = Duration::from_secs(2);
/// A Node is asked again for what it is known by.
const UID_KEPT: Duration = Duration::from_secs(300);

/// What was told, and is to be.
pub(super) struct Conversation {
    api: Api,
    sources: Sources,
    schedule: Schedule,
    known: Known,
    events: Events,
    conditions: Vec<Condition>,
    /// The status that is with the API server.
    written: Option<u64>,
    node: Option<Node>,
    /// When that was asked for, for an Event.
    asked: Option<Instant>,
    /// When what is wrong has lasted.
    lasts: Option<Instant>,
    object_said: Said,
    events_said: Said,
    counts_said: Said,
    dice: RandomState,
}

// === impl Conversation ===

impl Conversation {
    /// With the API behind this client, on the node with this name.
    pub(super) fn new(client: Client, node: String, sources: Sources) -> Self {
        Self {
            api: Api::new(client, node),
            sources,
            schedule: Schedule::default(),
            known: Known::default(),
            events: Events::default(),
            conditions: Vec::new(),
            written: None,
            node: None,
            asked: None,
            lasts: None,
            object_said: Said::new("this node's devices"),
            events_said: Said::new("this node's Events"),
            counts_said: Said::new("the counts of this node's Events"),
            dice: RandomState::new(),
        }
    }

    /// Goes on until it is dropped.
    pub(super) async fn run(mut self) {
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
        let Some(facts) = self.sources.changed_facts() else {
            return;
        };
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
        if self.events.due(now)? > now {
            return None;
        }
        // Events are found beside a Node by its uid or, as the kubelet has it, by its name in that place.
        if self.node.is_none() && self.asked.is_none_or(|asked| asked + UID_KEPT <= now) {
            self.asked = Some(now);
            let api = self.api.clone();
            return Some(async move { Landed::Node(ask(&api).await) }.boxed());
        }
        let uid = self.node.as_ref().map_or_else(|| self.api.node(), |node| &node.uid);
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
        let before = std::mem::take(&mut self.conditions);
        self.conditions = conditions(&facts.standing, &before, SystemTime::now());
        // A Node that was made anew has another uid, and its kubelet has registered the pools again.
        let is_another = self.conditions != before;
        let (api, conditions) = (self.api.clone(), self.conditions.clone());
        let (before, mut node) = (self.written, self.node.clone());
        node.take_if(|node| is_another || node.asked + UID_KEPT <= now);
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
                self.node = node.or_else(|| self.node.take());
                match outcome {
                    Ok(Written::Before) => {}
                    Ok(Written::Now(digest)) => self.written = Some(digest),
                    // Nobody knows what is there: what comes next is a write.
                    Err(_) => self.written = None,
                }
            }
            // Whoever writes the object says what is wrong.
            Landed::Node(node) => self.node = node.ok().or_else(|| self.node.take()),
            Landed::Event(post, outcome) => {
                let sent = match &outcome {
                    Ok(()) => Sent::Taken,
                    // It was taken the first time, and the answer was lost: no other has its name.
                    Err(ApiError::Refused { code: 409, .. }) if post.is_new => Sent::Taken,
                    Err(ApiError::Away(_)) => Sent::Away,
                    Err(ApiError::Forbidden(_)) => Sent::Forbidden,
                    Err(_) => Sent::Refused,
                };
                self.events.landed(&post, sent, now, dice);
                // One that is refused, since its pod is gone, says nothing of the others.
                let said = if post.is_new {
                    &mut self.events_said
                } else {
                    &mut self.counts_said
                };
                match (sent, &outcome) {
                    (Sent::Refused, _) => {}
                    (Sent::Taken, _) => said.say(Ok(())),
                    (_, outcome) => said.say(outcome.as_ref().copied()),
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
#[path = "conversation_tests.rs"]
mod tests;
