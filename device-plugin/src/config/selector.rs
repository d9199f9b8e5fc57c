//! Which devices a pool takes: all fields of a selector must match, any value within a field.
//!
//! Field names and meanings are those of sriov-network-device-plugin. A field of its that is not implemented here is
//! refused as soon as it would filter something: ignored, it would let a pool take devices that it must not have.

use hardwire_pci::{Device, DeviceId};
use serde_json::Value;

use super::object::{BadField, Item, Object};
use super::pf_names::PfName;

/// Fields of the original that this version does not have.
const NOT_YET: [&str; 9] = [
    "acpiIndexes",
    "auxTypes",
    "ddpProfiles",
    "isRdma",
    "linkTypes",
    "needVhostNet",
    "pKeys",
    "rootDevices",
    "vdpaType",
];

/// A conjunction of conditions; without any, every device matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    vendors: Vec<String>,
    devices: Vec<String>,
    drivers: Vec<String>,
    addresses: Vec<DeviceId>,
    pf_names: Vec<PfName>,
}

// === impl Selector ===

impl Selector {
    /// Whether a device is selected. `pf` is the name of its PF's interface, for a VF that shows one.
    pub fn matches(&self, device: &Device, pf: Option<&str>) -> bool {
        let driver = device.driver.as_deref();
        let from_pf = |entry: &PfName| pf.is_some_and(|pf| entry.matches(pf, device.vf_index()));
        any_or_none(&self.vendors, |vendor| *vendor == device.vendor)
            && any_or_none(&self.devices, |id| *id == device.device)
            && any_or_none(&self.drivers, |name| driver == Some(name))
            && any_or_none(&self.addresses, |id| *id == device.id)
            && any_or_none(&self.pf_names, from_pf)
    }

    pub(super) fn parse(at: &str, value: Value, warnings: &mut Vec<String>) -> Result<Self, BadField> {
        let mut object = Object::new(at, value)?;
        for field in NOT_YET {
            if let Some(value) = object.value(field)?.filter(says_something) {
                let expected = "this version does not have the field, and without it the pool would take other devices";
                return Err(BadField::new(object.field(field), &value, expected));
            }
        }
        let vendor = "expected a vendor id of four hexadecimal digits, as in 8086";
        let device = "expected a device id of four hexadecimal digits, as in 10ca (an address belongs in pciAddresses)";
        let selector = Self {
            vendors: object
                .strings("vendors")?
                .iter()
                .map(hex(vendor))
                .collect::<Result<_, _>>()?,
            devices: object
                .strings("devices")?
                .iter()
                .map(hex(device))
                .collect::<Result<_, _>>()?,
            drivers: object
                .strings("drivers")?
                .iter()
                .map(driver)
                .collect::<Result<_, _>>()?,
            addresses: object
                .strings("pciAddresses")?
                .iter()
                .map(address)
                .collect::<Result<_, _>>()?,
            pf_names: object
                .strings("pfNames")?
                .iter()
                .map(PfName::parse)
                .collect::<Result<_, _>>()?,
        };
        let unknown = object.unknown().into_iter();
        warnings.extend(unknown.map(|field| format!("{field} is no field of a selector and filters nothing")));
        Ok(selector)
    }
}

fn any_or_none<T>(values: &[T], matches: impl FnMut(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(matches)
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => true,
    }
}

fn hex(expected: &str) -> impl Fn(&Item) -> Result<String, BadField> {
    move |item| {
        let lower = item.text.to_ascii_lowercase();
        let digits = lower.strip_prefix("0x").unwrap_or(&lower);
        let right = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        right.then(|| digits.to_owned()).ok_or_else(|| item.bad(expected))
    }
}

fn driver(item: &Item) -> Result<String, BadField> {
    let right = !item.text.is_empty() && !item.text.contains(|c: char| c == '/' || c.is_whitespace());
    right
        .then(|| item.text.clone())
        .ok_or_else(|| item.bad("expected the name of a driver, as in igbvf"))
}

fn address(item: &Item) -> Result<DeviceId, BadField> {
    let id = item.text.parse().ok();
    id.filter(|id| matches!(id, DeviceId::Pci(_) | DeviceId::Netdevsim(_)))
        .ok_or_else(|| item.bad("expected a full PCI address, as in 0000:3b:02.1"))
}

#[cfg(test)]
#[path = "selector_tests.rs"]
mod tests;
