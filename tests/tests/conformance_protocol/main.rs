//! The protocol: environment, stdin, versions, and what comes back, before any device is looked at.
//!
//! What fails here must leave host, pod and journal alone; texts are those that runtimes and people know from the
//! reference.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod configuration;
mod environment;
mod netns;
mod output;
mod versions;

use std::thread;
use std::time::{Duration, Instant};

use hardwire_tests::plugin::{Call, Outcome};
use serde_json::{Value, json};

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const SUPPORTED: &str = r#"plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#;

const SAME_NETNS: &str = "plugin's netns and netns from CNI_NETNS should not be the same";

/// Asserts code and msg of a call that fails, and returns its details.
#[track_caller]
fn fails(call: &Call, code: u32, msg: &str) -> Value {
    let error = call.run().error();
    assert_eq!((&error["code"], &error["msg"]), (&json!(code), &json!(msg)), "{error}");
    error["details"].clone()
}

/// Waits for the end of a call that must not wait for anything.
#[track_caller]
fn ends_by_itself(mut child: std::process::Child) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().expect("the plugin").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("the plugin");
            panic!("it waits");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Outcome::of(child)
}
