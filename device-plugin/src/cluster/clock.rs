//! Times as the API writes them: RFC 3339, in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
/// A clock that is beyond what four digits of a year can say is set to the end of that.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// `metav1.Time`: whole seconds.
pub(super) fn seconds(at: SystemTime) -> String {
    format!("{}Z", to_the_second(since_1970(at)))
}

/// `metav1.MicroTime`, which the API takes with six digits only.
pub(super) fn micros(at: SystemTime) -> String {
    let since = since_1970(at);
    format!("{}.{:06}Z", to_the_second(since), since.subsec_micros())
}

fn since_1970(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().min(LAST)
}

fn to_the_second(since: Duration) -> String {
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Of a day since 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_digits_that_the_api_takes() {
        let at = UNIX_EPOCH + Duration::new(1_764_201_600, 1_000);
        assert_eq!(seconds(at), "2025-11-27T00:00:00Z");
        assert_eq!(micros(at), "2025-11-27T00:00:00.000001Z");
        assert_eq!(micros(UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |second| seconds(UNIX_EPOCH + Duration::from_secs(second));
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(978_307_199), "2000-12-31T23:59:59Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(at(u64::MAX >> 4), "9999-12-31T23:59:59Z");
    }
}
