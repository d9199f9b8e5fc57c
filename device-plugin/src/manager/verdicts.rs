//! What is known of each listed device, and what that means: whether it is healthy, granted, and kept in its list.

use std::collections::BTreeMap;

use hardwire_cni::node::AttachBy;
use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::{Device, DeviceId};
use tokio::time::Instant;
use tracing::{info, warn};

use super::lists::{Entry, Hold, Lists, PoolList};
use super::provisioning::Provisioning;
use crate::config::{OnCarrierLoss, ResourceName};
use crate::health::baselines::Baselines;
use crate::health::{HealthInput, UnhealthyReason, refusal, unhealthy_reason};
use crate::ledger::Ownership;
use crate::pools::{Assignment, Hardware, PoolMatch, Reason};

/// Who has each device.
pub(super) type Owners = BTreeMap<DeviceId, Ownership>;

/// All that verdicts are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// The hardware, with what is hidden.
    pub(super) seen: &'a Hardware,
    /// Which pool selects what.
    pub(super) assignment: &'a Assignment,
    /// The resources, in the order of the pools.
    pub(super) resources: &'a [ResourceName],
    /// What VFs differ in from their records.
    pub(super) baselines: &'a Baselines,
    /// Who has what.
    pub(super) owners: &'a Owners,
    /// Why our entry is in no list of the default network.
    pub(super) unchained: Option<&'a str>,
    /// PFs as configured.
    pub(super) provisioning: &'a Provisioning,
}

/// Brings the lists up to date with what is known, and says of each device what is the case now.
pub(super) fn reconcile(lists: &mut Lists, known: &Known<'_>, now: Instant) {
    lists.update(known.assignment, |pool, id| known.hold(pool, id), now);
    let mut pools = std::mem::take(&mut lists.pools);
    for (index, list) in pools.iter_mut().enumerate() {
        if let Some(at) = known.judge(index, list, now) {
            lists.change_at(at);
        }
    }
    lists.pools = pools;
}

// === impl Known ===

impl Known<'_> {
    /// What keeps a device in a list that does not select it any more.
    fn hold(&self, pool: usize, id: &DeviceId) -> Hold {
        if let Some(holding) = self.owners.get(id).and_then(Ownership::holding) {
            // Given out by the pool that selects it now, it is in that pool's list, and stays in no other.
            let selecting = match self.assignment.matches.get(id) {
                Some(PoolMatch::Pool(other)) if *other != pool => self.resources.get(*other),
                _ => None,
            };
            let is_of_that = |other: &ResourceName| holding.resource.as_deref() == Some(&other.to_string());
            return if selecting.is_some_and(is_of_that) {
                Hold::None
            } else {
                Hold::InUse
            };
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

    /// Says of each device of a list what is the case now, and logs what changed. Returns when the next verdict may change
    /// by itself.
    fn judge(&self, index: usize, list: &mut PoolList, now: Instant) -> Option<Instant> {
        let ids: Vec<DeviceId> = list.entries.keys().cloned().collect();
        let mut next: Option<Instant> = None;
        let resource = list.pool.resource.clone();
        let name = resource.to_string();
        for id in ids {
            let unknown = Ownership::Unknown(String::new());
            let ownership = self.owners.get(&id).unwrap_or(&unknown);
            let input = self.health_input(index, list, &name, &id, ownership);
            let (mut unhealthy, refused) = (unhealthy_reason(&input), refusal(&input));
            let Some(entry) = list.entries.get_mut(&id) else {
                continue;
            };
            entry.had_netdev |= has_netdev(self.seen, &id);
            entry.refused = refused;
            entry.is_held = ownership.holding().is_some();
            entry.held_as = ownership.held_as_other(&name, list.pool.via.is_dra());
            entry.flaps.note(unhealthy.is_none(), now);
            if let Some(until) = entry.flaps.kept_until(now).filter(|_| unhealthy.is_none()) {
                unhealthy = Some(UnhealthyReason::Flapping);
                next = Some(next.map_or(until, |next| next.min(until)));
            }
            note(&resource, &id, entry, unhealthy);
        }
        next
    }

    fn health_input<'i>(
        &'i self,
        index: usize,
        list: &'i PoolList,
        resource: &'i str,
        id: &DeviceId,
        ownership: &'i Ownership,
    ) -> HealthInput<'i> {
        let inventory = &self.seen.inventory;
        let device = list.device(self.seen, id);
        let pf = device.and_then(Device::pf);
        let minds = list.pool.on_carrier_loss == OnCarrierLoss::Unhealthy;
        let is_allowed = device.is_some_and(|device| list.pool.allows(device));
        // A PF that is given away as a device is its own.
        let provisioned = pf.unwrap_or(id);
        let vf = device.and_then(Device::vf_index);
        HealthInput {
            is_there: inventory.get(id).is_some(),
            lost_pf: pf.filter(|pf| pf.pci().is_some() && inventory.get(pf).is_none()),
            carrierless_pf: pf.filter(|pf| minds && self.seen.carrierless.contains(*pf)),
            driver: device.and_then(|device| device.driver.as_deref()),
            ownership,
            resource,
            is_for_claims: list.pool.via.is_dra(),
            host_use: self.seen.host_use(id).filter(|_| !is_allowed),
            unselected: self.unselected(index, id, device),
            unattached: self.unchained.filter(|_| list.pool.attachment.by == AttachBy::Chain),
            unprovisioned: self.provisioning.reason(provisioned, vf),
            is_being_provisioned: self.provisioning.is_working(provisioned),
            difference: self.baselines.difference(id),
        }
    }

    fn unselected(&self, index: usize, id: &DeviceId, device: Option<&Device>) -> Option<String> {
        match self.assignment.matches.get(id)? {
            PoolMatch::Pool(other) if *other == index => None,
            PoolMatch::Pool(other) => Some(format!("{} selects it now", self.resources.get(*other)?)),
            // Reasons of their own.
            PoolMatch::Unmatched(Reason::UsedByNode(_) | Reason::NoDriver) => None,
            PoolMatch::Unmatched(reason) => {
                let driver = device.and_then(|device| device.driver.as_deref()).unwrap_or("none");
                Some(format!("{reason} (its driver is {driver})"))
            }
        }
    }
}

fn has_netdev(hardware: &Hardware, id: &DeviceId) -> bool {
    hardware
        .inventory
        .get(id)
        .is_some_and(|device| !device.netdevs.is_empty())
}

fn note(resource: &ResourceName, device: &DeviceId, entry: &mut Entry, unhealthy: Option<UnhealthyReason>) {
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
    let driver = device.driver.as_deref();
    driver.is_some_and(|driver| !is_userspace_driver(driver))
}
