//! When free VFs are compared with their records: after a scan and a word of the kubelet that are newer than the reason.
//!
//! While events settle and the hardware is read, the kubelet is asked; the VFs come after both. Whatever it allocates
//! meanwhile is noted as an Allocate.

use hardwire_pci::DeviceId;

use super::lists::PoolList;
use super::verdicts::{Owners, has_kernel_driver};
use crate::config::OnChange;
use crate::health::baselines::{Baselines, WantedPf};
use crate::health::inspection::{Task, VfToInspect};
use crate::ledger::Ownership;
use crate::pools::Hardware;

/// Where the looking stands.
#[derive(Debug, Default)]
pub(super) enum Inspections {
    /// Nobody wants a look.
    #[default]
    Idle,
    /// A look waits for this answer of the kubelet, and for this scan.
    Waiting { answer: u64, scan: u64 },
    /// The VFs of these PFs are being looked at.
    Running(Vec<DeviceId>),
}

// === impl Inspections ===

impl Inspections {
    /// Whether none is under way or waits.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// A look is wanted. `ask` has the kubelet asked, and tells the number of the answer that is new enough.
    pub(super) fn want(&mut self, ask: impl FnOnce() -> u64, scan: u64) {
        if self.is_idle() {
            *self = Self::Waiting { answer: ask(), scan };
        }
    }

    /// Whether it can begin, after so many answers and scans.
    pub(super) fn is_due(&self, answers: u64, scans: u64) -> bool {
        matches!(self, Self::Waiting { answer, scan } if *answer <= answers && *scan <= scans)
    }

    /// It begins, at these tasks; with none it has ended.
    pub(super) fn begin(&mut self, tasks: &[(Task, u64)]) {
        *self = if tasks.is_empty() {
            Self::Idle
        } else {
            Self::Running(tasks.iter().map(|(task, _)| task.pf.clone()).collect())
        };
    }

    /// It has ended. Returns the PFs whose VFs were to be looked at.
    pub(super) fn end(&mut self) -> Vec<DeviceId> {
        match std::mem::take(self) {
            Self::Running(pfs) => pfs,
            Self::Idle | Self::Waiting { .. } => Vec::new(),
        }
    }
}

/// The VFs to look at, by PF, and how many events each PF has had.
pub(super) fn tasks(
    wanted: Vec<WantedPf>,
    baselines: &Baselines,
    lists: &[PoolList],
    hardware: &Hardware,
    owners: &Owners,
) -> Vec<(Task, u64)> {
    let task = |wanted: WantedPf| {
        let task = Task {
            vfs: vfs(&wanted.pf, baselines, lists, hardware, owners),
            pf: wanted.pf,
            generation: baselines.generation,
            settled: wanted.settled,
            only_vfs: wanted.only_vfs,
        };
        (task, wanted.events)
    };
    let tasks = wanted.into_iter().map(task);
    tasks.filter(|(task, _)| !task.vfs.is_empty()).collect()
}

fn vfs(
    pf: &DeviceId,
    baselines: &Baselines,
    lists: &[PoolList],
    hardware: &Hardware,
    owners: &Owners,
) -> Vec<VfToInspect> {
    let mut vfs: Vec<VfToInspect> = Vec::new();
    for list in lists {
        for id in list.entries.keys() {
            let device = hardware.inventory.get(id).filter(|device| device.pf() == Some(pf));
            let (Some(device), Some(owner)) = (device, owners.get(id)) else {
                continue;
            };
            // Between drivers, or on its way back from a pod: there will be another event.
            let is_between = device.netdevs.is_empty() && has_kernel_driver(device) || device.driver.is_none();
            let is_free = owner.is_free() && !is_between;
            let is_known = vfs.iter().any(|vf| vf.id == *id);
            let is_unknown = matches!(owner, Ownership::Unknown(_));
            if is_known || is_unknown || !is_free && baselines.is_distrusted(id) {
                continue;
            }
            vfs.push(VfToInspect {
                id: id.clone(),
                is_free,
                adopt: list.pool.on_change == OnChange::Adopt || baselines.is_adopting(id),
                ours: baselines.ended.contains(id),
                rebound: baselines.rebound.contains(id),
                unwatched: baselines.is_distrusted(id),
            });
        }
    }
    vfs
}
