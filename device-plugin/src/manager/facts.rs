//! What is known of each listed device, and whether it is given out.

use std::collections::BTreeSet;

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::{Device, DeviceId};
use tokio::time::Instant;
use tracing::{info, warn};

use super::Manager;
use super::listing::{Entry, Hold, arrange};
use super::running::Running;
use crate::config::OnCarrierLoss;
use crate::health::{Ailment, Facts, Usage, judge};
use crate::pools::{Place, Reason};

// === impl Usage ===

impl Usage {
    /// In words, if it is not free.
    pub(super) fn in_use(self) -> Option<&'static str> {
        match self {
            Self::Free => None,
            Self::Attached => Some("attached to a pod"),
            Self::Orphaned => Some("under repair"),
            Self::Others => Some("in use"),
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
            return Usage::Others;
        }
        match &self.held {
            None => Usage::Unknown,
            Some(held) if held.holder(&name).is_some() => Usage::Others,
            Some(_) => Usage::Free,
        }
    }

    /// Whether a device that has an interface does not show it here.
    fn is_away(&self, id: &DeviceId) -> bool {
        let had_netdev = |pool: &Running| pool.entries.get(id).is_some_and(|entry| entry.had_netdev);
        let device = self.seen.inventory.get(id);
        device.is_some_and(|device| device.netdevs.is_empty() && has_kernel_driver(device))
            && self.pools.iter().any(had_netdev)
    }

    /// Brings lists and health up to date and shows the kubelet what changed. `changed` are devices that were read anew and
    /// are different.
    pub(super) fn arrange(&mut self, changed: &BTreeSet<DeviceId>) {
        let now = Instant::now();
        let hold = |pool: usize, id: &DeviceId| self.hold(pool, id);
        let mut lists: Vec<_> = self.pools.iter().map(|pool| pool.entries.clone()).collect();
        let mut borrowed: Vec<_> = lists.iter_mut().collect();
        let (left, next) = arrange(&mut borrowed, &self.assignment, hold, now, self.grace);
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
            self.pools[pool].publish(&seen, &self.surroundings, changed, false);
        }
        for pool in &self.pools {
            let healthy = pool.entries.values().filter(|entry| entry.ailment.is_none()).count();
            let unhealthy = pool.entries.len() - healthy;
            self.metrics.devices(&pool.pool.resource, healthy, unhealthy);
        }
        self.view.write(&self.context.state, &self.pools);
    }

    /// What keeps a device in a list that does not select it any more.
    fn hold(&self, pool: usize, id: &DeviceId) -> Hold {
        if matches!(self.usage(id), Usage::Attached | Usage::Orphaned | Usage::Others) {
            return Hold::InUse;
        }
        let selected_elsewhere = matches!(self.assignment.places.get(id), Some(Place::Pool(other)) if *other != pool);
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
        let verdicts: Vec<Option<Ailment>> = pool.entries.keys().map(|id| judge(&self.facts(index, id))).collect();
        let seen = std::sync::Arc::clone(&self.seen);
        let pool = &mut self.pools[index];
        for ((id, entry), mut ailment) in pool.entries.iter_mut().zip(verdicts) {
            entry.had_netdev |= seen.inventory.get(id).is_some_and(|device| !device.netdevs.is_empty());
            entry.falls.note(ailment.is_none(), now);
            if let Some(until) = entry.falls.kept_until(now).filter(|_| ailment.is_none()) {
                ailment = Some(Ailment::Flapping);
                self.next = Some(self.next.map_or(until, |next| next.min(until)));
            }
            note(&pool.pool.resource, id, entry, ailment);
        }
    }

    fn facts<'a>(&'a self, index: usize, id: &DeviceId) -> Facts<'a> {
        let pool = &self.pools[index];
        let inventory = &self.seen.inventory;
        let is_there = inventory.get(id).is_some();
        let device = pool.device(&self.seen, id);
        let pf = device.and_then(Device::pf).filter(|pf| pf.pci().is_some());
        let minds = pool.pool.on_carrier_loss == OnCarrierLoss::Unhealthy;
        let claim = self.seen.claim(id);
        Facts {
            is_there,
            lost_pf: pf.filter(|pf| inventory.get(pf).is_none()),
            carrierless_pf: device
                .and_then(Device::pf)
                .filter(|pf| minds && self.seen.carrierless.contains(*pf)),
            driver: device.and_then(|device| device.driver.as_deref()),
            usage: self.usage(id),
            claim: claim.filter(|_| !device.is_some_and(|device| pool.pool.allows(device))),
            unselected: self.unselected(index, id, device),
            difference: self.idle.difference(id),
        }
    }

    fn unselected(&self, index: usize, id: &DeviceId, device: Option<&Device>) -> Option<String> {
        match self.assignment.places.get(id)? {
            Place::Pool(other) if *other == index => None,
            Place::Pool(other) => Some(format!("{} selects it now", self.pools.get(*other)?.pool.resource)),
            // Facts of their own.
            Place::Nowhere(Reason::Claimed(_) | Reason::NoDriver) => None,
            Place::Nowhere(reason) => {
                let driver = device.and_then(|device| device.driver.as_deref()).unwrap_or("none");
                Some(format!("{reason} (its driver is {driver})"))
            }
        }
    }
}

fn note(resource: &crate::config::ResourceName, device: &DeviceId, entry: &mut Entry, ailment: Option<Ailment>) {
    if entry.ailment == ailment {
        return;
    }
    if let Some(ailment) = &ailment {
        warn!(%device, %resource, "unhealthy: {ailment}");
    } else {
        info!(%device, %resource, "healthy again");
    }
    entry.ailment = ailment;
}

/// Whether the kernel drives a device, which makes an interface of it.
pub(super) fn has_kernel_driver(device: &Device) -> bool {
    device
        .driver
        .as_deref()
        .is_some_and(|driver| !is_userspace_driver(driver))
}
