//! Medians, and the alternation of contestants.

use std::time::Duration;

/// The middle one, or the mean of both middle ones.
pub fn median(samples: &[Duration]) -> Duration {
    quantile(samples, 0.5)
}

/// The value below which this part of the samples is, between two samples in proportion.
pub fn quantile(samples: &[Duration], part: f64) -> Duration {
    assert!(!samples.is_empty(), "no samples");
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let last = u32::try_from(sorted.len() - 1).expect("fewer samples");
    let mut position = f64::from(last) * part;
    for pair in sorted.windows(2) {
        if position < 1.0 {
            return pair[0].mul_f64(1.0 - position) + pair[1].mul_f64(position);
        }
        position -= 1.0;
    }
    sorted[sorted.len() - 1]
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// How many times `b` fits into `a`.
pub fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

/// The turn of a round: each contestant begins as often as another, and follows each other as often.
pub fn turn(contestants: usize, round: usize) -> impl Iterator<Item = usize> {
    let backwards = round / contestants % 2 == 1;
    let places = (0..contestants).map(move |n| if backwards { contestants - 1 - n } else { n });
    places.map(move |n| (n + round) % contestants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        let samples = |millis: &[u64]| millis.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(median(&samples(&[9, 1, 5])), Duration::from_millis(5));
        assert_eq!(median(&samples(&[4, 1, 2, 100])), Duration::from_millis(3));
        assert_eq!(quantile(&samples(&[0, 10, 20]), 0.75), Duration::from_millis(15));
    }

    #[test]
    fn each_contestant_begins_in_its_turn() {
        assert_eq!(turn(3, 1).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(turn(3, 4).collect::<Vec<_>>(), [0, 2, 1]);
    }
}
