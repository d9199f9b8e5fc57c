//! What hardware is here, and which part of that is to be read again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hardwire_pci::{Device, DeviceId, Function};
use tokio::time::Instant;
use tracing::warn;

use crate::events::DevicePath;
use crate::events::debounce::Debounce;
use crate::pools::{Hardware, HostUse, Profiles, Stale};

/// Before what a lost scan should have read is read again.
const RETRY: Duration = Duration::from_secs(1);

/// The hardware as it was read last, and what is stale of it.
#[derive(Debug)]
pub(super) struct Scanner {
    /// As it was read.
    hardware: Arc<Hardware>,
    /// The same, with what is hidden in pods and with what is on devices from other namespaces.
    seen: Arc<Hardware>,
    stale: Stale,
    debounce: Debounce,
    state: State,
    scans: u64,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// This is being read.
    Scanning(Stale),
}

// === impl Scanner ===

impl Scanner {
    pub(super) fn new(hardware: Arc<Hardware>) -> Self {
        Self {
            seen: Arc::clone(&hardware),
            hardware,
            stale: Stale::default(),
            debounce: Debounce::default(),
            state: State::Idle,
            scans: 0,
        }
    }

    /// The hardware that is to be seen from the host's namespace.
    pub(super) fn hardware(&self) -> &Arc<Hardware> {
        &self.hardware
    }

    /// The hardware with what is hidden.
    pub(super) fn seen(&self) -> &Arc<Hardware> {
        &self.seen
    }

    /// Something changed there.
    pub(super) fn on_path(&mut self, path: DevicePath, now: Instant) {
        self.stale.paths.insert(path);
        self.debounce.on_event(now);
    }

    /// Whether the node uses the device may have changed; any device, with `None`.
    pub(super) fn on_use(&mut self, device: Option<DeviceId>, now: Instant) {
        match device {
            Some(id) => drop(self.stale.used.insert(id)),
            None => self.stale.all_used = true,
        }
        self.debounce.on_event(now);
    }

    /// What containers get with this device, or with any, is to be read again.
    pub(super) fn on_character_devices(&mut self, path: Option<DevicePath>, now: Instant) {
        match path {
            Some(path) => drop(self.stale.character_devices.insert(path)),
            None => self.stale.all_character_devices = true,
        }
        self.debounce.on_event(now);
    }

    /// Everything is to be read again.
    pub(super) fn on_everything(&mut self, now: Instant) {
        self.stale = Stale::everything();
        self.debounce.on_event(now);
    }

    /// What selectors ask for is to be read, and nothing else.
    pub(super) fn want(&mut self, now: Instant) {
        self.debounce.on_event(now);
    }

    /// When the next scan begins.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Idle => self.debounce.due(),
            State::Scanning(_) => None,
        }
    }

    /// What is to be read now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Stale> {
        if !matches!(self.state, State::Idle) || !self.debounce.take(now) {
            return None;
        }
        let stale = std::mem::take(&mut self.stale);
        self.state = State::Scanning(stale.clone());
        Some(stale)
    }

    /// How many scans there will have been when all that is known to be stale now was read.
    pub(super) fn scans_until_current(&self) -> u64 {
        let running = matches!(self.state, State::Scanning(_));
        self.scans + u64::from(running) + u64::from(self.debounce.due().is_some())
    }

    /// How many scans there were.
    pub(super) fn scans(&self) -> u64 {
        self.scans
    }

    /// Takes over what was read; returns what was known before, and what was stale of it.
    pub(super) fn scanned(&mut self, hardware: Arc<Hardware>) -> (Arc<Hardware>, Stale) {
        let stale = match std::mem::take(&mut self.state) {
            State::Scanning(stale) => stale,
            State::Idle => Stale::default(),
        };
        self.scans += 1;
        let is_new = |name: &str| !self.hardware.inventory.skipped.iter().any(|old| old.name == name);
        for skipped in hardware
            .inventory
            .skipped
            .iter()
            .filter(|skipped| is_new(&skipped.name))
        {
            warn!(device = skipped.name, "skipped: {}", skipped.reason);
        }
        (std::mem::replace(&mut self.hardware, hardware), stale)
    }

    /// The scan came to nothing: what it should have read is stale again.
    pub(super) fn lost(&mut self, now: Instant) {
        if let State::Scanning(lost) = std::mem::take(&mut self.state) {
            self.stale.all |= lost.all;
            self.stale.all_used |= lost.all_used;
            self.stale.paths.extend(lost.paths);
            self.stale.used.extend(lost.used);
            self.stale.all_character_devices |= lost.all_character_devices;
            self.stale.character_devices.extend(lost.character_devices);
        }
        self.scans += 1;
        self.debounce.on_event(now + RETRY);
    }

    /// Takes over the hardware with what is hidden.
    pub(super) fn show(&mut self, seen: Arc<Hardware>) {
        self.seen = seen;
    }

    /// Takes over what is known of DDP profiles.
    pub(super) fn show_profiles(&mut self, profiles: &Profiles) {
        profiles.apply(&mut self.seen);
    }

    /// Takes over which devices something is on from other namespaces.
    pub(super) fn show_uppers(&mut self, uses: std::collections::BTreeMap<DeviceId, HostUse>) {
        if self.seen.upper_uses != uses {
            Arc::make_mut(&mut self.seen).upper_uses = uses;
        }
    }
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

/// The devices that came, went or changed.
pub(super) fn differing(before: &Hardware, now: &Hardware) -> BTreeSet<DeviceId> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lost_scan_had_taken_is_read_by_the_next() {
        let begin = Instant::now();
        let later = begin + Duration::from_secs(2);
        let mut scanner = Scanner::new(Arc::default());
        scanner.on_path(DevicePath::Netdevsim(1), begin);
        scanner.on_use(None, begin);
        scanner.on_character_devices(None, begin);
        let taken = scanner.take(later).unwrap();
        assert!(scanner.take(later).is_none());
        scanner.on_path(DevicePath::Netdevsim(2), later);
        assert_eq!(scanner.scans_until_current(), 2);
        scanner.lost(later);
        assert!(scanner.take(later).is_none(), "not in a hurry");
        let again = scanner.take(later + 2 * RETRY).unwrap();
        assert!(again.all_used && again.all_character_devices && again.paths.is_superset(&taken.paths));
        assert_eq!(again.paths.len(), 2);
    }
}
