//! Which news are sent, and when: the same news again only count, and all of them together have a rate.
//!
//! The clock is the caller's.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::time::Instant;

use super::event::{self, Place, Series};
use super::news::News;
use crate::events::backoff::Backoff;

/// So many may be sent at once, and then one in so much time.
pub const RATE: (u32, Duration) = (20, Duration::from_secs(30));
/// Between two counts of the same news.
const COUNTED: Duration = Duration::from_secs(60);
/// What was not seen for so long is new when it is seen again; the API server forgets Events after an hour.
const FORGOTTEN: Duration = Duration::from_secs(1800);
/// So many different news are remembered at most.
const REMEMBERED: usize = 128;
/// Until an API server is tried again.
const AWAY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Until one that says no is asked again.
const REFUSED: Duration = Duration::from_secs(600);

/// Something to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// Which news.
    news: News,
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
    /// It cannot be reached.
    Away,
    /// It takes no Events of us, or counts none.
    Forbidden,
    /// It does not take this one.
    Refused,
}

/// What was seen, and what of it was sent.
#[derive(Debug)]
pub struct Events {
    open: HashMap<News, Known>,
    /// How many may be sent now, and as of when.
    tokens: (u32, Option<Instant>),
    /// Nothing before, and no counts.
    blocked: Option<Instant>,
    uncounted: Option<Instant>,
    away: Backoff,
    number: u64,
    /// Not sent for want of room.
    dropped: u64,
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
            tokens: (RATE.0, None),
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
        if self.open.len() >= REMEMBERED {
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
        let due = self.open.values().filter_map(|known| self.due_of(known, now)).min()?;
        let token = self.token(now);
        Some(due.max(token).max(self.blocked.unwrap_or(due)))
    }

    /// What is to be sent now by this node, which has this uid.
    pub fn take(&mut self, node: (&str, &str), now: Instant) -> Option<Post> {
        if self.due(now)? > now {
            return None;
        }
        let is_ready = |known: &Known| self.due_of(known, now).is_some_and(|due| due <= now);
        let ready = self.open.iter().filter(|(_, known)| is_ready(known));
        // The oldest first.
        let (news, known) = ready.min_by_key(|(_, known)| (known.sent.is_some(), known.first))?;
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
        self.spend(now);
        if let Some(known) = self.open.get_mut(&post.news) {
            known.sent = Some((now, known.count));
        }
        Some(post)
    }

    /// It was sent, or was not.
    pub fn landed(&mut self, post: &Post, sent: Sent, now: Instant) {
        match sent {
            Sent::Taken => {
                self.away.reset();
                self.blocked = None;
            }
            Sent::Away => {
                self.blocked = Some(now + self.away.pause());
                let known = self.open.get_mut(&post.news);
                if let Some(known) = known {
                    known.sent = known
                        .sent
                        .filter(|_| !post.is_new)
                        .map(|(at, count)| (at, count.saturating_sub(1)));
                }
            }
            Sent::Forbidden if !post.is_new => self.uncounted = Some(now + REFUSED),
            Sent::Forbidden => {
                self.blocked = Some(now + REFUSED);
                self.open.clear();
            }
            // Its pod may be gone with its namespace.
            Sent::Refused => drop(self.open.remove(&post.news)),
        }
    }

    /// How many could not be sent for want of room, since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// When one is to be sent; none if that was done, however often it was seen.
    fn due_of(&self, known: &Known, now: Instant) -> Option<Instant> {
        let Some((at, count)) = known.sent else {
            return Some(now);
        };
        let due = at + COUNTED;
        (count < known.count).then(|| self.uncounted.map_or(due, |until| due.max(until)))
    }

    /// When there is room for one more.
    fn token(&self, now: Instant) -> Instant {
        match self.tokens {
            (0, Some(since)) => since + RATE.1,
            _ => now,
        }
    }

    fn spend(&mut self, now: Instant) {
        let (mut left, since) = self.tokens;
        let mut since = since.unwrap_or(now);
        while left < RATE.0 && since + RATE.1 <= now {
            left += 1;
            since += RATE.1;
        }
        if left == RATE.0 {
            since = now;
        }
        self.tokens = (left.saturating_sub(1), Some(since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::news::{Kind, Subject};

    const NODE: (&str, &str) = ("node1", "u");
    const HOUR: Duration = Duration::from_secs(3600);

    fn news(text: &str) -> News {
        News {
            subject: Subject::Node,
            kind: Kind::DeviceUnhealthy,
            text: text.to_owned(),
        }
    }

    fn note(events: &mut Events, text: &str, now: Instant) {
        events.note(news(text), NODE.0, now, SystemTime::UNIX_EPOCH);
    }

    /// All that can be sent until then, each taken.
    fn send_all(events: &mut Events, mut now: Instant, until: Instant) -> Vec<Post> {
        let mut sent = Vec::new();
        while let Some(due) = events.due(now).filter(|due| *due <= until) {
            now = due;
            let post = events.take(NODE, now).unwrap();
            events.landed(&post, Sent::Taken, now);
            sent.push(post);
        }
        sent
    }

    #[test]
    fn the_same_news_again_only_count() {
        let (mut events, begin) = (Events::default(), Instant::now());
        for second in 0..600 {
            note(&mut events, "ill", begin + Duration::from_secs(second));
        }
        let sent = send_all(&mut events, begin + Duration::from_secs(600), begin + HOUR);
        assert_eq!(sent.len(), 1);
        assert!(sent[0].is_new);
        assert_eq!(sent[0].body["series"]["count"], 600);
        note(&mut events, "ill", begin + Duration::from_secs(700));
        let sent = send_all(&mut events, begin + Duration::from_secs(700), begin + HOUR);
        assert_eq!(sent.len(), 1);
        assert!(!sent[0].is_new);
        assert_eq!(sent[0].body["series"]["count"], 601);
        // Long after, it is news again.
        note(&mut events, "ill", begin + HOUR);
        let sent = send_all(&mut events, begin + HOUR, begin + HOUR);
        assert!(sent[0].is_new && sent[0].body.get("series").is_none());
    }

    #[test]
    fn whatever_happens_so_many_are_sent_in_an_hour() {
        let (mut events, begin) = (Events::default(), Instant::now());
        let mut sent = 0;
        for second in 0..3600 {
            let now = begin + Duration::from_secs(second);
            for device in 0..40 {
                note(&mut events, &format!("{device} is ill for the {second}th time"), now);
            }
            sent += send_all(&mut events, now, now).len();
        }
        assert_eq!(sent, 20 + 119, "{sent} events in an hour");
        assert!(events.take_dropped() > 100_000);
        assert_eq!(events.take_dropped(), 0);
        assert!(events.open.len() <= REMEMBERED);
    }

    #[test]
    fn what_an_api_server_that_is_away_did_not_take_is_sent_when_it_is_back() {
        let (mut events, begin) = (Events::default(), Instant::now());
        note(&mut events, "ill", begin);
        let mut now = begin;
        let mut pauses = Vec::new();
        for _attempt in 0..4 {
            let due = events.due(now).unwrap();
            pauses.push((due - now).as_secs());
            now = due;
            let post = events.take(NODE, now).unwrap();
            assert!(post.is_new);
            events.landed(&post, Sent::Away, now);
        }
        assert_eq!(pauses, [0, 5, 10, 20]);
        let sent = send_all(&mut events, now, now + HOUR);
        assert_eq!(sent.len(), 1);
        assert!(sent[0].is_new);
    }

    #[test]
    fn an_event_that_is_refused_holds_no_other_up() {
        let (mut events, now) = (Events::default(), Instant::now());
        note(&mut events, "a", now);
        note(&mut events, "b", now);
        let first = events.take(NODE, now).unwrap();
        events.landed(&first, Sent::Refused, now);
        let second = events.take(NODE, now).unwrap();
        assert_ne!(first.news, second.news);
        events.landed(&second, Sent::Forbidden, now);
        assert_eq!(events.due(now), None);
        note(&mut events, "c", now);
        assert_eq!(events.due(now), Some(now + REFUSED));
    }
}
