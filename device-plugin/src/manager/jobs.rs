//! What is done elsewhere, because it blocks or waits: reading hardware, asking the kubelet who holds what, looking at VFs.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::node::Upper;
use hardwire_pci::{Device, DeviceId, Function, NetdevsimPort, Sysfs};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::Manager;
use super::verdicts::has_kernel_driver;
use crate::config::OnChange;
use crate::health::Usage;
use crate::health::inspection::{Inspected, Task, VfToInspect, inspect};
use crate::ledger::given_away;
use crate::ledger::podresources::{Held, PodResourcesError};
use crate::pools::{Hardware, assign, find_uppers, upper_uses};

/// What came of a job.
#[derive(Debug)]
pub(super) enum Done {
    /// The hardware was read.
    Read(Arc<Hardware>),
    /// Other namespaces were looked into, which took so long.
    Searched(Result<Vec<Upper>, String>, Duration),
    /// The kubelet was asked; VFs are looked at after so many looks at the hardware.
    PodResources(Result<Held, PodResourcesError>, u64),
    /// VFs were looked at, each PF's after so many events.
    Inspected(Vec<(Inspected, u64)>),
    /// A thread was lost.
    Failed(JoinError),
}

/// All PFs.
pub(super) fn pfs(hardware: &Hardware) -> Vec<DeviceId> {
    let devices = hardware.inventory.devices.iter();
    devices
        .filter(|device| matches!(device.function, Function::Pf { .. }))
        .map(|device| device.id.clone())
        .collect()
}

/// The PF of a netdevsim device: its ports share one directory.
pub(super) fn pfs_of_netdevsim(hardware: &Hardware, number: u32) -> Vec<DeviceId> {
    let is_its = |id: &DeviceId| matches!(id, DeviceId::Netdevsim(port) if port.device == number);
    pfs(hardware).into_iter().filter(is_its).collect()
}

/// The PF that a change of a device is a change of.
pub(super) fn pf_for(device: &Device) -> Option<&DeviceId> {
    match device.function {
        Function::Pf { .. } => Some(&device.id),
        _ => device.pf(),
    }
}

/// A port of netdevsim that is in a pod: sysfs shows it there only.
pub(super) fn hidden_port(sysfs: &Sysfs, hardware: &Hardware, id: &DeviceId) -> Option<Device> {
    let DeviceId::Netdevsim(NetdevsimPort { device, port }) = id else {
        return None;
    };
    let hardwire_pci::PortName::Vf { vf, .. } = *port else {
        return None;
    };
    let file = sysfs.path(format!("bus/netdevsim/devices/netdevsim{device}/sriov_numvfs"));
    let num_vfs = sysfs.number::<u32>(&file).ok()?;
    let pf = pfs_of_netdevsim(hardware, *device).into_iter().next();
    (vf < num_vfs).then(|| Device {
        driver: Some("netdevsim".to_owned()),
        function: Function::Vf { pf, index: Some(vf) },
        ..Device::unknown(id.clone())
    })
}

/// The hardware with those of `ids` that are hidden in pods: netdevsim's ports, and further ports of a PCI function.
pub(super) fn with_hidden<'a>(
    sysfs: &Sysfs,
    hardware: &Arc<Hardware>,
    ids: impl IntoIterator<Item = &'a DeviceId>,
) -> Arc<Hardware> {
    let missing: BTreeSet<&DeviceId> = ids
        .into_iter()
        .filter(|id| hardware.inventory.get(id).is_none())
        .filter(|id| matches!(id, DeviceId::Netdevsim(_) | DeviceId::PciPort { .. }))
        .collect();
    let ports: Vec<&DeviceId> = missing.iter().filter(|id| id.is_further_port()).copied().collect();
    let hidden: Vec<Device> = missing
        .into_iter()
        .filter_map(|id| hidden_port(sysfs, hardware, id))
        .collect();
    if hidden.is_empty() && ports.is_empty() {
        return Arc::clone(hardware);
    }
    let mut seen = Hardware::clone(hardware);
    seen.inventory.devices.extend(hidden);
    seen.inventory.devices.sort_by(|a, b| a.id.cmp(&b.id));
    for port in ports {
        seen.inventory.keep_port(sysfs, port);
    }
    Arc::new(seen)
}

// === impl Manager ===

impl Manager {
    /// Starts what is to be done and not being done.
    pub(super) fn start_jobs(&mut self) {
        if self.inspects_after.is_some_and(|looks| looks <= self.scans) {
            self.inspects_after = None;
            self.inspect();
        }
        if self.is_inspecting || !self.baselines.is_wanted() {
            return;
        }
        self.is_inspecting = true;
        // While events settle and the hardware is read, the kubelet is asked; the VFs come after both. Whatever it allocates
        // meanwhile is noted as an Allocate.
        let looks = self.scans + u64::from(self.is_scanning) + u64::from(self.debounce.due().is_some());
        let podresources = self.podresources.clone();
        self.jobs
            .spawn(async move { Done::PodResources(podresources.held().await, looks) });
    }

    /// Reads again what is stale.
    pub(super) fn scan(&mut self) {
        self.is_scanning = true;
        let stale = std::mem::take(&mut self.stale);
        debug!(?stale, "reading");
        let (sysfs, hardware) = (self.context.sysfs.clone(), Arc::clone(&self.hardware));
        let pools: Vec<_> = self.pools.iter().map(|running| running.pool.clone()).collect();
        self.jobs.spawn(async move {
            let read = spawn_blocking(move || {
                let mut hardware = Hardware::clone(&hardware);
                hardware.reread(&sysfs, &stale);
                hardware.read_details(&sysfs, &pools);
                Arc::new(hardware)
            });
            read.await.map_or_else(Done::Failed, Done::Read)
        });
    }

    /// Looks for what stands on devices from other namespaces.
    pub(super) fn search_uppers(&mut self) {
        let sysfs = self.context.sysfs.clone();
        self.jobs.spawn(async move {
            let begin = Instant::now();
            let found = spawn_blocking(move || find_uppers(&sysfs)).await;
            let found = found
                .map_err(|error| error.to_string())
                .and_then(|found| found.map_err(|error| error.to_string()));
            Done::Searched(found, begin.elapsed())
        });
    }

    pub(super) fn on_done(&mut self, done: Done) {
        match done {
            Done::Read(hardware) => {
                self.is_scanning = false;
                self.scans += 1;
                self.read(hardware);
            }
            Done::Searched(found, took) => {
                debug!(?found, ?took, "looked into all namespaces");
                self.search.found(found, took, Instant::now());
                self.refresh();
            }
            Done::PodResources(held, looks) => {
                self.asked_kubelet(held);
                self.inspects_after = Some(looks);
            }
            Done::Inspected(results) => {
                self.is_inspecting = false;
                for (inspected, events) in results {
                    self.baselines.found(inspected, events);
                }
                self.reconcile(&BTreeSet::new());
            }
            Done::Failed(error) => self.lost(&error),
        }
    }

    /// A job that panicked: what it should have done is done again with the next event.
    pub(super) fn lost(&mut self, failed: &JoinError) {
        if !failed.is_cancelled() {
            error!("a job failed: {failed}");
        }
        (self.is_scanning, self.is_inspecting, self.search.is_running) = (false, false, false);
        self.scans += 1;
    }

    /// Takes over what was read.
    fn read(&mut self, hardware: Arc<Hardware>) {
        let before = std::mem::replace(&mut self.hardware, hardware);
        let now = Instant::now();
        for pool in &mut self.pools {
            for (id, entry) in &mut pool.entries {
                entry.ghost = match (self.hardware.inventory.get(id), entry.ghost.take()) {
                    (Some(_), _) => None,
                    (None, Some(ghost)) => Some(ghost),
                    (None, None) => before.inventory.get(id).cloned().map(Box::new),
                };
            }
        }
        let changed = differing(&before, &self.hardware);
        for id in &changed {
            let device = self.hardware.inventory.get(id);
            if device.is_none() && id.pci().is_some() {
                self.baselines.forget(id);
            }
            // New ones are heard of before they are known: their PFs are told of them now.
            let is_new = before.inventory.get(id).is_none();
            if let Some(pf) = device.and_then(pf_for).filter(|_| is_new) {
                self.baselines.happened(pf, now);
            }
        }
        for (device, reason) in self
            .hardware
            .inventory
            .skipped
            .iter()
            .map(|skipped| (&skipped.name, &skipped.reason))
        {
            if !before.inventory.skipped.iter().any(|old| old.name == *device) {
                warn!(%device, "skipped: {reason}");
            }
        }
        self.refresh_with(&changed);
    }

    /// Places the devices anew.
    pub(super) fn refresh(&mut self) {
        self.refresh_with(&BTreeSet::new());
    }

    fn refresh_with(&mut self, changed: &BTreeSet<DeviceId>) {
        let listed = self.pools.iter().flat_map(|pool| pool.entries.keys());
        let ids = self.attachments.keys().chain(listed);
        self.seen = with_hidden(&self.context.sysfs, &self.hardware, ids);
        let host_uses = upper_uses(self.search.uppers.as_deref().unwrap_or_default(), &self.seen.inventory);
        if self.seen.upper_uses != host_uses {
            Arc::make_mut(&mut self.seen).upper_uses = host_uses;
        }
        let pools: Vec<_> = self.pools.iter().map(|running| running.pool.clone()).collect();
        let assignment = assign(&self.seen, &pools);
        self.log_assignment(&self.assignment, &assignment);
        self.assignment = assignment;
        let state = &self.context.state;
        self.search
            .write(state, &self.boot, &self.pools, &self.assignment, &self.seen);
        self.reconcile(changed);
    }

    fn asked_kubelet(&mut self, held: Result<Held, PodResourcesError>) {
        match held {
            Ok(held) => {
                self.allocations.account(&held);
                if !self.attachments.is_empty() {
                    given_away::held(&self.context, &held);
                }
                for pool in &self.pools {
                    let is_held = |id: &&DeviceId| held.holder(&id.to_string()).is_some();
                    let count = pool.entries.keys().filter(is_held).count();
                    self.metrics.held(&pool.pool.resource, count);
                }
                self.held = Some(held);
            }
            Err(error) => {
                if self.held.is_some() {
                    warn!("which pod holds which device is not known: {error}");
                } else {
                    debug!("which pod holds which device is not known: {error}");
                }
                self.held = None;
            }
        }
        self.outstanding();
    }

    /// Looks at the VFs that are to be looked at.
    fn inspect(&mut self) {
        let tasks = self.tasks();
        let looked_at: HashSet<DeviceId> = tasks
            .iter()
            .flat_map(|(task, _)| task.vfs.iter().map(|vf| vf.id.clone()))
            .collect();
        self.baselines.refuse_adoptions_but(&looked_at);
        if tasks.is_empty() {
            self.is_inspecting = false;
            self.reconcile(&BTreeSet::new());
            return;
        }
        let (context, boot, hardware) = (self.context.clone(), self.boot.clone(), Arc::clone(&self.hardware));
        self.jobs.spawn(async move {
            let looked = spawn_blocking(move || {
                let look = |(task, events): (Task, u64)| (inspect(&context, &boot, &hardware, &task), events);
                tasks.into_iter().map(look).collect()
            });
            looked.await.map_or_else(Done::Failed, Done::Inspected)
        });
    }

    /// The VFs to look at, by PF.
    fn tasks(&mut self) -> Vec<(Task, u64)> {
        let wanted = self.baselines.take_wanted(Instant::now());
        let mut tasks = Vec::new();
        for (pf, events, settled, only_vfs) in wanted {
            let vfs = self.vfs(&pf);
            if !vfs.is_empty() {
                let generation = self.baselines.generation;
                let task = Task {
                    pf,
                    generation,
                    settled,
                    only_vfs,
                    vfs,
                };
                tasks.push((task, events));
            }
        }
        tasks
    }

    fn vfs(&self, pf: &DeviceId) -> Vec<VfToInspect> {
        let mut vfs = Vec::new();
        for pool in &self.pools {
            for id in pool.entries.keys() {
                let Some(device) = self.hardware.inventory.get(id).filter(|device| device.pf() == Some(pf)) else {
                    continue;
                };
                let usage = self.usage(id);
                // Between drivers, or on its way back from a pod: there will be another event.
                let is_between = device.netdevs.is_empty() && has_kernel_driver(device) || device.driver.is_none();
                let is_free = usage == Usage::Free && !is_between;
                let is_known = vfs.iter().any(|vf: &VfToInspect| vf.id == *id);
                if is_known || !is_free && self.baselines.is_distrusted(id) || usage == Usage::Unknown {
                    continue;
                }
                vfs.push(VfToInspect {
                    id: id.clone(),
                    is_free,
                    adopt: pool.pool.on_change == OnChange::Adopt || self.baselines.is_adopting(id),
                    ours: self.baselines.ended.contains(id),
                    rebound: self.baselines.rebound.contains(id),
                    unwatched: self.baselines.is_distrusted(id),
                });
            }
        }
        vfs
    }
}

/// The devices that came, went or changed.
fn differing(before: &Hardware, now: &Hardware) -> BTreeSet<DeviceId> {
    let changed = now
        .inventory
        .devices
        .iter()
        .filter(|device| before.inventory.get(&device.id) != Some(*device));
    let gone = before
        .inventory
        .devices
        .iter()
        .filter(|device| now.inventory.get(&device.id).is_none());
    changed.chain(gone).map(|device| device.id.clone()).collect()
}
