//! What the daemon tells of itself: logs, metrics, probes, and what the CNI plugin reports of its calls.

pub mod logging;
pub mod metrics;
pub mod reports;
