//! DEL, which works whatever is missing, and CHECK, which really checks.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod check;
mod check_kept;
mod check_tolerance;
mod del;
mod del_failures;
mod del_late;

use serde_json::{Value, json};

fn merged(one: &Value, other: &Value) -> Value {
    let mut all = one.clone();
    for (key, value) in other.as_object().expect("an object") {
        all[key] = value.clone();
    }
    all
}

/// What `static` gives in the tests of CHECK.
fn checked_ipam() -> Value {
    json!({
        "type": "static",
        "addresses": [{"address": "10.60.0.5/24", "gateway": "10.60.0.1"}, {"address": "fd60::5/64"}],
        "routes": [{"dst": "10.91.0.0/16"}, {"dst": "10.92.0.0/16", "gw": "10.60.0.9"}, {"dst": "fd91::/64", "gw": "fd60::9"}],
    })
}
