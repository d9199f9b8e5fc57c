//! What the daemon tells of itself: logs, metrics, probes, and what the CNI plugin reports of its calls.

pub mod logging;
pub mod metrics;
pub mod reports;

/// tonic's own text is "transport error", with the reason below it.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.dedup();
    texts.join(": ")
}
