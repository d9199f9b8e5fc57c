//! Running the node's own programs.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn output(words: &[&str]) -> Output {
    let (program, arguments) = words.split_first().expect("a program");
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// Runs a program to success and returns its stdout.
#[track_caller]
pub fn run(words: &[&str]) -> String {
    let output = output(words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {}: {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether a program succeeds.
pub fn succeeds(words: &[&str]) -> bool {
    output(words).status.success()
}

/// Waits for something that the kernel does in its own time and tells nobody of.
#[track_caller]
pub fn wait_until(problem: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{problem}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
