//! What the pools say about their devices, left for the plugin, and told to who answers it.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hardwire_cni::entitlement::CHECKPOINT;
use hardwire_cni::node::{AttachBy, Policies, PoolPolicy};
use hardwire_pci::DeviceId;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use super::lists::PoolList;
use crate::events::backoff::Backoff;

/// More devices than a node has; the file has a bound.
const MOST_LEFT: usize = 4096;

/// What the file says, or would if it could be written.
#[derive(Debug)]
pub(super) struct WrittenPolicies {
    /// Nothing is told before the first lists: what an earlier daemon left does not say what is chained now.
    told: watch::Sender<Arc<Policies>>,
    /// What an earlier daemon left, until then.
    left: Vec<PoolPolicy>,
    checkpoint: PathBuf,
    /// Where the runtime reads its networks.
    cni_config: PathBuf,
    /// It is in the file.
    is_written: bool,
    /// Why it is not, where it should be.
    unwritten: Option<String>,
    /// When it is tried again.
    again: Option<Instant>,
    pauses: Backoff,
}

// === impl WrittenPolicies ===

impl WrittenPolicies {
    /// Nothing is written yet. `device_plugin_dir` is the kubelet's, `cni_config` the runtime's. What an earlier daemon left at
    /// `path` still holds.
    pub(super) fn new(
        told: watch::Sender<Arc<Policies>>,
        device_plugin_dir: &Path,
        cni_config: &Path,
        path: Option<&Path>,
    ) -> Self {
        let left = path.map_or(Ok(None), Policies::read).unwrap_or_else(|error| {
            warn!("what pools said before is not known, and no longer holds: {error}");
            None
        });
        Self {
            told,
            left: left.map(|left| left.pools).unwrap_or_default(),
            checkpoint: device_plugin_dir.join(CHECKPOINT),
            cni_config: cni_config.to_owned(),
            is_written: false,
            unwritten: None,
            again: None,
            pauses: Backoff::default(),
        }
    }

    /// Writes the file, if it says something else than before; nowhere if there is no `path`.
    pub(super) fn write(&mut self, path: Option<&Path>, lists: &[PoolList]) {
        let now = lists.iter().map(policy).collect();
        let is_first = self.told.borrow().version != Policies::VERSION;
        let policies = Policies {
            version: Policies::VERSION,
            checkpoint: self.checkpoint.clone(),
            cni_config: Some(self.cni_config.clone()),
            pools: if is_first {
                with_left(&std::mem::take(&mut self.left), now)
            } else {
                with_left(&self.told.borrow().pools, now)
            },
        };
        let is_news = **self.told.borrow() != policies;
        if !is_news && self.is_written {
            return;
        }
        if let Some(path) = path {
            self.written(path, policies.write(path));
        }
        if is_news {
            self.told.send_replace(Arc::new(policies));
        }
    }

    fn written(&mut self, path: &Path, written: io::Result<()>) {
        self.is_written = written.is_ok();
        self.again = None;
        let path = path.display();
        self.unwritten = written
            .err()
            .map(|error| format!("{path}: what pools say of their devices is not written for the plugin: {error}"));
        if let Some(why) = &self.unwritten {
            warn!("{why}");
            self.again = Some(Instant::now() + self.pauses.pause());
        } else {
            self.pauses.reset();
        }
    }

    /// Why the file does not say what it should.
    pub(super) fn unwritten(&self) -> Option<String> {
        self.unwritten.clone()
    }

    /// When writing it is to be tried again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.again
    }
}

/// What pools said last goes on to hold for devices that no pool has now: a pool that is refused for a slip of the pen, or a
/// PF that has another name, must not give its devices to whoever names them. Other selectors are no slip: what they leave
/// out is nobody's.
fn with_left(before: &[PoolPolicy], mut now: Vec<PoolPolicy>) -> Vec<PoolPolicy> {
    let is_same = |old: &PoolPolicy| {
        let same = |pool: &PoolPolicy| pool.resource == old.resource && pool.devices == old.devices;
        now.iter().any(same)
    };
    // As nearly always. What follows is large.
    if before.iter().all(is_same) {
        return now;
    }
    let listed: HashSet<DeviceId> = now.iter().flat_map(|pool| pool.devices.iter()).collect();
    for old in before {
        let left: Vec<DeviceId> = old
            .devices
            .iter()
            .filter(|id| !listed.contains(id))
            .take(MOST_LEFT)
            .collect();
        match now.iter_mut().find(|pool| pool.resource == old.resource) {
            Some(pool) if pool.selected_by == old.selected_by && !left.is_empty() => {
                let mut devices: Vec<DeviceId> = pool.devices.iter().chain(left).collect();
                devices.sort_unstable();
                pool.devices = devices.iter().collect();
            }
            Some(_) => {}
            None => {
                // Pods that were given one as this resource are known by it.
                if !left.is_empty() || old.attach == AttachBy::Chain {
                    now.push(PoolPolicy {
                        devices: left.iter().collect(),
                        is_left: true,
                        ..old.clone()
                    });
                }
            }
        }
    }
    now
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
        selected_by: list.pool.selected_by.clone(),
        is_left: false,
        devices: list.entries.keys().collect(),
    }
}

#[cfg(test)]
mod tests {
    use hardwire_cni::node::RequireAllocation;

    use super::*;

    fn pool(resource: &str, attach: AttachBy, selected_by: &str, devices: &[u32]) -> PoolPolicy {
        PoolPolicy {
            resource: resource.to_owned(),
            require_allocation: RequireAllocation::Always,
            allow: None,
            attach,
            network: None,
            interface: None,
            selected_by: selected_by.to_owned(),
            is_left: false,
            devices: devices.iter().map(|n| id(*n)).collect::<Vec<_>>().iter().collect(),
        }
    }

    fn id(n: u32) -> DeviceId {
        format!("0000:3b:02.{n}").parse().unwrap()
    }

    fn said(pools: &[PoolPolicy]) -> Vec<(&str, bool, usize)> {
        let said = |pool: &'_ PoolPolicy| (pool.is_left, pool.devices.len());
        pools
            .iter()
            .map(|pool| (pool.resource.as_str(), said(pool).0, said(pool).1))
            .collect()
    }

    #[test]
    fn what_a_pool_said_holds_for_devices_that_no_pool_has_now() {
        let by = AttachBy::Multus;
        let before = [pool("a", by, "s", &[1, 2]), pool("b", by, "s", &[3, 4])];
        // Refused, or out of the configuration.
        let refused = with_left(&before, vec![pool("a", by, "s", &[1, 2])]);
        assert_eq!(said(&refused), [("a", false, 2), ("b", true, 2)]);
        assert_eq!(refused[1].require_allocation, RequireAllocation::Always);
        assert_eq!(
            with_left(&refused, vec![pool("a", by, "s", &[1, 2])]),
            refused,
            "it goes on"
        );
        assert_eq!(
            said(&with_left(&refused, before.to_vec())),
            [("a", false, 2), ("b", false, 2)]
        );
        assert_eq!(said(&with_left(&before, Vec::new())), [("a", true, 2), ("b", true, 2)]);
        // No longer selected, by no wish of the operator's.
        let lost = with_left(&before[..1], vec![pool("a", by, "s", &[1])]);
        assert_eq!(lost[0].devices.iter().collect::<Vec<_>>(), [id(1), id(2)]);
        // Another pool has them, or the operator selects otherwise.
        assert_eq!(
            said(&with_left(&before[..1], vec![pool("c", by, "s", &[1, 2])])),
            [("c", false, 2)]
        );
        assert_eq!(
            said(&with_left(&before[..1], vec![pool("a", by, "t", &[1])])),
            [("a", false, 1)]
        );
    }

    #[test]
    fn a_chained_pools_resource_is_known_when_its_devices_are_anothers() {
        let before = [pool("a", AttachBy::Chain, "s", &[1])];
        let renamed = with_left(&before, vec![pool("b", AttachBy::Chain, "s", &[1])]);
        assert_eq!(said(&renamed), [("b", false, 1), ("a", true, 0)]);
    }
}
