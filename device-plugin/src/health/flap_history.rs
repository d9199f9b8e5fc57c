//! A device that keeps changing its mind.
//!
//! The kubelet shows each change of health in the status of pods; one that comes back only to go again is kept away until it
//! has been well for a while.

use std::time::Duration;

use tokio::time::Instant;

/// So many flaps within the window are too many.
const FALLS: usize = 4;
/// How long a fall counts.
const WINDOW: Duration = Duration::from_secs(30);
/// How long it must have been well then.
const CALM: Duration = Duration::from_secs(10);

/// When a device fell ill of late.
#[derive(Debug, Clone, Default)]
pub struct FlapHistory {
    at: Vec<Instant>,
    /// Since when it has been well.
    well: Option<Instant>,
}

// === impl FlapHistory ===

impl FlapHistory {
    /// Takes note of how it is now.
    pub fn note(&mut self, is_well: bool, now: Instant) {
        self.at.retain(|fall| *fall + WINDOW > now);
        match (is_well, self.well) {
            (true, None) => self.well = Some(now),
            (false, Some(_)) => {
                self.well = None;
                self.at.push(now);
                if self.at.len() > FALLS {
                    self.at.remove(0);
                }
            }
            _ => {}
        }
    }

    /// Until when it is kept away although it is well now; `None` if it is not.
    pub fn kept_until(&self, now: Instant) -> Option<Instant> {
        let until = self.well? + CALM;
        (self.at.len() >= FALLS && until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_falls_keep_it_away_until_it_is_calm() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut flaps = FlapHistory::default();
        flaps.note(true, at(0));
        for n in 0..3 {
            flaps.note(false, at(2 * n + 1));
            flaps.note(true, at(2 * n + 2));
            assert_eq!(flaps.kept_until(at(2 * n + 2)), None);
        }
        flaps.note(false, at(7));
        flaps.note(true, at(8));
        assert_eq!(flaps.kept_until(at(8)), Some(at(18)));
        flaps.note(true, at(18));
        assert_eq!(flaps.kept_until(at(18)), None);
        flaps.note(false, at(60));
        flaps.note(true, at(61));
        assert_eq!(flaps.kept_until(at(61)), None, "the old ones are forgotten");
    }
}
