//! The task that tells the cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hardwire_pci::Sysfs;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::sleep;
use tracing::warn;

use super::access::{KubeAccess, node_name};
use super::claims::{Status, answer};
use super::conversation::Conversation;
use super::line::Line;
use super::memory::Memory;
use super::program::Program;
use super::slices::publishing::Publishing;
use super::sources::Sources;
use crate::dra::{AboutClaim, Claimable};
use crate::events::backoff::Backoff;
use crate::ledger::claims::Prepared;

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
    /// What is told of claims, and asked of them.
    pub claimed: Claimed,
}

/// The parts of the daemon that are about claims.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Which devices claims may have.
    pub claimable: watch::Receiver<Arc<Claimable>>,
    /// Counts how often the kubelet took the driver.
    pub taken: watch::Receiver<u64>,
    /// Which devices claims have.
    pub prepared: watch::Receiver<Arc<Prepared>>,
    /// The tree that devices are read from.
    pub sysfs: Sysfs,
    /// Questions about claims.
    pub questions: Arc<Mutex<mpsc::Receiver<AboutClaim>>>,
}

// === impl Telling ===

impl Telling {
    /// Tells the cluster until it is dropped.
    pub async fn run(self) {
        let node = node().await;
        let (line, requests) = Line::new();
        let program = Program::new(&self.access.to_string(), &node);
        let memory = Memory::at(self.state.as_deref());
        let Claimed {
            claimable,
            taken,
            prepared,
            sysfs,
            questions,
        } = self.claimed;
        let told = self.sources.told.clone();
        let slices = Publishing::new(line.clone(), node.clone(), sysfs, claimable, taken);
        let status = Status::new(line.clone(), prepared, told);
        let conversation = Conversation::new(line.clone(), node, self.sources, memory, self.checkpoint);
        tokio::select! {
            never = program.keep(requests) => match never {},
            () = conversation.run() => {}
            () = slices.run() => {}
            () = status.run() => {}
            () = answer(&line, &questions) => {}
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
