//! Which pools the kubelet knows and listens to, what of the configuration is not in force, what cannot be learnt, and what
//! makes the daemon of no use at all.
//!
//! Not ready is what others have to change or to wait for; not alive is what only a new process cures.
//!
//! A refused pool keeps nobody from being ready: the others serve, and a node that is never ready would stop the rollout of
//! a configuration that is good for the other nodes. It is told beside the answer.

use std::collections::BTreeMap;

use hardwire_cni::printable::printable;

use crate::config::ResourceName;

/// Where each pool is with the kubelet.
#[derive(Debug, Default)]
pub struct Readiness {
    /// Whether all pools of the configuration are being served.
    pub started: bool,
    /// Why the kubelet does not tell who holds what.
    pub unheard: Option<String>,
    /// Why the journal does not tell what is attached.
    pub journal: Option<String>,
    /// Why the address of the metrics is not had.
    pub address: Option<String>,
    /// Why our entry is not in the default network's list.
    pub chain: Option<String>,
    /// Why nobody attaches the devices of chained pools.
    pub unattached: Option<String>,
    /// Why the driver of claims is not registered.
    pub driver: Option<String>,
    /// Why the plugin does not know what the pools say.
    pub policies: Option<String>,
    /// What is not as configured of PFs, a line each.
    pub provisioning: Vec<String>,
    /// Why a new process is needed.
    pub dead: Vec<String>,
    /// By resource.
    pools: BTreeMap<String, Pool>,
    /// Pools of the configuration in force that are not run: which, and why.
    pub refused: Vec<String>,
    /// Why the file as it is now is not in force.
    pub bad_file: Option<String>,
}

/// Where a pool is with the kubelet.
#[derive(Debug, Default)]
pub struct Pool {
    /// Whether the kubelet took its registration, and did not lose it since.
    pub registered: bool,
    /// Its open `ListAndWatch` streams.
    pub streams: usize,
}

/// How the daemon is, for those who show it; each line for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Pools that the kubelet does not know, or does not listen to.
    pub unregistered: Vec<String>,
    /// Pools of the configuration in force that are not run.
    pub refused: Vec<String>,
    /// Why the configuration's file as it is now is not in force.
    pub bad_file: Option<String>,
    /// What cannot be learnt, or has ended.
    pub degraded: Vec<String>,
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

    /// All of it, sorted by what it is about.
    pub fn standing(&self) -> Standing {
        let unheard = self.unheard.iter().filter(|_| !self.is_kubelet_away());
        let degraded = unheard.chain(&self.journal).chain(&self.address).chain(&self.dead);
        let printed = |line: &String| printable(line).into_owned();
        Standing {
            unregistered: self.not_registered(),
            refused: self.refused.iter().map(printed).collect(),
            bad_file: self.bad_file.as_ref().map(printed),
            degraded: degraded.map(printed).collect(),
        }
    }

    /// Of a kubelet that is not there, no more can be expected.
    fn is_kubelet_away(&self) -> bool {
        !self.pools.is_empty() && self.pools.values().all(|pool| !pool.registered)
    }

    /// What is not as it should be, and keeps no pool from being served.
    pub fn notes(&self) -> Vec<String> {
        let kubelet_is_away = self.is_kubelet_away();
        let unheard = self.unheard.iter().filter(|_| !kubelet_is_away).map(|because| {
            format!("devices are offered, and none is compared with its idle state or put right: {because}")
        });
        let journal = self.journal.iter().map(|because| {
            format!("devices are offered, and none is compared with its idle state or put right: {because}")
        });
        let refused = self.refused.iter().map(|refused| format!("pool refused: {refused}"));
        let bad_file = self.bad_file.iter();
        let bad_file = bad_file.map(|why| format!("configuration refused: {why}; the one before stays in force"));
        let policies = self.policies.iter();
        let policies = policies.map(|why| format!("a network gets whichever device it names: {why}"));
        let provisioning = self.provisioning.iter().cloned();
        let notes = unheard.chain(journal).chain(refused).chain(bad_file).chain(policies);
        let notes = notes.chain(provisioning);
        notes.map(|line| printable(&line).into_owned()).collect()
    }

    /// Resources that the kubelet does not know, or does not listen to.
    pub fn unregistered(&self) -> Vec<String> {
        let lost = |(resource, pool): (&String, &Pool)| {
            let is_known = pool.registered && pool.streams > 0;
            (!is_known).then(|| resource.clone())
        };
        self.pools.iter().filter_map(lost).collect()
    }

    /// What the kubelet does not know, or does not listen to, one line each.
    fn not_registered(&self) -> Vec<String> {
        let mut missing = Vec::new();
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

    /// What is missing until everything is ready, one line each.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.started {
            missing.push("starting: not all pools are served yet".to_owned());
        }
        missing.extend(self.not_registered());
        missing.extend(self.address.clone());
        missing.extend(self.unattached.as_deref().map(|why| printable(why).into_owned()));
        missing.extend(self.driver.as_deref().map(|why| printable(why).into_owned()));
        missing.extend(self.chain.as_deref().map(|why| printable(why).into_owned()));
        missing.extend(self.dead.iter().cloned());
        missing
    }
}
