//! What is known of each listed device, and whether it is given out.

use std::collections::BTreeSet;

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::{Device, DeviceId};
use tokio::time::Instant;
use tracing::{info, warn};

use super::Manager;
use super::lists::{Entry, Hold, update_lists};
use super::served_pool::ServedPool;
use crate::config::OnCarrierLoss;
use crate::health::{HealthInput, UnhealthyReason, Usage, unhealthy_reason};
use crate::pools::{PoolMatch, Reason};

// === impl Usage ===

impl Usage {
    /// In words, if it is not free.
    pub(super) fn in_use(self) -> Option<&'static str> {
        match self {
            Self::Free => None,
            Self::Attached => Some("attached to a pod"),
            Self::Orphaned => Some("under repair"),
            Self::HeldElsewhere => Some("in use"),
            Self::Unknown => Some("not known to be free: the kubelet does not tell who holds what"),
        }
    }
}

// === impl Manager ===

impl Manager {
    /// Who has a device.
    pub(super) fn usage(&self, id: &DeviceId) -> Usage {
        match self.attachments.get(id) {
            Some(true) => return Usage::Orphaned,
            Some(false) => return Usage::Attached,
            None => {}
        }
        let name = id.to_string();
        let is_hidden = || self.seen.inventory.get(id).is_some() && self.hardware.inventory.get(id).is_none();
        if self.allocations.is_outstanding(&name) || self.is_away(id) || is_hidden() {
            return Usage::HeldElsewhere;
        }
        match &self.held {
            None => Usage::Unknown,
            Some(held) if held.holder(&name).is_some() => Usage::HeldElsewhere,
            Some(_) => Usage::Free,
        }
    }

    /// Whether a device that has an interface does not show it here.
    fn is_away(&self, id: &DeviceId) -> bool {
        let had_netdev = |pool: &ServedPool| pool.entries.get(id).is_some_and(|entry| entry.had_netdev);
        let device = self.seen.inventory.get(id);
        device.is_some_and(|device| device.netdevs.is_empty() && has_kernel_driver(device))
            && self.pools.iter().any(had_netdev)
    }

    /// Brings lists and health up to date and shows the kubelet what changed. `changed` are devices that were read anew and
    /// are different.
    pub(super) fn reconcile(&mut self, changed: &BTreeSet<DeviceId>) {
        let now = Instant::now();
        let hold = |pool: usize, id: &DeviceId| self.hold(pool, id);
        let mut lists: Vec<_> = self.pools.iter().map(|pool| pool.entries.clone()).collect();
        let mut borrowed: Vec<_> = lists.iter_mut().collect();
        let (left, next) = update_lists(&mut borrowed, &self.assignment, hold, now, self.grace);
        for (pool, list) in self.pools.iter_mut().zip(lists) {
            pool.entries = list;
        }
        for (pool, device) in left {
            info!(%device, resource = %self.pools[pool].pool.resource, "no longer listed");
        }
        self.next = next;
        for pool in 0..self.pools.len() {
            self.examine(pool, now);
            let seen = std::sync::Arc::clone(&self.seen);
            self.pools[pool].publish(&seen, &self.host_paths, changed, false);
        }
        for pool in &self.pools {
            let healthy = pool.entries.values().filter(|entry| entry.unhealthy.is_none()).count();
            let unhealthy = pool.entries.len() - healthy;
            self.metrics.devices(&pool.pool.resource, healthy, unhealthy);
        }
        self.view.write(&self.context.state, &self.pools);
    }

    /// What keeps a device in a list that does not select it any more.
    fn hold(&self, pool: usize, id: &DeviceId) -> Hold {
        if matches!(self.usage(id), Usage::Attached | Usage::Orphaned | Usage::HeldElsewhere) {
            return Hold::InUse;
        }
        let selected_elsewhere =
            matches!(self.assignment.matches.get(id), Some(PoolMatch::Pool(other)) if *other != pool);
        let Some(device) = self.seen.inventory.get(id) else {
            return Hold::None;
        };
        let may_return = device.driver.as_deref().is_none_or(is_userspace_driver);
        if may_return && !selected_elsewhere {
            Hold::Stays
        } else {
            Hold::None
        }
    }

    /// Judges the devices of one list, and logs what changed.
    fn examine(&mut self, index: usize, now: Instant) {
        let pool = &self.pools[index];
        let verdicts: Vec<Option<UnhealthyReason>> = pool
            .entries
            .keys()
            .map(|id| unhealthy_reason(&self.health_input(index, id)))
            .collect();
        let seen = std::sync::Arc::clone(&self.seen);
        let pool = &mut self.pools[index];
        for ((id, entry), mut unhealthy) in pool.entries.iter_mut().zip(verdicts) {
            entry.had_netdev |= seen.inventory.get(id).is_some_and(|device| !device.netdevs.is_empty());
            entry.flaps.note(unhealthy.is_none(), now);
            if let Some(until) = entry.flaps.kept_until(now).filter(|_| unhealthy.is_none()) {
                unhealthy = Some(UnhealthyReason::Flapping);
                self.next = Some(self.next.map_or(until, |next| next.min(until)));
            }
            note(&pool.pool.resource, id, entry, unhealthy);
        }
    }

    fn health_input<'a>(&'a self, index: usize, id: &DeviceId) -> HealthInput<'a> {
        let pool = &self.pools[index];
        let inventory = &self.seen.inventory;
        let is_there = inventory.get(id).is_some();
        let device = pool.device(&self.seen, id);
        let pf = device.and_then(Device::pf).filter(|pf| pf.pci().is_some());
        let minds = pool.pool.on_carrier_loss == OnCarrierLoss::Unhealthy;
        let host_use = self.seen.host_use(id);
        HealthInput {
            is_there,
            lost_pf: pf.filter(|pf| inventory.get(pf).is_none()),
            carrierless_pf: device
                .and_then(Device::pf)
                .filter(|pf| minds && self.seen.carrierless.contains(*pf)),
            driver: device.and_then(|device| device.driver.as_deref()),
            usage: self.usage(id),
            host_use: host_use.filter(|_| !device.is_some_and(|device| pool.pool.allows(device))),
            unselected: self.unselected(index, id, device),
            difference: self.baselines.difference(id),
        }
    }

    fn unselected(&self, index: usize, id: &DeviceId, device: Option<&Device>) -> Option<String> {
        match self.assignment.matches.get(id)? {
            PoolMatch::Pool(other) if *other == index => None,
            PoolMatch::Pool(other) => Some(format!("{} selects it now", self.pools.get(*other)?.pool.resource)),
            // HealthInput of their own.
            PoolMatch::Unmatched(Reason::UsedByNode(_) | Reason::NoDriver) => None,
            PoolMatch::Unmatched(reason) => {
                let driver = device.and_then(|device| device.driver.as_deref()).unwrap_or("none");
                Some(format!("{reason} (its driver is {driver})"))
            }
        }
    }
}

fn note(
    resource: &crate::config::ResourceName,
    device: &DeviceId,
    entry: &mut Entry,
    unhealthy: Option<UnhealthyReason>,
) {
    if entry.unhealthy == unhealthy {
        return;
    }
    if let Some(unhealthy) = &unhealthy {
        warn!(%device, %resource, "unhealthy: {unhealthy}");
    } else {
        info!(%device, %resource, "healthy again");
    }
    entry.unhealthy = unhealthy;
}

/// Whether the kernel drives a device, which makes an interface of it.
pub(super) fn has_kernel_driver(device: &Device) -> bool {
    device
        .driver
        .as_deref()
        .is_some_and(|driver| !is_userspace_driver(driver))
}
