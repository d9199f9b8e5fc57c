//! The reference `host-device` beside ours on the same input: code, exit status and, where people depend on it, the text
//! are the same, but for the differences listed here, each with its reason.
//!
//! The reference is Debian's; `HARDWIRE_PEERS` names a folder with a newer one (`hack/peers` makes it),
//! which is then asked too.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod attachments;
mod errors;
mod ipam;
mod only_ours;

use std::path::{Path, PathBuf};

use hardwire_tests::binaries::peer;
use hardwire_tests::plugin::{Call, Outcome, REFERENCE_PLUGINS};
use serde_json::Value;

/// The reference plugins that are here, Debian's first.
fn references() -> Vec<PathBuf> {
    let debian = Path::new(REFERENCE_PLUGINS).join("host-device");
    let found: Vec<_> = std::iter::once(debian)
        .chain(peer("host-device"))
        .filter(|path| path.is_file())
        .collect();
    assert!(!found.is_empty(), "no host-device: install containernetworking-plugins");
    found
}

fn is_debians(reference: &Path) -> bool {
    reference.starts_with(REFERENCE_PLUGINS)
}

/// Code and text of a failure; `None`: it succeeded.
type Ending = Option<(u64, String)>;

/// How a call ended. The reference may print a result before its error.
#[track_caller]
fn ending(outcome: &Outcome) -> Ending {
    if outcome.status == 0 {
        return None;
    }
    let documents = serde_json::Deserializer::from_str(&outcome.stdout).into_iter::<Value>();
    let error = documents
        .filter_map(Result::ok)
        .find(|document| document.get("code").is_some())
        .unwrap_or_else(|| panic!("no error object: {outcome:?}"));
    Some((
        error["code"].as_u64().expect("a number"),
        error["msg"].as_str().expect("a text").to_owned(),
    ))
}

/// What is compared of a row.
#[derive(Clone, Copy)]
enum Same {
    /// Code and text.
    Text,
    /// Both, of a reference newer than Debian's: the reason.
    TextOfNewer(&'static str),
    /// The code: the text names a Go type, or an errno as Go spells it.
    Code,
    /// Neither: the reason, and how the reference and ours end (0 is success).
    No(&'static str, u64, u64),
}

struct Row {
    name: &'static str,
    call: Call,
    same: Same,
}

fn row(name: &'static str, call: Call, same: Same) -> Row {
    Row { name, call, same }
}

/// Makes each call with the reference and with ours.
#[track_caller]
fn compare(rows: &[Row]) {
    let mut wrong = Vec::new();
    for reference in references() {
        for Row { name, call, same } in rows {
            let theirs = ending(&call.clone().by(&reference).run());
            let ours = ending(&call.run());
            let code = |ending: &Ending| ending.as_ref().map_or(0, |(code, _)| *code);
            let right = match same {
                Same::Text => theirs == ours,
                Same::TextOfNewer(_) => theirs == ours || is_debians(&reference),
                Same::Code => code(&theirs) == code(&ours),
                Same::No(_, their_code, our_code) => (code(&theirs), code(&ours)) == (*their_code, *our_code),
            };
            if !right {
                let reason = if let Same::No(reason, ..) | Same::TextOfNewer(reason) = same {
                    reason
                } else {
                    ""
                };
                wrong.push(format!(
                    "{name} {reason}\n  {}: {theirs:?}\n  ours: {ours:?}",
                    reference.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ORDER: &str = "Debian's reports what is missing before what is invalid";
