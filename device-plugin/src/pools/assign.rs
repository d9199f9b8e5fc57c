//! Which device belongs to which pool: the first one, in the order of the file, that selects it.

use std::collections::BTreeMap;

use hardwire_pci::{Device, DeviceId, Function};

use super::hardware::{Claim, Hardware};
use super::reason::Reason;
use crate::config::{Pool, ResourceName};

/// Where each device is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment {
    /// One entry per device of the inventory.
    pub places: BTreeMap<DeviceId, Place>,
    /// Devices that more than one pool selects.
    pub contests: Vec<Contest>,
    /// Devices of the node itself that are in a pool because its configuration names them.
    pub overrides: Vec<Override>,
}

/// Where a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the pool with this index.
    Pool(usize),
    /// In none.
    Nowhere(Reason),
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
    pub claim: Claim,
}

/// Places every device.
pub fn assign(hardware: &Hardware, pools: &[Pool]) -> Assignment {
    let mut assignment = Assignment::default();
    for device in &hardware.inventory.devices {
        let place = place(hardware, pools, device, &mut assignment);
        assignment.places.insert(device.id.clone(), place);
    }
    assignment
}

fn place(hardware: &Hardware, pools: &[Pool], device: &Device, assignment: &mut Assignment) -> Place {
    if let Some(reason) = unfit(device) {
        return Place::Nowhere(reason);
    }
    let pf = hardware.pf_name(device);
    let claim = hardware.claims.get(&device.id);
    let wants = |pool: &Pool| pool.selectors.iter().any(|selector| selector.matches(device, pf));
    let may_have = |pool: &Pool| claim.is_none() || pool.allows(device);
    let mut takers = pools
        .iter()
        .enumerate()
        .filter(|(_, pool)| wants(pool) && may_have(pool));
    let Some((index, winner)) = takers.next() else {
        return Place::Nowhere(match claim {
            Some(claim) => Reason::Claimed(claim.clone()),
            None if pools.is_empty() => Reason::NoPools,
            None => Reason::NoSelector,
        });
    };
    assignment.contests.extend(takers.map(|(_, loser)| Contest {
        device: device.id.clone(),
        winner: winner.resource.clone(),
        loser: loser.resource.clone(),
    }));
    assignment.overrides.extend(claim.map(|claim| Override {
        device: device.id.clone(),
        pool: winner.resource.clone(),
        claim: claim.clone(),
    }));
    Place::Pool(index)
}

/// What no configuration can make right.
fn unfit(device: &Device) -> Option<Reason> {
    match device.function {
        Function::Pf { num_vfs: 0, .. } | Function::Plain | Function::Vf { .. } | Function::Sf { .. } => {}
        Function::Pf { num_vfs, .. } => return Some(Reason::PfWithVfs(num_vfs)),
    }
    device.driver.is_none().then_some(Reason::NoDriver)
}

// === impl Assignment ===

impl Assignment {
    /// The devices of the pool with this index, in the order of their ids.
    pub fn devices(&self, pool: usize) -> impl Iterator<Item = &DeviceId> {
        let is_there = move |place: &Place| matches!(place, Place::Pool(index) if *index == pool);
        self.places
            .iter()
            .filter(move |(_, place)| is_there(place))
            .map(|(id, _)| id)
    }
}
