//! Which device belongs to which pool: the first one, in the order of the file, that selects it.

use std::collections::BTreeMap;

use hardwire_pci::{Device, DeviceId, Function};

use super::hardware::{Hardware, HostUse};
use super::reason::{Difference, Reason};
use crate::config::{Candidate, DeviceType, Needs, Pool, ResourceName, Selector};

/// Where each device is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment {
    /// One entry per device of the inventory.
    pub matches: BTreeMap<DeviceId, PoolMatch>,
    /// Of each device in a pool, what the selector that took it wants it to be given out with.
    pub needs: BTreeMap<DeviceId, Needs>,
    /// Devices that more than one pool selects.
    pub contests: Vec<Contest>,
    /// Devices of the node itself that are in a pool because its configuration names them.
    pub overrides: Vec<Override>,
}

/// Where a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolMatch {
    /// In the pool with this index.
    Pool(usize),
    /// In none.
    Unmatched(Reason),
}

/// A device that a pool does not get, because one before it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contest {
    /// Which device.
    pub device: DeviceId,
    /// Who has it.
    pub winner: ResourceName,
    /// Who does not.
    pub loser: ResourceName,
}

/// A device of the node itself that is given away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Which device.
    pub device: DeviceId,
    /// In which pool.
    pub pool: ResourceName,
    /// What the node uses it for.
    pub host_use: HostUse,
}

/// Places every device.
pub fn assign(hardware: &Hardware, pools: &[Pool]) -> Assignment {
    let mut assignment = Assignment::default();
    let devices = hardware.inventory.devices.iter();
    let place = |device: &Device| (device.id.clone(), pool_of(hardware, pools, device, &mut assignment));
    let matches = devices.map(place).collect();
    assignment.matches = matches;
    assignment
}

fn pool_of(hardware: &Hardware, pools: &[Pool], device: &Device, assignment: &mut Assignment) -> PoolMatch {
    if let Some(reason) = unfit(device) {
        return PoolMatch::Unmatched(reason);
    }
    let candidate = hardware.candidate(device);
    let host_use = hardware.host_use(&device.id);
    let mut takers = pools.iter().enumerate().filter_map(|(index, pool)| {
        let selector = taker(pool, &candidate)?;
        (host_use.is_none() || pool.allows(device)).then_some((index, pool, selector))
    });
    let first = takers.next();
    // A pool that may take it comes before those that would: a device is not given out in one pool and then found in another.
    let before = first.map_or(pools.len(), |(index, ..)| index);
    let awaiting = pools.iter().take(before).find(|pool| awaits_profile(pool, &candidate));
    if let Some(pool) = awaiting.filter(|pool| host_use.is_none() || pool.allows(device)) {
        return PoolMatch::Unmatched(Reason::AwaitsProfile(pool.resource.clone()));
    }
    let Some((index, winner, selector)) = first else {
        return PoolMatch::Unmatched(match host_use {
            Some(host_use) => Reason::UsedByNode(host_use.clone()),
            None if pools.is_empty() => Reason::NoPools,
            None if pools.iter().any(|pool| awaits_driver(pool, &candidate)) => Reason::NoDriver,
            None => unselected(pools, &candidate),
        });
    };
    assignment.contests.extend(takers.map(|(_, loser, _)| Contest {
        device: device.id.clone(),
        winner: winner.resource.clone(),
        loser: loser.resource.clone(),
    }));
    assignment.overrides.extend(host_use.map(|host_use| Override {
        device: device.id.clone(),
        pool: winner.resource.clone(),
        host_use: host_use.clone(),
    }));
    assignment.needs.insert(device.id.clone(), selector.needs());
    PoolMatch::Pool(index)
}

/// The selector of a pool that takes a device: the first one that matches.
fn taker<'a>(pool: &'a Pool, candidate: &Candidate<'_>) -> Option<&'a Selector> {
    let fits = pool.device_type == DeviceType::of(candidate.device);
    let mut selectors = pool.selectors.iter().filter(|_| fits);
    selectors.find(|selector| selector.matches(candidate))
}

/// What keeps a device out of each pool that takes devices of its type.
fn unselected(pools: &[Pool], candidate: &Candidate<'_>) -> Reason {
    let fitting = pools
        .iter()
        .filter(|pool| pool.device_type == DeviceType::of(candidate.device));
    let difference = |pool: &Pool| {
        let selectors = pool.selectors.iter();
        let mut fields: Vec<&str> = selectors.filter_map(|selector| selector.mismatch(candidate)).collect();
        fields.dedup();
        Difference {
            resource: pool.resource.clone(),
            fields,
        }
    };
    match fitting.map(difference).collect::<Vec<_>>() {
        none if none.is_empty() => Reason::NoSelector,
        differences => Reason::Differs(differences),
    }
}

fn awaits_driver(pool: &Pool, candidate: &Candidate<'_>) -> bool {
    let mut selectors = pool.selectors.iter();
    pool.device_type == DeviceType::of(candidate.device) && selectors.any(|selector| selector.awaits_driver(candidate))
}

fn awaits_profile(pool: &Pool, candidate: &Candidate<'_>) -> bool {
    let mut selectors = pool.selectors.iter();
    pool.device_type == DeviceType::of(candidate.device) && selectors.any(|selector| selector.awaits_profile(candidate))
}

/// What no configuration can make right.
fn unfit(device: &Device) -> Option<Reason> {
    match device.function {
        // VFs lose their driver for a moment whenever somebody binds them to another one.
        Function::Vf { .. } | Function::Sf { .. } => None,
        // Upstream has the rule for network devices only: some accelerators are given out beside their VFs.
        Function::Pf { num_vfs, .. } if num_vfs > 0 && DeviceType::of(device) == DeviceType::NetDevice => {
            Some(Reason::PfWithVfs(num_vfs))
        }
        Function::Pf { .. } | Function::Plain => device.driver.is_none().then_some(Reason::NoDriver),
    }
}

// === impl Assignment ===

impl Assignment {
    /// What a device is given out with.
    pub fn needs(&self, device: &DeviceId) -> Needs {
        self.needs.get(device).copied().unwrap_or_default()
    }

    /// The devices of the pool with this index, in the order of their ids.
    pub fn devices(&self, pool: usize) -> impl Iterator<Item = &DeviceId> {
        let is_there = move |found: &PoolMatch| matches!(found, PoolMatch::Pool(index) if *index == pool);
        self.matches
            .iter()
            .filter(move |(_, found)| is_there(found))
            .map(|(id, _)| id)
    }
}
