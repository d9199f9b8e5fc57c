//! Devices on their PFs.

use std::collections::BTreeMap;

use crate::config::Placement;
use crate::pools::offer::Offer;

/// A device that may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate<'a> {
    /// What it is taken from: its PF; a device that shows none stands for itself.
    pub(super) pf: &'a str,
    /// Its id.
    pub(super) id: &'a str,
    /// Its NUMA node.
    pub(super) numa_node: Option<u32>,
}

/// Devices that are taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen<'a> {
    /// In the order in which they were taken.
    pub(super) devices: Vec<Candidate<'a>>,
    by_pf: BTreeMap<&'a str, usize>,
}

// === impl Candidate ===

impl<'a> Candidate<'a> {
    pub(super) fn of(offer: &'a Offer, id: &'a str) -> Self {
        let device = offer.devices.get(id);
        Self {
            pf: device.and_then(|device| device.pf.as_deref()).unwrap_or(id),
            id,
            numa_node: device.and_then(|device| device.numa_node),
        }
    }
}

// === impl Chosen ===

impl<'a> Chosen<'a> {
    pub(super) fn new(devices: Vec<Candidate<'a>>) -> Self {
        let mut chosen = Self::default();
        for device in devices {
            chosen.take(device);
        }
        chosen
    }

    pub(super) fn take(&mut self, device: Candidate<'a>) {
        self.devices.push(device);
        *self.by_pf.entry(device.pf).or_default() += 1;
    }

    /// How many come from a PF.
    pub(super) fn on(&self, pf: &str) -> usize {
        self.by_pf.get(pf).copied().unwrap_or_default()
    }

    /// How many pairs of devices on two PFs there are in it.
    pub(super) fn pairs(&self) -> usize {
        pairs(self.devices.len(), self.most())
    }

    /// The pairs if one more came from a PF.
    pub(super) fn pairs_with(&self, pf: &str) -> usize {
        pairs(self.devices.len() + 1, self.most().max(self.on(pf) + 1))
    }

    /// How far it is from what is wanted; less is better.
    pub(super) fn cost(&self, placement: Placement) -> usize {
        let (devices, pfs) = (self.devices.len(), self.by_pf.len());
        match placement {
            // Few PFs first, then uneven ones.
            Placement::Spread => (devices - pfs) * (devices + 1) + self.most(),
            Placement::Pack => pfs,
            Placement::Pairs => devices - 2 * self.pairs(),
        }
    }

    fn most(&self) -> usize {
        self.by_pf.values().copied().max().unwrap_or_default()
    }
}

/// Each device has its partner on another PF, as long as one PF has no more than all others together.
fn pairs(devices: usize, most: usize) -> usize {
    (devices / 2).min(devices - most)
}
