//! A NAD is written by a tenant: what its text must not reach, and how much of it is read.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod bounds;
mod device_info;
mod log_file;
mod names;
mod text;

use hardwire_cni::printable::printable;
use hardwire_tests::plugin::Outcome;

/// What ends a line or an escape sequence somewhere, hides text, or turns the direction of writing.
const FORGED: &str = "x\nlevel=error msg=forged\r\u{1b}[2J\u{85}\u{2028}\u{202e}\u{2066}\u{7f}\u{9b}";

/// Every line that a call printed or logged can be seen as it is; stdout's texts once they are decoded.
#[track_caller]
fn all_is_seen(outcome: &Outcome, log: &str) {
    let error: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    let texts = [&error["msg"], &error["details"]].map(|text| text.as_str().unwrap_or_default());
    for line in outcome.stderr.lines().chain(log.lines()).chain(texts) {
        assert_eq!(printable(line), line, "{outcome:?}");
        assert!(!line.starts_with("level=error"), "{outcome:?}");
    }
    let raw = [outcome.stderr.as_str(), log].concat();
    assert!(
        !raw.contains(['\u{85}', '\u{2028}', '\u{202e}', '\u{1b}', '\r']),
        "{raw:?}"
    );
}
