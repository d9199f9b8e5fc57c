//! What could not be seen from where doctor runs: nothing is concluded from it.

use serde::Serialize;

/// A witness that could not be heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// What is not known.
    pub what: String,
    /// Why.
    pub why: String,
    /// How to see it.
    pub how: String,
}

// === impl Unseen ===

impl Unseen {
    /// What is not known, why, and how to see it.
    pub fn new(what: impl Into<String>, why: impl Into<String>, how: impl Into<String>) -> Self {
        let (what, why, how) = (what.into(), why.into(), how.into());
        Self { what, why, how }
    }
}
