//! The conversation with an API server: when something changes, and when it is time, something is asked of it.
//!
//! One request is under way at a time, and beside it changes are looked at as they come, so that what happens while an API
//! server does not answer is told when it does.

use std::collections::hash_map::RandomState;
use std::future::pending;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::events::{Events, Sent};
use super::flight::{Flight, Known, Landed, UID_KEPT, Written, ask, send};
use super::line::Line;
use super::memory::Memory;
use super::messages::ApiError;
use super::news;
use super::said::{Said, What};
use super::schedule::{Attempt, Schedule};
use super::sources::Sources;

/// Between two looks at an object that does not change: somebody may have deleted it.
const LOOKED: Duration = Duration::from_secs(600);

/// What was told, and is to be.
pub(super) struct Conversation {
    line: Line,
    /// The node's name.
    name: String,
    sources: Sources,
    memory: Memory,
    /// The kubelet's checkpoint is there.
    checkpoint: PathBuf,
    schedule: Schedule,
    seen: news::Known,
    events: Events,
    known: Known,
    /// When the Node was asked for its uid, for an Event.
    asked: Option<Instant>,
    /// When the object is looked at.
    look: Option<Instant>,
    said: Said,
    dice: RandomState,
}

// === impl Conversation ===

impl Conversation {
    /// Over this line, on the node with this name.
    pub(super) fn new(line: Line, name: String, sources: Sources, memory: Memory, checkpoint: PathBuf) -> Self {
        Self {
            line,
            name,
            sources,
            seen: news::Known::remembering(memory.kept()),
            memory,
            checkpoint,
            schedule: Schedule::default(),
            events: Events::default(),
            known: Known::default(),
            asked: None,
            look: None,
            said: Said::default(),
            dice: RandomState::new(),
        }
    }

    /// Goes on until it is dropped.
    pub(super) async fn run(mut self) {
        let mut standing = self.sources.metrics.standing_changes();
        let mut flight: Option<Flight> = None;
        self.on_change();
        loop {
            let due = if flight.is_none() { self.due() } else { self.seen.due() };
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
        let times = [
            self.schedule.due(),
            self.events.due(Instant::now()),
            self.seen.due(),
            self.look,
        ];
        times.into_iter().flatten().min()
    }

    fn on_change(&mut self) {
        let Some(facts) = self.sources.changed_facts() else {
            return;
        };
        let now = Instant::now();
        self.schedule.on_change(now, self.dice());
        for news in self.seen.look(&facts, now) {
            self.events.note(news, &self.name, now, SystemTime::now());
        }
        self.memory.keep(self.seen.remembered());
    }

    fn look_at_what_lasts(&mut self) {
        let now = Instant::now();
        if self.seen.due().is_none_or(|due| due > now) {
            return;
        }
        let Some(facts) = self.sources.facts() else { return };
        for news in self.seen.look_at_what_lasts(&facts, now) {
            self.events.note(news, &self.name, now, SystemTime::now());
        }
        self.memory.keep(self.seen.remembered());
        match self.events.take_dropped() {
            0 => {}
            dropped => warn!("{dropped} Events were not sent: more happens than is told"),
        }
    }

    /// What is to be asked now.
    fn next(&mut self) -> Option<Flight> {
        let (now, line) = (Instant::now(), self.line.clone());
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.schedule.due()) {
            let facts = self.sources.facts()?;
            self.schedule.begin();
            let (mut known, name) = (self.known.clone(), self.name.clone());
            let write = async move {
                let outcome = known.write(&line, &name, facts).await;
                Landed::Object(outcome, known)
            };
            return Some(write.boxed());
        }
        if is_due(self.look) {
            self.look = None;
            return Some(async move { Landed::Looked(line.object(false).await) }.boxed());
        }
        if !is_due(self.events.due(now)) {
            return None;
        }
        // Events are found beside a Node by its uid or, as the kubelet has it, by its name in that place.
        if self.known.node.is_none() && self.asked.is_none_or(|asked| asked + UID_KEPT <= now) {
            self.asked = Some(now);
            return Some(async move { Landed::Node(ask(&line).await) }.boxed());
        }
        let uid = self.known.node.as_ref().map_or(&self.name, |node| &node.uid);
        let post = Box::new(self.events.take((&self.name, uid), now)?);
        let checkpoint = self.checkpoint.clone();
        let send = async move {
            let sent = send(&line, &post, checkpoint).await;
            Landed::Event(post, sent)
        };
        Some(send.boxed())
    }

    fn on_landed(&mut self, landed: Landed) {
        let (now, dice) = (Instant::now(), self.dice());
        match landed {
            Landed::Object(outcome, mut known) => {
                let attempt = match &outcome {
                    Ok(Written::Before(_)) => Attempt::Same,
                    Ok(Written::Now(_)) => Attempt::Written,
                    Err(error) if error.is_passing() => Attempt::Away(error.retry_after()),
                    Err(_) => Attempt::Refused,
                };
                self.schedule.end(attempt, now, dice);
                self.said.say(What::Devices, outcome.as_ref().map(|_| ()));
                known.node = known.node.or_else(|| self.known.node.take());
                self.known = known;
                // After an error nobody knows what is there, and it is asked before it is written.
                self.known.written = outcome.ok().map(|(Written::Before(stamp) | Written::Now(stamp))| stamp);
                self.look = self.known.written.as_ref().map(|_| now + LOOKED.mul_f64(0.5 + dice));
            }
            // Whoever writes the object says what is wrong.
            Landed::Node(node) => self.known.node = node.ok().or_else(|| self.known.node.take()),
            Landed::Looked(found) => {
                let is_ours = match (&found, &self.known.written) {
                    (Ok(Some(found)), Some(stamp)) => stamp.is_of(found),
                    // Whether it is there, nobody says.
                    (Err(_), _) => true,
                    _ => false,
                };
                if is_ours {
                    self.look = Some(now + LOOKED.mul_f64(0.5 + dice));
                } else {
                    (self.known.written, self.known.is_spoilt) = (None, true);
                    self.schedule.on_change(now, dice);
                }
            }
            Landed::Event(post, outcome) => {
                let sent = match &outcome {
                    Ok(()) => Sent::Taken,
                    // It was taken the first time, and the answer was lost: no other has its name.
                    Err(ApiError::Refused { code: 409, .. }) if post.is_new => Sent::Taken,
                    Err(error) if error.is_passing() => Sent::Away(error.retry_after()),
                    // A token that ran out is another one soon.
                    Err(ApiError::Refused { code: 401, .. }) => Sent::Away(Duration::ZERO),
                    Err(ApiError::Forbidden(_)) => Sent::Forbidden,
                    Err(_) => Sent::Refused,
                };
                self.events.landed(&post, sent, now, dice);
                let what = if post.is_new { What::Events } else { What::Counts };
                match (sent, &outcome) {
                    // One that is refused, since its pod is gone, says nothing of the others.
                    (Sent::Refused, _) => {}
                    (Sent::Taken, _) => self.said.say(what, Ok(())),
                    (_, outcome) => self.said.say(what, outcome.as_ref().copied()),
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
