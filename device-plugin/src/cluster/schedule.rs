//! When the object is written: a moment after it changed, never twice within ten seconds, ever more seldom while it changes
//! all the time, and, where the API server does not take it, ever later.
//!
//! The clock and the dice are the caller's. Dice are numbers from 0 to 1: the nodes of a cluster see the same API server come
//! back, and are not to write in the same moment.

use std::time::Duration;

use tokio::time::Instant;

use crate::events::backoff::Backoff;

/// What changes together is written together.
const SETTLE: Duration = Duration::from_secs(1);
/// The first write of each daemon of a cluster that is rolled out is spread over this.
const FIRST_SPREAD: Duration = Duration::from_secs(10);
/// And the writes of a cluster that changes.
const SPREAD: Duration = Duration::from_secs(4);
/// Between writes: at least, and at most while it goes on changing.
pub const PACE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// Without a change for so long, the next one is written soon.
const CALM: Duration = Duration::from_secs(60);
/// Until an API server is tried again that cannot be reached.
const AWAY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Until one is tried again that says no, which changes with its definitions and roles.
const REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It is written.
    Written,
    /// It is written already.
    Same,
    /// The API server cannot be reached, or has too much to do, and is to be left alone for so long.
    Away(Duration),
    /// It says no.
    Refused,
}

/// When to write.
#[derive(Debug)]
pub struct Schedule {
    /// When what changed is to be written.
    due: Option<Instant>,
    /// The last attempt.
    last: Option<Instant>,
    /// Between that and the next.
    gap: Duration,
    tempo: Tempo,
    pace: Backoff,
    away: Backoff,
    refused: Backoff,
}

/// How soon what changed is written.
#[derive(Debug, Clone, Copy)]
struct Tempo {
    /// After a change.
    settle: Duration,
    /// The first write is spread over this.
    first_spread: Duration,
    /// And later ones over that.
    spread: Duration,
    /// Between writes.
    pace: (Duration, Duration),
    /// Until an API server is tried again that cannot be reached.
    away: (Duration, Duration),
}

// === impl Tempo ===

impl Tempo {
    /// Of what people look at.
    const CALM: Self = Self {
        settle: SETTLE,
        first_spread: FIRST_SPREAD,
        spread: SPREAD,
        pace: PACE,
        away: AWAY,
    };
    /// Of what pods wait for. Where nothing changed, it is not written.
    const QUICK: Self = Self {
        settle: Duration::from_millis(200),
        first_spread: Duration::ZERO,
        spread: Duration::ZERO,
        pace: (Duration::from_secs(1), Duration::from_secs(20)),
        away: (Duration::from_secs(1), Duration::from_secs(60)),
    };
}

// === impl Schedule ===

impl Default for Schedule {
    fn default() -> Self {
        Self::with(Tempo::CALM)
    }
}

impl Schedule {
    /// For what pods wait for.
    pub fn quick() -> Self {
        Self::with(Tempo::QUICK)
    }

    fn with(tempo: Tempo) -> Self {
        Self {
            due: None,
            last: None,
            gap: Duration::ZERO,
            tempo,
            pace: Backoff::between(tempo.pace.0, tempo.pace.1),
            away: Backoff::between(tempo.away.0, tempo.away.1),
            refused: Backoff::between(REFUSED.0, REFUSED.1),
        }
    }

    /// It may be another one now.
    pub fn on_change(&mut self, now: Instant, dice: f64) {
        if self.last.is_some_and(|last| last + CALM <= now) {
            self.pace.reset();
        }
        let over = if self.last.is_some() {
            self.tempo.spread
        } else {
            self.tempo.first_spread
        };
        let soon = now + self.tempo.settle + over.mul_f64(dice.clamp(0.0, 1.0));
        // Nothing that changes here brings back an API server that is away, or changes its mind.
        if self.due.is_none() {
            self.due = Some(self.last.map_or(soon, |last| soon.max(last + self.gap)));
        }
    }

    /// When to write; none while nothing changed.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It is being written, as it is now.
    pub fn begin(&mut self) {
        self.due = None;
    }

    /// An attempt has ended.
    pub fn end(&mut self, attempt: Attempt, now: Instant, dice: f64) {
        // Half of it at least, one and a half at most.
        let spread = |pause: Duration| pause.mul_f64(0.5 + dice.clamp(0.0, 1.0));
        match attempt {
            // The spread of the beginning is over.
            Attempt::Same => {
                self.last.get_or_insert(now);
                return;
            }
            _ => self.last = Some(now),
        }
        match attempt {
            Attempt::Written => {
                self.gap = self.pace.pause();
                self.away.reset();
                self.refused.reset();
                // It changed while it was being written.
                self.due = self.due.map(|due| due.max(now + self.gap));
            }
            Attempt::Away(at_least) => self.due = Some(now + at_least.max(spread(self.away.pause().max(at_least)))),
            Attempt::Refused => self.due = Some(now + spread(self.refused.pause())),
            Attempt::Same => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// The times of attempts within an hour, if a change comes every `between`.
    fn attempts(between: Duration, dice: f64, mut come_to: impl FnMut(Duration) -> Attempt) -> Vec<Duration> {
        let begin = Instant::now();
        let (mut schedule, mut times) = (Schedule::default(), Vec::new());
        let mut change = begin;
        while change < begin + HOUR {
            if schedule.due().is_some_and(|due| due <= change) {
                let at = schedule.due().unwrap();
                schedule.begin();
                times.push(at - begin);
                schedule.end(come_to(at - begin), at, dice);
            } else {
                schedule.on_change(change, dice);
                change += between;
            }
        }
        times
    }

    #[test]
    fn two_writes_are_ten_seconds_apart_and_thirty_while_it_changes_all_the_time() {
        for dice in [0.0, 0.5, 1.0] {
            let times = attempts(Duration::from_millis(100), dice, |_| Attempt::Written);
            let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
            assert!(gaps.iter().all(|gap| *gap >= PACE.0), "{gaps:?}");
            assert!((110..=122).contains(&times.len()), "{} writes in an hour", times.len());
        }
    }

    #[test]
    fn after_a_calm_the_next_change_is_written_soon() {
        let mut schedule = Schedule::default();
        let mut now = Instant::now();
        for _write in 0..5 {
            schedule.on_change(now, 0.0);
            now = schedule.due().unwrap();
            schedule.begin();
            schedule.end(Attempt::Written, now, 0.0);
        }
        now += CALM;
        schedule.on_change(now, 0.0);
        assert_eq!(schedule.due(), Some(now + SETTLE));
        schedule.begin();
        schedule.end(Attempt::Written, now, 0.0);
        schedule.on_change(now + SETTLE, 0.0);
        assert_eq!(schedule.due(), Some(now + PACE.0), "the pace began anew");
    }

    #[test]
    fn an_api_server_that_is_away_is_tried_ever_later_up_to_a_bound() {
        let times = attempts(Duration::from_secs(1), 0.5, |_| Attempt::Away(Duration::ZERO));
        let gaps: Vec<u64> = times
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]).as_secs())
            .collect();
        assert_eq!(gaps[..7], [5, 10, 20, 40, 80, 160, 300]);
        assert!(gaps[7..].iter().all(|gap| *gap == 300), "{gaps:?}");
    }

    #[test]
    fn an_api_server_that_says_when_is_not_asked_before() {
        for dice in [0.0, 0.5, 1.0] {
            let (mut schedule, now) = (Schedule::default(), Instant::now());
            let minute = Duration::from_secs(60);
            schedule.end(Attempt::Away(minute), now, dice);
            let due = schedule.due().unwrap();
            assert!(due >= now + minute && due <= now + minute * 3 / 2, "{dice}");
        }
    }

    #[test]
    fn one_that_says_no_is_asked_slowly_however_much_changes() {
        let times = attempts(Duration::from_secs(1), 0.5, |_| Attempt::Refused);
        assert_eq!(times.len(), 9, "{times:?} within an hour");
        let mut schedule = Schedule::default();
        let mut now = Instant::now();
        schedule.on_change(now, 0.0);
        let mut gaps = Vec::new();
        for _attempt in 0..8 {
            let due = schedule.due().unwrap();
            gaps.push((due - now).as_secs());
            now = due;
            schedule.begin();
            schedule.end(Attempt::Refused, now, 0.5);
        }
        assert_eq!(gaps, [1, 60, 120, 240, 480, 600, 600, 600]);
        schedule.on_change(now + Duration::from_secs(1), 0.0);
        assert_eq!(schedule.due(), Some(now + REFUSED.1));
    }

    #[test]
    fn what_is_written_already_is_no_write() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        schedule.on_change(now, 0.0);
        schedule.begin();
        schedule.end(Attempt::Same, now, 0.0);
        assert_eq!(schedule.due(), None);
        schedule.on_change(now, 0.0);
        assert_eq!(schedule.due(), Some(now + SETTLE));
    }
}
