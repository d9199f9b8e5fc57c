//! What the kernel tells, and who hears of it: the scanner (what is to be read again), the baselines (whose records are in
//! force no more) and the search for upper devices.

use hardwire_pci::{Device, DeviceId};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::scanner::{Scanner, pf_for, pfs, pfs_of_netdevsim};
use super::upper_search::UpperSearch;
use crate::events::{Change, DevicePath, Event};
use crate::health::baselines::Baselines;

/// Who hears of what the kernel tells.
#[derive(Debug)]
pub(super) struct Hearers<'a> {
    pub(super) scanner: &'a mut Scanner,
    pub(super) baselines: &'a mut Baselines,
    pub(super) search: &'a mut UpperSearch,
}

/// The VFs of whose PF the event is, if it matters whether an attachment of ours makes it.
pub(super) fn vfs_concerned(scanner: &Scanner, baselines: &Baselines, event: &Event) -> Vec<DeviceId> {
    let hardware = scanner.hardware();
    let device = match event {
        Event::Device {
            path: DevicePath::Pci(address),
            ..
        } => hardware.inventory.get(&DeviceId::Pci(*address)),
        Event::Link(index) => hardware.owner_of(*index),
        _ => None,
    };
    let Some(pf) = device.and_then(pf_for).filter(|pf| baselines.is_in_force(pf)) else {
        return Vec::new();
    };
    let vfs = hardware.inventory.devices.iter();
    vfs.filter(|device| device.pf() == Some(pf))
        .map(|device| device.id.clone())
        .collect()
}

// === impl Hearers ===

impl Hearers<'_> {
    /// Anything may have happened.
    pub(super) fn on_everything(&mut self, now: Instant) {
        for pf in pfs(self.scanner.hardware()) {
            self.baselines.happened(&pf, now);
        }
        self.scanner.on_everything(now);
        self.search.want(now);
    }

    pub(super) fn on_event(&mut self, event: Event, is_ours: bool, now: Instant) {
        debug!(?event, "event");
        match event {
            Event::Deaf(origin, reason) => {
                error!("{origin} are heard no more: {reason}; reading everything again");
                self.on_everything(now);
            }
            Event::Overrun | Event::Malformed(_) => {
                warn!("events were lost: reading everything again");
                self.on_everything(now);
            }
            Event::CharacterDevices => self.scanner.on_character_devices(None, now),
            Event::Device {
                path,
                change: Change::CharacterDevices,
            } => self.scanner.on_character_devices(Some(path), now),
            Event::Device { path, change } => self.on_device(path, change, is_ours, now),
            Event::Link(index) => {
                let device = self.scanner.hardware().owner_of(index).cloned();
                let path = device.as_ref().and_then(|device| DevicePath::of_device(&device.id));
                if let (Some(device), Some(path)) = (device, path) {
                    self.scanner.on_path(path, now);
                    self.search.want(now);
                    self.pf_happened(&device, true, is_ours, now);
                }
            }
            Event::Address(index) | Event::DefaultRoute(Some(index)) => {
                let owner = self.scanner.hardware().owner_of(index).map(|device| device.id.clone());
                if let Some(id) = owner {
                    self.scanner.on_use(Some(id), now);
                }
            }
            Event::DefaultRoute(None) => self.scanner.on_use(None, now),
        }
    }

    fn on_device(&mut self, path: DevicePath, change: Change, is_ours: bool, now: Instant) {
        let id = match &path {
            DevicePath::Pci(address) => Some(DeviceId::Pci(*address)),
            _ => None,
        };
        match (&id, change) {
            // Under an id that another device may have had.
            (Some(id), Change::Added | Change::Removed) => self.baselines.forget(id),
            (Some(id), Change::Driver) => drop(self.baselines.rebound.insert(id.clone())),
            _ => {}
        }
        if let DevicePath::Netdevsim(number) = path {
            for pf in pfs_of_netdevsim(self.scanner.hardware(), number) {
                self.baselines.happened(&pf, now);
            }
        }
        let device = id.and_then(|id| self.scanner.hardware().inventory.get(&id)).cloned();
        self.scanner.on_path(path, now);
        self.search.want(now);
        if let Some(device) = device {
            self.pf_happened(&device, false, is_ours, now);
        }
    }

    /// Something happened to a PF or to one of its VFs. Each ADD and DEL is such an event too: if each put all records of the PF
    /// out of use, many at once would go back to asking the PF.
    fn pf_happened(&mut self, device: &Device, of_link: bool, is_ours: bool, now: Instant) {
        let Some(pf) = pf_for(device) else { return };
        let in_force = self.baselines.is_in_force(pf);
        if in_force && (is_ours || self.baselines.was_ours(pf, now)) {
            self.baselines.happened_by_us(pf, now, is_ours);
        } else if of_link && device.pf().is_some() {
            self.baselines.happened_to_vf(pf, now);
        } else {
            self.baselines.happened(pf, now);
        }
    }
}
