//! What the matrix prints: for each point the system call's number, what it was, and the outcomes.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Instant;

/// The lines so far.
#[derive(Debug)]
pub struct Report {
    title: String,
    since: Instant,
    runs: usize,
    failures: Vec<String>,
}

impl Report {
    /// An empty one.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            since: Instant::now(),
            runs: 0,
            failures: Vec::new(),
        }
    }

    /// Prints the line of one point, with the outcome of each run at it.
    pub fn line(&mut self, head: &str, point: &dyn Display, runs: &[(String, Result<(), String>)]) {
        let before = self.failures.len();
        let mut text = format!("{head:<12} {point:<46} ");
        for (name, outcome) in runs {
            self.runs += 1;
            let word = if outcome.is_ok() { "ok" } else { "FAILED" };
            text.extend([" ", name, ": ", word, ";"]);
            if let Err(problem) = outcome {
                self.failures.push(format!("{head} {point}, {name}: {problem}"));
            }
        }
        say(text.trim_end_matches(';'));
        for failure in &self.failures[before..] {
            say(&format!("    {failure}"));
        }
    }

    /// Prints the sum, and fails the test where a run failed.
    #[track_caller]
    pub fn finish(self) {
        let Self {
            title,
            since,
            runs,
            failures,
        } = self;
        let seconds = since.elapsed().as_secs();
        say(&format!("{title}: {runs} runs, {} failed, {seconds} s", failures.len()));
        assert!(failures.is_empty(), "{}:\n{}", title, failures.join("\n"));
        assert!(runs > 0, "{title}: nothing ran");
    }
}

/// Past libtest, which keeps what `println` prints of a test that passes.
fn say(line: &str) {
    drop(writeln!(io::stdout().lock(), "{line}"));
}
