//! Times as the API writes them: RFC 3339, in UTC.

use std::time::SystemTime;

use k8s_openapi::jiff::Timestamp;

/// `metav1.Time`: whole seconds.
pub(super) fn seconds(at: SystemTime) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metav1.MicroTime`, which the API takes with six digits only.
pub(super) fn micros(at: SystemTime) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A clock that no calendar has a day for is set to its beginning.
fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_have_the_digits_that_the_api_takes() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_764_201_600, 1_000);
        assert_eq!(seconds(at), "2025-11-27T00:00:00Z");
        assert_eq!(micros(at), "2025-11-27T00:00:00.000001Z");
        assert_eq!(micros(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }
}
