//! When to look after events: once they pause, but not later than a bound after the first, so that a flood delays nothing.

use std::time::Duration;

use tokio::time::Instant;

/// The pause that is waited for.
const QUIET: Duration = Duration::from_millis(50);
/// After the first event of a burst. With the look itself the kubelet's list follows well within 200 ms of the last one.
const LATEST: Duration = Duration::from_millis(150);

/// Events that no look followed yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Debounce(Option<(Instant, Instant)>);

// === impl Debounce ===

impl Debounce {
    /// Something happened.
    pub fn on_event(&mut self, now: Instant) {
        let first = self.0.map_or(now, |(first, _)| first);
        self.0 = Some((first, now));
    }

    /// When to look; `None` if nothing happened.
    pub fn due(&self) -> Option<Instant> {
        self.0.map(|(first, last)| (first + LATEST).min(last + QUIET))
    }

    /// Whether that is now; if so, it is done.
    pub fn take(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        if due {
            self.0 = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_follows_a_pause_or_the_bound() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut debounce = Debounce::default();
        assert_eq!(debounce.due(), None);
        assert!(!debounce.take(at(0)));
        debounce.on_event(at(0));
        assert_eq!(debounce.due(), Some(at(50)));
        debounce.on_event(at(40));
        assert_eq!(debounce.due(), Some(at(90)));
        assert!(!debounce.take(at(60)));
        for ms in (60..150).step_by(10) {
            debounce.on_event(at(ms));
        }
        assert_eq!(debounce.due(), Some(at(150)), "whatever flood comes");
        assert!(debounce.take(at(150)));
        assert_eq!(debounce.due(), None);
    }
}
