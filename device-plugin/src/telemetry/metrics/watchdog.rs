//! Whether the daemon's main loop still answers.
//!
//! It is asked when somebody wants to know, and answers between two things that it does: no timer runs for it, and an idle
//! daemon stays asleep.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Asks the main loop.
#[derive(Debug, Clone)]
pub struct Watchdog(mpsc::Sender<oneshot::Sender<()>>);

/// The main loop's end.
#[derive(Debug)]
pub struct Pulse(mpsc::Receiver<oneshot::Sender<()>>);

/// Both ends.
pub fn watchdog() -> (Watchdog, Pulse) {
    let (ask, asked) = mpsc::channel(1);
    (Watchdog(ask), Pulse(asked))
}

// === impl Watchdog ===

impl Watchdog {
    /// Whether the main loop answers within `bound`.
    pub async fn is_alive(&self, bound: Duration) -> bool {
        let asked = async {
            let (answer, answered) = oneshot::channel();
            self.0.send(answer).await.ok()?;
            answered.await.ok()
        };
        timeout(bound, asked).await.is_ok_and(|answer| answer.is_some())
    }
}

// === impl Pulse ===

impl Pulse {
    /// Waits until somebody asks, and answers. A branch of the main loop's `select!`: nothing is lost if it is dropped
    /// before it is done.
    pub async fn beat(&mut self) {
        match self.0.recv().await {
            // Whoever asked may have stopped waiting.
            Some(asked) => drop(asked.send(())),
            None => std::future::pending().await,
        }
    }
}
