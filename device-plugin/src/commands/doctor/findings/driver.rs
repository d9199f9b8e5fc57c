//! Devices without a driver, and with another one than their pool asks for.

use std::collections::BTreeMap;

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::{Device, Function};

use super::commands::{for_each, of_plain_words, plain_word};
use super::iommu::{IOMMU, has_no_iommu};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::state::Attached;
use crate::commands::doctor::finding::{Cause, Finding, Mend, Severity};
use crate::commands::doctor::name::Name;
use crate::config::{Pool, is_vfio};
use crate::pools::{PoolMatch, Reason};

/// As many groups of VFIO as a person looks at.
const SHOWN: usize = 4;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = missing(facts);
    found.extend(wrong(facts));
    found
}

/// What a device that misses its driver is told under: its PF, or itself.
pub(super) fn subject(facts: &Facts, device: &Device) -> String {
    facts.hardware.called(device.pf().unwrap_or(&device.id))
}

/// Devices of pools, or that pools wait for, without a driver.
pub(super) fn without_driver(facts: &Facts) -> impl Iterator<Item = &Device> {
    let devices = facts.hardware.hardware.inventory.devices.iter();
    devices.filter(|device| device.driver.is_none() && is_wanted(facts, device))
}

fn is_wanted(facts: &Facts, device: &Device) -> bool {
    let is_function = matches!(device.function, Function::Vf { .. } | Function::Sf { .. });
    match facts.hardware.assignment.matches.get(&device.id) {
        Some(PoolMatch::Pool(_)) => true,
        Some(PoolMatch::Unmatched(Reason::NoDriver)) => is_function || taker(facts, device).is_some(),
        _ => false,
    }
}

/// The first pool that a device misses by its driver alone, and the driver for it: of those that the pool names the one that other
/// devices of its kind have, else the first.
fn taker<'a>(facts: &'a Facts, device: &'a Device) -> Option<(&'a Pool, Option<&'a str>)> {
    let candidate = facts.hardware.hardware.candidate(device);
    let pools = facts.configured.config.pools.iter();
    pools
        .flat_map(|pool| pool.selectors.iter().map(move |selector| (pool, selector)))
        .find(|(_, selector)| selector.mismatches(&candidate).eq(["drivers"]))
        .map(|(pool, selector)| {
            let mut of_its_kind = drivers_of_siblings(facts, device);
            let of_its_kind = of_its_kind.find(|driver| selector.drivers().any(|named| named == *driver));
            (pool, of_its_kind.or_else(|| selector.drivers().next()))
        })
}

/// The drivers of other devices of the same kind.
fn drivers_of_siblings<'a>(facts: &'a Facts, device: &Device) -> impl Iterator<Item = &'a str> {
    let kind = (device.vendor.clone(), device.device.clone());
    let devices = facts.hardware.hardware.inventory.devices.iter();
    let siblings = devices.filter(move |other| (&other.vendor, &other.device) == (&kind.0, &kind.1));
    siblings.filter_map(|sibling| sibling.driver.as_deref())
}

/// The kernel's own driver of another device of the same kind, those of the same pool first. What another one has for user space it
/// was given on purpose.
fn driver_of_siblings<'a>(facts: &'a Facts, device: &Device) -> Option<&'a str> {
    let pool = pool_of(facts, device);
    let is_sibling = |other: &&Device| (&other.vendor, &other.device) == (&device.vendor, &device.device);
    let siblings = facts.hardware.hardware.inventory.devices.iter().filter(is_sibling);
    let with_driver = siblings.filter_map(|sibling| Some((sibling, sibling.driver.as_deref()?)));
    let mut of_kernel: Vec<(bool, &str)> = with_driver
        .filter(|(_, driver)| !is_userspace_driver(driver))
        .map(|(sibling, driver)| (pool.is_some() && pool_of(facts, sibling) == pool, driver))
        .collect();
    of_kernel.sort_by_key(|(is_of_pool, _)| !is_of_pool);
    of_kernel.first().map(|(_, driver)| *driver)
}

/// The pool that a device is in, or misses by its driver alone.
fn pool_of(facts: &Facts, device: &Device) -> Option<String> {
    let is_in = match facts.hardware.assignment.matches.get(&device.id) {
        Some(PoolMatch::Pool(index)) => facts.configured.config.pools.get(*index),
        _ => None,
    };
    let pool = is_in.or_else(|| taker(facts, device).map(|(pool, _)| pool));
    pool.map(|pool| pool.resource.to_string())
}

fn missing(facts: &Facts) -> Vec<Finding> {
    let mut by_subject: BTreeMap<(String, Option<String>), Vec<&Device>> = BTreeMap::new();
    for device in without_driver(facts) {
        let held = facts.hardware.overrides.get(&device.id).map(String::as_str);
        let asked = || taker(facts, device).and_then(|(_, driver)| driver);
        let driver = held.or_else(asked).or_else(|| driver_of_siblings(facts, device));
        let key = (subject(facts, device), driver.map(str::to_owned));
        by_subject.entry(key).or_default().push(device);
    }
    let finding = |((subject, driver), devices): ((String, Option<String>), Vec<&Device>)| {
        let ids: Vec<String> = devices.iter().map(|device| device.id.to_string()).collect();
        let is_loaded = |driver: &str| facts.hardware.drivers.contains(driver);
        let (mend, why) = match &driver {
            Some(driver) if is_userspace_driver(driver) => {
                (bind(driver, &devices, false), format!("{driver} was not bound to it"))
            }
            Some(driver) if is_loaded(driver) => (
                probe(None, &devices),
                format!("{driver} is loaded, and somebody unbound it"),
            ),
            Some(driver) => (probe(Some(driver), &devices), format!("{driver} is not loaded")),
            None => (
                Mend::by_hand("load its driver: modprobe, with what lspci -k names for it"),
                "its module is not loaded, or was unbound".to_owned(),
            ),
        };
        let what = format!("no driver is bound to {}", counted(&ids));
        let found = Finding::mended_by(mend, Name::DriverMissing, Severity::Error, subject, what).because(why);
        let found = found.devices(ids);
        match driver {
            Some(driver) if is_vfio(&driver) => found.after([Cause::of(Name::IommuOff, IOMMU)]),
            _ => found,
        }
    };
    by_subject.into_iter().map(finding).collect()
}

/// VFs only: what else differs in its driver alone may be a NIC that the node lives on.
fn wrong(facts: &Facts) -> Vec<Finding> {
    let mut by_pool: BTreeMap<(String, Option<String>), Vec<&Device>> = BTreeMap::new();
    for device in &facts.hardware.hardware.inventory.devices {
        let found = facts.hardware.assignment.matches.get(&device.id);
        let is_vf = matches!(device.function, Function::Vf { .. });
        let is_left_out = matches!(found, Some(PoolMatch::Unmatched(Reason::Differs(_))));
        if !is_vf || !is_left_out || device.driver.is_none() {
            continue;
        }
        if let Some((pool, driver)) = taker(facts, device) {
            let key = (pool.resource.to_string(), driver.map(str::to_owned));
            by_pool.entry(key).or_default().push(device);
        }
    }
    let finding = |((pool, driver), devices): ((String, Option<String>), Vec<&Device>)| {
        let ids: Vec<String> = devices.iter().map(|device| device.id.to_string()).collect();
        let mut has: Vec<&str> = devices.iter().filter_map(|device| device.driver.as_deref()).collect();
        has.sort_unstable();
        has.dedup();
        let asked = driver.as_deref().unwrap_or("another one");
        let what = format!(
            "{} would be in it, bound to {asked}; bound is {}",
            counted(&ids),
            has.join(" and ")
        );
        let mend = match (&driver, not_free(facts, &devices)) {
            (_, Some(why)) => Mend::by_hand(format!(
                "bind the driver that the pool asks for once they are free: {why}"
            )),
            (Some(driver), None) => bind(driver, &devices, true),
            (None, None) => Mend::by_hand("bind a driver that the pool's selectors take"),
        };
        let mend = match in_user_space(facts, &devices) {
            Some(how) => mend.once(how),
            None => mend,
        };
        // What is left to the node on purpose looks like this, where the pool has others.
        let (severity, why, mend) = if is_empty(facts, &pool) {
            let why = "the pool has no device, and these have another driver than it asks for";
            (Severity::Error, why, mend)
        } else {
            let why = "the pool has other devices, and these have another driver than it asks for";
            let mend = mend.once(
                "they may be left to this node on purpose (a virtual machine's, say): then leave them, or give the pool a \
                 selector that does without them",
            );
            (Severity::Note, why, mend)
        };
        let found = Finding::mended_by(mend, Name::WrongDriver, severity, pool, what).because(why);
        let found = found.devices(ids);
        match driver {
            Some(driver) if is_vfio(&driver) && has_no_iommu(facts) => found.after([Cause::of(Name::IommuOff, IOMMU)]),
            _ => found,
        }
    };
    by_pool.into_iter().map(finding).collect()
}

fn is_empty(facts: &Facts, resource: &str) -> bool {
    let pools = facts.configured.config.pools.iter().enumerate();
    let of_name = pools.filter(|(_, pool)| pool.resource.to_string() == resource);
    of_name
        .map(|(index, _)| facts.hardware.assignment.devices(index).next().is_none())
        .next()
        .unwrap_or_default()
}

/// Why devices are not known to be free: the ledger decides, of the journal and the kubelet, which must be heard.
fn not_free(facts: &Facts, devices: &[&Device]) -> Option<String> {
    let Ok(held) = &facts.kubelet.held else {
        return Some("the kubelet does not tell who has which".to_owned());
    };
    if let Some(why) = &facts.state.unknown {
        return Some(format!("what is attached is not known: {why}"));
    }
    if facts.state.is_unread || !facts.state.unreadable.is_empty() {
        return Some("the journal cannot be read".to_owned());
    }
    devices.iter().find_map(|device| {
        let id = device.id.to_string();
        let attached = facts.state.attachments.get(&device.id).map(Attached::owner);
        let owner = attached.or_else(|| {
            let holder = held.holder(&id)?;
            Some(format!("{}/{}", holder.namespace, holder.pod))
        })?;
        Some(format!("{id} is {owner}'s"))
    })
}

/// What a person has to look at where devices may be driven outside of Kubernetes, which neither journal nor kubelet knows. VFIO
/// enables a function while somebody has it open; UIO does from the start.
fn in_user_space(facts: &Facts, devices: &[&Device]) -> Option<String> {
    let is_for_user_space = |device: &&&Device| device.driver.as_deref().is_some_and(is_userspace_driver);
    let of_user_space = devices.iter().filter(is_for_user_space);
    let maybe_open: Vec<&&Device> = of_user_space
        .filter(|device| !facts.hardware.closed.contains(&device.id))
        .collect();
    if maybe_open.is_empty() {
        return None;
    }
    let nodes: Vec<String> = maybe_open
        .iter()
        .filter_map(|device| Some(format!("/dev/vfio/{}", device.iommu_group?)))
        .collect();
    let nodes = if nodes.len() == maybe_open.len() && nodes.len() <= SHOWN {
        nodes.join(" ")
    } else {
        "/dev/vfio/* /dev/uio*".to_owned()
    };
    Some(format!(
        "see that nobody has them outside of Kubernetes, a virtual machine or DPDK (fuser -v {nodes})"
    ))
}

/// PCI addresses: no other device is bound to drivers by its name.
fn addresses(devices: &[&Device]) -> Option<Vec<String>> {
    let address = |device: &&Device| device.id.pci().map(|address| address.to_string());
    devices.iter().map(address).collect()
}

/// A driver that takes any device is bound by `driver_override`; others know theirs, where no override is in the way. Nothing is
/// unbound without the driver that is to come.
fn bind(driver: &str, devices: &[&Device], is_bound: bool) -> Mend {
    let command = || {
        let (driver, devices) = (plain_word(driver)?, addresses(devices)?);
        let device = "/sys/bus/pci/devices/$d";
        let wanted = if is_userspace_driver(driver) {
            format!("echo {driver}")
        } else {
            "echo".to_owned()
        };
        let unbind = if is_bound {
            format!("echo $d > {device}/driver/unbind && ")
        } else {
            String::new()
        };
        let each = format!("{wanted} > {device}/driver_override && {unbind}echo $d > /sys/bus/pci/drivers_probe");
        Some(format!("modprobe {driver} && {}", for_each(&devices, &each)))
    };
    of_plain_words(command(), format!("bind {driver:?} to them"))
}

/// Has the kernel look for drivers again, after loading one.
fn probe(driver: Option<&str>, devices: &[&Device]) -> Mend {
    let command = || {
        let probe = for_each(&addresses(devices)?, "echo $d > /sys/bus/pci/drivers_probe");
        Some(match driver {
            Some(driver) => format!("modprobe {} && {probe}", plain_word(driver)?),
            None => probe,
        })
    };
    of_plain_words(command(), format!("load {:?} and bind it", driver.unwrap_or_default()))
}

fn counted(ids: &[String]) -> String {
    match ids {
        [only] => only.clone(),
        ids => format!("{} devices", ids.len()),
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
