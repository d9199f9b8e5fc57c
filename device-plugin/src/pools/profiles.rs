//! Which adapter is loaded with which DDP profile: what is known, what is being asked for, and what is to be asked.
//!
//! The functions of one adapter, and with them all VFs, work with one package: the ice driver takes over what the driver of
//! another function has loaded (`ICE_DDP_PKG_ALREADY_LOADED`, `drivers/net/ethernet/intel/ice/ice_ddp.c`). So each adapter is
//! asked for once, and only one that has a device which a selector takes but for its profile. Asking takes a process, and is done
//! elsewhere ([`super::ddp`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardwire_pci::{Device, DeviceId, Function, Inventory, PciAddress};
use tracing::{debug, warn};

use super::Hardware;
use super::ddp::DdpError;
use crate::config::{DdpProfile, Detail, DeviceType, Pool};

/// What is known of the node's adapters, each by the first function at its place.
#[derive(Debug, Default)]
pub struct Profiles {
    adapters: BTreeMap<PciAddress, Adapter>,
    /// Why there was no answer, each cause once.
    told: BTreeSet<String>,
    /// Some pool selects by profiles.
    wanted: bool,
}

#[derive(Debug)]
struct Adapter {
    profile: DdpProfile,
    /// Somebody asks, or has asked.
    asked: bool,
}

// === impl Profiles ===

impl Profiles {
    /// The functions to ask about, each once: those of adapters about which nothing is known and a pool wants to know it.
    #[must_use]
    pub fn to_ask(&mut self, hardware: &Hardware, pools: &[Pool]) -> Vec<PciAddress> {
        self.wanted = pools.iter().any(|pool| pool.asks().contains(&Detail::DdpProfile));
        let wanted = if self.wanted {
            wanted(hardware, pools)
        } else {
            BTreeMap::new()
        };
        // One without a driver may be loaded with another package when it has one again.
        self.adapters.retain(|adapter, _| wanted.contains_key(adapter));
        let mut functions = Vec::new();
        for (adapter, function) in wanted {
            let adapter = self.adapters.entry(adapter).or_insert(Adapter {
                profile: DdpProfile::Unknown,
                asked: false,
            });
            if !std::mem::replace(&mut adapter.asked, true) {
                functions.push(function);
            }
        }
        functions
    }

    /// Takes over an answer.
    pub fn answered(&mut self, function: PciAddress, answer: Result<String, DdpError>) {
        let profile = match answer {
            Ok(profile) => DdpProfile::Named(profile),
            Err(error) => {
                self.tell(function, &error.to_string());
                DdpProfile::None
            }
        };
        if let Some(adapter) = self.adapters.get_mut(&function.first_function()) {
            adapter.profile = profile;
        }
    }

    /// Everything is asked for once more. Until it is answered, what was known counts.
    pub fn ask_again(&mut self) {
        self.told.clear();
        for adapter in self.adapters.values_mut() {
            adapter.asked = false;
        }
    }

    /// Nobody is going to answer what is being asked for.
    pub fn give_up(&mut self) {
        for adapter in self.adapters.values_mut() {
            if adapter.profile == DdpProfile::Unknown {
                adapter.profile = DdpProfile::None;
            }
        }
    }

    /// Puts what is known into the details of the devices, if anybody wants to know.
    pub fn apply(&self, hardware: &mut Arc<Hardware>) {
        if !self.wanted {
            return;
        }
        let profile = |id: &DeviceId, inventory: &Inventory| {
            let adapter = inventory.get(id).and_then(adapter_of);
            let known = adapter.and_then(|adapter| self.adapters.get(&adapter));
            known.map_or(DdpProfile::None, |adapter| adapter.profile.clone())
        };
        let mut details = hardware.details.iter();
        if details.all(|(id, details)| details.ddp_profile == profile(id, &hardware.inventory)) {
            return;
        }
        let Hardware { inventory, details, .. } = Arc::make_mut(hardware);
        for (id, details) in details {
            details.ddp_profile = profile(id, inventory);
        }
    }

    fn tell(&mut self, function: PciAddress, why: &str) {
        if self.told.insert(why.to_owned()) {
            warn!(adapter = %function, "no DDP profile is known, and no selector with one matches: {why}");
        } else {
            debug!(adapter = %function, "no DDP profile is known: {why}");
        }
    }
}

/// The adapters of devices that some selector takes but for their profile, and the function to ask about.
fn wanted(hardware: &Hardware, pools: &[Pool]) -> BTreeMap<PciAddress, PciAddress> {
    let mut wanted = BTreeMap::new();
    for device in &hardware.inventory.devices {
        let Some(adapter) = adapter_of(device).filter(|adapter| !wanted.contains_key(adapter)) else {
            continue;
        };
        let candidate = hardware.candidate(device);
        let mut pools = pools.iter().filter(|pool| pool.device_type == DeviceType::of(device));
        if pools.any(|pool| pool.selectors.iter().any(|selector| selector.wants_profile(&candidate)))
            && let Some(function) = function_to_ask(&hardware.inventory, adapter, device)
        {
            wanted.insert(adapter, function);
        }
    }
    wanted
}

/// Of a VF the adapter of its PF. One whose PF is not to be seen has nothing but itself.
fn adapter_of(device: &Device) -> Option<PciAddress> {
    let function = device.pf().unwrap_or(&device.id).pci()?;
    Some(function.first_function())
}

/// The first function of the adapter that a driver is bound to, which the tool needs. VFs are no adapters to the tool.
fn function_to_ask(inventory: &Inventory, adapter: PciAddress, device: &Device) -> Option<PciAddress> {
    let is_its = |other: &&Device| {
        let is_vf = matches!(other.function, Function::Vf { .. } | Function::Sf { .. });
        !is_vf && adapter_of(other) == Some(adapter)
    };
    let mut functions = inventory.devices.iter().filter(is_its).peekable();
    if functions.peek().is_none() {
        return device.id.pci();
    }
    let mut driven = functions.filter(|function| function.driver.is_some());
    driven.next()?.id.pci()
}

#[cfg(test)]
#[path = "profiles_tests.rs"]
mod tests;
