//! Which pools the kubelet knows and listens to.

use std::collections::BTreeMap;

use crate::config::ResourceName;

/// Where each pool is with the kubelet.
#[derive(Debug, Default)]
pub struct Readiness {
    /// Whether all pools of the configuration are being served.
    pub started: bool,
    /// Why it is not known who holds what.
    pub unheard: Option<String>,
    /// By resource.
    pools: BTreeMap<String, Pool>,
}

/// Where a pool is with the kubelet.
#[derive(Debug, Default)]
pub struct Pool {
    /// Whether the kubelet took its registration, and did not lose it since.
    pub registered: bool,
    /// Its open `ListAndWatch` streams.
    pub streams: usize,
}

// === impl Readiness ===

impl Readiness {
    /// A pool, which is known from now on.
    pub fn pool(&mut self, resource: &ResourceName) -> &mut Pool {
        self.pools.entry(resource.to_string()).or_default()
    }

    /// A pool is gone.
    pub fn forget(&mut self, resource: &ResourceName) {
        self.pools.remove(&resource.to_string());
    }

    /// What is not as it should be, and keeps no pool from being served.
    pub fn notes(&self) -> Vec<String> {
        let unheard = self.unheard.iter();
        unheard
            .map(|because| {
                format!("devices are offered, and none is compared with its idle state or put right: {because}")
            })
            .collect()
    }

    /// What is missing until everything is ready, one line each.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.started {
            missing.push("starting: not all pools are served yet".to_owned());
        }
        for (resource, pool) in &self.pools {
            if !pool.registered {
                missing.push(format!("{resource}: not registered with the kubelet"));
            } else if pool.streams == 0 {
                missing.push(format!(
                    "{resource}: registered, but the kubelet has no ListAndWatch stream open"
                ));
            }
        }
        missing
    }
}
