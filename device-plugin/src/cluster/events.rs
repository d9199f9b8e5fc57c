//! Which news are sent, and when: the same news again only count, and all of them together have a rate.
//!
//! The clock is the caller's.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::time::Instant;

use super::event::{self, Series};
use super::messages::Place;
use super::news::{Kind, News};
use crate::events::backoff::Backoff;

/// So many on the node may be sent at once, and then one in so much time.
pub const RATE: (u32, Duration) = (20, Duration::from_secs(30));
/// The same of those on pods, which are not held up by a node with much to tell.
pub const RATE_ON_PODS: (u32, Duration) = (100, Duration::from_secs(5));
/// Between two counts of the same news.
const COUNTED: Duration = Duration::from_secs(60);
/// What was not seen for so long is new when it is seen again; the API server forgets Events after an hour.
const FORGOTTEN: Duration = Duration::from_secs(1800);
/// So many different news on the node are remembered at most, and so many on pods.
const REMEMBERED: (usize, usize) = (128, 512);
/// Until an API server is tried again.
const AWAY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Until one that says no is asked again.
const REFUSED: Duration = Duration::from_secs(600);

/// Something to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// Which news.
    pub(super) news: News,
    /// Where.
    pub place: Place,
    /// The Event, or what changes of it.
    pub body: Value,
    /// It is new.
    pub is_new: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The API server has it.
    Taken,
    /// It cannot be reached, and is to be left alone for so long.
    Away(Duration),
    /// It takes no Events of us, or counts none.
    Forbidden,
    /// It does not take this one.
    Refused,
}

/// What was seen, and what of it was sent.
#[derive(Debug)]
pub struct Events {
    open: HashMap<News, Known>,
    on_node: Bucket,
    on_pods: Bucket,
    /// Nothing before, and no counts.
    blocked: Option<Instant>,
    uncounted: Option<Instant>,
    away: Backoff,
    number: u64,
    /// Not sent for want of room.
    dropped: u64,
}

/// How many may be sent now, and as of when.
#[derive(Debug)]
struct Bucket {
    rate: (u32, Duration),
    left: u32,
    since: Option<Instant>,
}

#[derive(Debug)]
struct Known {
    place: Place,
    first: SystemTime,
    last: SystemTime,
    count: u32,
    seen: Instant,
    /// When it was sent, and how often it had been seen then.
    sent: Option<(Instant, u32)>,
}

// === impl Events ===

impl Default for Events {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            on_node: Bucket::new(RATE),
            on_pods: Bucket::new(RATE_ON_PODS),
            blocked: None,
            uncounted: None,
            away: Backoff::between(AWAY.0, AWAY.1),
            number: 0,
            dropped: 0,
        }
    }
}

impl Events {
    /// Something happened on this node.
    pub fn note(&mut self, news: News, node: &str, now: Instant, at: SystemTime) {
        self.open.retain(|_, known| known.seen + FORGOTTEN > now);
        if let Some(known) = self.open.get_mut(&news) {
            known.count = known.count.saturating_add(1);
            (known.last, known.seen) = (at, now);
            return;
        }
        if !self.has_room(news.is_on_pod()) {
            self.dropped += 1;
            return;
        }
        self.number += 1;
        let known = Known {
            place: event::place(&news, node, at, self.number),
            first: at,
            last: at,
            count: 1,
            seen: now,
            sent: None,
        };
        self.open.insert(news, known);
    }

    /// When something is to be sent.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due_of = |(news, known)| self.due_of(news, known, now);
        let due = self.open.iter().filter_map(due_of).min()?;
        Some(due.max(self.blocked.unwrap_or(due)))
    }

    /// What is to be sent now by this node, which has this uid.
    pub fn take(&mut self, node: (&str, &str), now: Instant) -> Option<Post> {
        if self.due(now)? > now {
            return None;
        }
        let is_ready = |(news, known): &(&News, &Known)| self.due_of(news, known, now).is_some_and(|due| due <= now);
        let ready = self.open.iter().filter(is_ready);
        // What a pod has lost first, then the oldest.
        let (news, known) =
            ready.min_by_key(|(news, known)| (known.sent.is_some(), news.kind != Kind::DeviceVanished, known.first))?;
        let series = (known.count > 1).then_some(Series {
            count: known.count,
            last: known.last,
        });
        let (is_new, place) = (known.sent.is_none(), known.place.clone());
        let body = match series {
            Some(series) if !is_new => event::counting(series),
            series => event::event(news, &place, node, known.first, series),
        };
        let post = Post {
            news: news.clone(),
            place,
            body,
            is_new,
        };
        let bucket = if post.news.is_on_pod() {
            &mut self.on_pods
        } else {
            &mut self.on_node
        };
        bucket.spend(now);
        if let Some(known) = self.open.get_mut(&post.news) {
            known.sent = Some((now, known.count));
        }
        Some(post)
    }

    /// It was sent, or was not. The dice (0 to 1) spread the nodes that knock at an API server.
    pub fn landed(&mut self, post: &Post, sent: Sent, now: Instant, dice: f64) {
        match sent {
            Sent::Taken => {
                self.away.reset();
                self.blocked = None;
            }
            Sent::Away(at_least) => {
                let pause = self.away.pause().max(at_least);
                self.blocked = Some(now + at_least.max(pause.mul_f64(0.5 + dice.clamp(0.0, 1.0))));
                self.unsent(post);
            }
            Sent::Forbidden if !post.is_new => self.uncounted = Some(now + REFUSED),
            Sent::Forbidden => {
                self.blocked = Some(now + REFUSED);
                self.unsent(post);
            }
            // It may have been removed: it is made anew.
            Sent::Refused if !post.is_new => self.remade(post),
            // Its pod may be gone with its namespace.
            Sent::Refused => drop(self.open.remove(&post.news)),
        }
    }

    /// How many could not be sent for want of room, since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Makes room for one more, if need be by forgetting what was sent.
    fn has_room(&mut self, on_pod: bool) -> bool {
        let most = if on_pod { REMEMBERED.1 } else { REMEMBERED.0 };
        let of_its_kind = || self.open.iter().filter(|(news, _)| news.is_on_pod() == on_pod);
        if of_its_kind().count() < most {
            return true;
        }
        let is_told = |known: &Known| known.sent.is_some_and(|(_, count)| count == known.count);
        let told = of_its_kind().filter(|(_, known)| is_told(known));
        let oldest = told.min_by_key(|(_, known)| known.seen).map(|(news, _)| news.clone());
        oldest.is_some_and(|news| self.open.remove(&news).is_some())
    }

    /// It is still to be sent.
    fn unsent(&mut self, post: &Post) {
        if let Some(known) = self.open.get_mut(&post.news) {
            known.sent = known
                .sent
                .filter(|_| !post.is_new)
                .map(|(at, count)| (at, count.saturating_sub(1)));
        }
    }

    fn remade(&mut self, post: &Post) {
        if let Some(known) = self.open.get_mut(&post.news) {
            known.sent = None;
        }
    }

    /// When one is to be sent and there is room for it; none if that was done, however often it was seen.
    fn due_of(&self, news: &News, known: &Known, now: Instant) -> Option<Instant> {
        let bucket = if news.is_on_pod() { &self.on_pods } else { &self.on_node };
        let token = bucket.next(now);
        let Some((at, count)) = known.sent else {
            return Some(token);
        };
        let due = token.max(at + COUNTED);
        (count < known.count).then(|| self.uncounted.map_or(due, |until| due.max(until)))
    }
}

// === impl Bucket ===

impl Bucket {
    fn new(rate: (u32, Duration)) -> Self {
        Self {
            rate,
            left: rate.0,
            since: None,
        }
    }

    /// When there is room for one more.
    fn next(&self, now: Instant) -> Instant {
        match self.since {
            Some(since) if self.left == 0 => since + self.rate.1,
            _ => now,
        }
    }

    fn spend(&mut self, now: Instant) {
        let (most, each) = self.rate;
        let mut since = self.since.unwrap_or(now);
        while self.left < most && since + each <= now {
            self.left += 1;
            since += each;
        }
        if self.left == most {
            since = now;
        }
        self.left = self.left.saturating_sub(1);
        self.since = Some(since);
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
