//! Which PFs an entry is about: all fields must match, any value within a field, with the words and globs of a pool's selectors.

use super::super::object::{BadField, Item, Object};
use super::super::pattern::{Choice, Pattern};
use super::super::pf_selector::is_address;
use super::super::selector_fields::{driver, hex, mac, numa_node};

/// What a PF is known by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PfIdentity {
    /// Its place on the bus.
    pub address: String,
    /// The name of its interface.
    pub name: Option<String>,
    /// The alternative names of that.
    pub altnames: Vec<String>,
    /// The address that it has and the one that it was made with.
    pub macs: Vec<String>,
    /// PCI vendor.
    pub vendor: String,
    /// PCI device.
    pub device: String,
    /// The bound driver.
    pub driver: Option<String>,
    /// The NUMA node; none where the kernel knows none.
    pub numa_node: Option<u32>,
}

/// A conjunction of conditions, of which there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PfSelection {
    vendors: Choice<String>,
    devices: Choice<String>,
    drivers: Choice<Pattern>,
    names: Choice<Pattern>,
    altnames: Choice<Pattern>,
    macs: Choice<Pattern>,
    addresses: Choice<Pattern>,
    numa_nodes: Choice<i64>,
}

// === impl PfSelection ===

impl PfSelection {
    /// Whether a PF is meant.
    pub fn matches(&self, pf: &PfIdentity) -> bool {
        let any = |choice: &Choice<Pattern>, texts: &[String]| {
            choice.is_empty() || !texts.is_empty() && choice.takes(|entry| texts.iter().any(|text| entry.matches(text)))
        };
        let name: Vec<String> = pf.name.iter().cloned().collect();
        let node = pf.numa_node.map_or(-1, i64::from);
        self.vendors.takes(|id| *id == pf.vendor)
            && self.devices.takes(|id| *id == pf.device)
            && self
                .drivers
                .takes_known(pf.driver.as_ref(), |entry, driver| entry.matches(driver))
            && any(&self.names, &name)
            && any(&self.altnames, &pf.altnames)
            && any(&self.macs, &pf.macs)
            && self.addresses.takes(|entry| entry.matches(&pf.address))
            && self.numa_nodes.takes(|entry| *entry == node)
    }

    pub(super) fn take(entry: &mut Object) -> Result<Self, BadField> {
        let value = entry.value("selectors")?.unwrap_or_default();
        let expected = "expected an object that says of which PFs, as in {\"pfNames\": [\"ens1f0\"]}";
        if !value.is_object() {
            return Err(BadField::new(entry.field("selectors"), &value, expected));
        }
        let mut object = Object::new(&entry.field("selectors"), value.clone())?;
        let vendor = "expected a vendor id of four hexadecimal digits, as in 8086";
        let device = "expected a device id of four hexadecimal digits, as in 1572";
        let selection = Self {
            vendors: Choice::parse(object.strings("vendors")?, hex(vendor))?,
            devices: Choice::parse(object.strings("devices")?, hex(device))?,
            drivers: Choice::parse(object.strings("drivers")?, driver)?,
            names: Choice::parse(object.strings("pfNames")?, name)?,
            altnames: Choice::parse(object.strings("pfAltNames")?, name)?,
            macs: Choice::parse(object.strings("pfMacs")?, mac_of_pf)?,
            addresses: Choice::parse(object.strings("rootDevices")?, address)?,
            numa_nodes: Choice::parse(object.scalars("numaNodes")?, numa_node)?,
        };
        let at = object.field("");
        let at = at.trim_end_matches('.');
        if let Some(unknown) = object.unknown().into_iter().next() {
            let expected = "a PF is selected by vendors, devices, drivers, pfNames, pfAltNames, pfMacs, rootDevices and numaNodes only";
            return Err(BadField::new(unknown.field, &unknown.value, expected));
        }
        if selection.is_empty() {
            return Err(BadField::new(at, &value, expected));
        }
        Ok(selection)
    }

    fn is_empty(&self) -> bool {
        let patterns = [&self.drivers, &self.names, &self.altnames, &self.macs, &self.addresses];
        let ids = [&self.vendors, &self.devices];
        patterns.into_iter().all(Choice::is_empty)
            && ids.into_iter().all(Choice::is_empty)
            && self.numa_nodes.is_empty()
    }
}

fn name(item: &Item) -> Result<Pattern, BadField> {
    let right = !item.text.is_empty() && !item.text.contains(|c: char| c == '/' || c == '#' || c.is_whitespace());
    let pattern = right.then(|| Pattern::new(&item.text));
    pattern
        .ok_or_else(|| item.bad("expected an interface name, as in ens1f0 or ens*f0 (VFs are in vfs, not behind a #)"))
}

fn mac_of_pf(item: &Item) -> Result<Pattern, BadField> {
    let text = mac(&item.text).ok_or_else(|| item.bad("expected a MAC address, as in 02:00:00:00:00:0a"))?;
    Ok(Pattern::new(&text))
}

fn address(item: &Item) -> Result<Pattern, BadField> {
    let is_netdevsim = item.text.strip_prefix("netdevsim").is_some_and(|rest| !rest.is_empty());
    let pattern = (is_netdevsim || is_address(&item.text)).then(|| Pattern::new(&item.text));
    pattern.ok_or_else(|| item.bad("expected the full PCI address of a PF, as in 0000:3b:00.0 or 0000:3b:00.*"))
}
