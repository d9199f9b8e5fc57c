//! The task that tells the cluster.

use std::time::Duration;

use kube::Client;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::access::{AccessError, KubeAccess, node_name};
use super::conversation::Conversation;
use super::sources::Sources;
use crate::events::backoff::Backoff;

/// Pauses before a client is made again that could not be made.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// A client that is not made by then is told of.
const SLOW: Duration = Duration::from_secs(30);

/// What the task needs.
#[derive(Debug, Clone)]
pub struct Telling {
    /// Where the API is.
    pub access: KubeAccess,
    /// What it tells.
    pub sources: Sources,
}

// === impl Telling ===

impl Telling {
    /// Tells the cluster until it is dropped.
    pub async fn run(self) {
        let mut backoff = Backoff::between(RETRY.0, RETRY.1);
        let mut is_said = false;
        let mut say = |error: &str| {
            if !is_said {
                warn!("the cluster is told nothing of this node, all else goes on, and it is tried again: {error}");
            }
            is_said = true;
        };
        let (client, node) = loop {
            // A kubeconfig may name a program to be run, and both may be on a disk that hangs: not for the loop's thread.
            let access = self.access.clone();
            let mut connecting = spawn_blocking(move || connect(&access));
            let connected = loop {
                match timeout(SLOW, &mut connecting).await {
                    Ok(connected) => break connected,
                    Err(_elapsed) => say(&format!(
                        "{} is still being read, or its program still runs",
                        self.access
                    )),
                }
            };
            match connected {
                Ok(Ok(connected)) => break connected,
                Ok(Err(error)) => say(&error.to_string()),
                Err(error) => say(&error.to_string()),
            }
            sleep(backoff.pause()).await;
        };
        info!(node, "the cluster is told of this node's devices");
        Conversation::new(client, node, self.sources).run().await;
    }
}

fn connect(access: &KubeAccess) -> Result<(Client, String), AccessError> {
    let node = node_name()?;
    Ok((access.client()?, node))
}
