//! What the pools say about their devices, left for the plugin, and told to who answers it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hardwire_cni::entitlement::CHECKPOINT;
use hardwire_cni::node::{Policies, PoolPolicy};
use tokio::sync::watch;
use tracing::warn;

use super::lists::PoolList;

/// What the file says, or would if it could be written.
#[derive(Debug)]
pub(super) struct WrittenPolicies {
    told: watch::Sender<Arc<Policies>>,
    checkpoint: PathBuf,
    /// It is in the file.
    is_written: bool,
}

// === impl WrittenPolicies ===

impl WrittenPolicies {
    /// Nothing is written yet. `device_plugin_dir` is the kubelet's.
    pub(super) fn new(told: watch::Sender<Arc<Policies>>, device_plugin_dir: &Path) -> Self {
        Self {
            told,
            checkpoint: device_plugin_dir.join(CHECKPOINT),
            is_written: false,
        }
    }

    /// Writes the file, if it says something else than before; nowhere if there is no `path`.
    pub(super) fn write(&mut self, path: Option<&Path>, lists: &[PoolList]) {
        let policies = Policies {
            version: Policies::VERSION,
            checkpoint: self.checkpoint.clone(),
            pools: lists.iter().map(policy).collect(),
        };
        let is_news = **self.told.borrow() != policies;
        if !is_news && self.is_written {
            return;
        }
        if let Some(path) = path {
            let written = policies.write(path);
            self.is_written = written.is_ok();
            if let Err(error) = written {
                let path = path.display();
                warn!("{path}: what the plugin should know of the pools is not written: {error}");
            }
        }
        if is_news {
            self.told.send_replace(Arc::new(policies));
        }
    }
}

fn policy(list: &PoolList) -> PoolPolicy {
    let attachment = &list.pool.attachment;
    PoolPolicy {
        resource: list.pool.resource.to_string(),
        require_allocation: attachment.require_allocation,
        allow: attachment.allow.clone(),
        attach: attachment.by,
        network: attachment.network.clone(),
        interface: attachment.interface.clone(),
        devices: list.entries.keys().cloned().collect(),
    }
}
