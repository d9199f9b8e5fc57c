//! The task that tells the cluster.

use std::time::Duration;

use kube::Client;
use tokio::time::sleep;
use tracing::{info, warn};

use super::access::{AccessError, KubeAccess, node_name};
use super::conversation::Conversation;
use super::sources::Sources;
use crate::events::backoff::Backoff;

/// Pauses before a client is made again that could not be made.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

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
        let (client, node) = loop {
            match self.connect() {
                Ok(connected) => break connected,
                Err(error) if !is_said => {
                    warn!("the cluster is told nothing of this node, all else goes on, and it is tried again: {error}");
                    is_said = true;
                }
                Err(_the_same) => {}
            }
            sleep(backoff.pause()).await;
        };
        info!(node, "the cluster is told of this node's devices");
        Conversation::new(client, node, self.sources).run().await;
    }

    fn connect(&self) -> Result<(Client, String), AccessError> {
        let node = node_name()?;
        Ok((self.access.client()?, node))
    }
}
