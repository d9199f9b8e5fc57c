//! What was measured, as one part of the bench hands it to the report.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stats::{ms, ratio};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Samples of each contestant in a sequential figure.
    pub samples: usize,
    /// Rounds of a parallel figure.
    pub rounds: usize,
    /// ADDs of a storm.
    pub storm: usize,
    /// Rounds of the storm.
    pub storms: usize,
    /// How long a device manager is watched while it has nothing to do.
    pub idle: Duration,
}

impl Effort {
    /// What the figures are defined with.
    pub const FULL: Self = Self {
        samples: 200,
        rounds: 7,
        storm: 1000,
        storms: 3,
        idle: Duration::from_secs(60),
    };
    /// To try the bench out: its figures mean little.
    pub const QUICK: Self = Self {
        samples: 12,
        rounds: 2,
        storm: 200,
        storms: 1,
        idle: Duration::from_secs(5),
    };
}

/// Figures and what they are made of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    /// By the names that `figures` knows.
    pub figures: BTreeMap<String, f64>,
    /// What the floor would have in the place of ours, of those whose bar is that.
    #[serde(default)]
    pub possible: BTreeMap<String, f64>,
    /// Medians behind them, in milliseconds.
    pub milliseconds: BTreeMap<String, f64>,
    /// Latency against parallelism: by contestant, (parallel ADDs, median in milliseconds).
    pub curves: BTreeMap<String, Vec<(usize, f64)>>,
    /// What was left out and why, and what else a reader must know.
    pub notes: Vec<String>,
}

impl Measured {
    /// Adds a figure.
    pub fn figure(&mut self, name: impl Into<String>, value: f64) {
        self.figures.insert(name.into(), value);
    }

    /// Adds how often a peer's time is ours, and how often it is the floor's.
    pub fn against(&mut self, name: &str, peer: Duration, ours: Duration, floor: Duration) {
        self.figure(name, ratio(peer, ours));
        self.possible.insert(name.to_owned(), ratio(peer, floor));
    }

    /// Adds a time.
    pub fn time(&mut self, name: impl Into<String>, value: Duration) {
        self.milliseconds.insert(name.into(), ms(value));
    }

    /// Adds a point of a curve.
    pub fn point(&mut self, contestant: &str, parallel: usize, value: Duration) {
        let curve = self.curves.entry(contestant.to_owned()).or_default();
        curve.push((parallel, ms(value)));
    }

    /// Adds a line for the reader.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Takes another part in.
    pub fn join(&mut self, other: Self) {
        self.figures.extend(other.figures);
        self.possible.extend(other.possible);
        self.milliseconds.extend(other.milliseconds);
        self.curves.extend(other.curves);
        self.notes.extend(other.notes);
    }
}
