//! The task that tells the cluster.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;
use tracing::warn;

use super::access::{KubeAccess, node_name};
use super::conversation::Conversation;
use super::line::Line;
use super::memory::Memory;
use super::program::Program;
use super::sources::Sources;
use crate::events::backoff::Backoff;

/// Pauses before the node's name is looked for again.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// What the task needs.
#[derive(Debug, Clone)]
pub struct Telling {
    /// Where the API is.
    pub access: KubeAccess,
    /// What it tells.
    pub sources: Sources,
    /// Where it keeps what it told; none where nothing is kept.
    pub state: Option<PathBuf>,
    /// Where the kubelet keeps which pod has which device.
    pub checkpoint: PathBuf,
}

// === impl Telling ===

impl Telling {
    /// Tells the cluster until it is dropped.
    pub async fn run(self) {
        let node = node().await;
        let (line, requests) = Line::new();
        let program = Program::new(&self.access.to_string(), &node);
        let memory = Memory::at(self.state.as_deref());
        let conversation = Conversation::new(line, node, self.sources, memory, self.checkpoint);
        tokio::select! {
            never = program.keep(requests) => match never {},
            () = conversation.run() => {}
        }
    }
}

async fn node() -> String {
    let mut backoff = Backoff::between(RETRY.0, RETRY.1);
    let mut is_said = false;
    loop {
        match node_name() {
            Ok(node) => return node,
            Err(error) if !is_said => {
                warn!("the cluster is told nothing of this node, all else goes on, and it is tried again: {error}");
                is_said = true;
            }
            Err(_) => {}
        }
        sleep(backoff.pause()).await;
    }
}
