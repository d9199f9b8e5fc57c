//! What is printed: for people (`text`), for programs (`json`); `wrap` and `when` are theirs.

pub mod json;
pub mod text;
pub mod when;
pub mod wrap;

use std::time::SystemTime;

use serde::Serialize;

use super::facts::unseen::Unseen;
use super::finding::{Finding, Severity};
use crate::commands::terminal::Paint;

/// All that is told.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The node's name.
    pub node: &'a str,
    /// When it was looked at.
    pub now: SystemTime,
    /// What is wrong, causes on top.
    pub findings: &'a [Finding],
    /// What could not be seen.
    pub unseen: &'a [Unseen],
    /// What was mended before.
    pub fixes: &'a [Fixed],
    /// How it is shown.
    pub paint: Paint,
}

/// What the daemon was asked to mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fixed {
    /// What.
    pub fix: String,
    /// Whether it is done.
    pub done: bool,
    /// The daemon's words.
    pub said: String,
}

// === impl Report ===

impl Report<'_> {
    /// The worst of all.
    pub fn worst(&self) -> Option<Severity> {
        let all = self.findings.iter().flat_map(Finding::all);
        all.map(|finding| finding.severity).max()
    }
}
