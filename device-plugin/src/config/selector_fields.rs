//! The fields of a selector as they are written: what each takes, and which device type has it.

use hardwire_pci::{DeviceId, LinkType, MacAddr, VdpaDriver};
use serde_json::Value;

use super::object::{BadField, Item, Object};
use super::pattern::{Choice, Pattern};
use super::pf_selector::{PfSelector, is_address};
use super::policy::DeviceType;
use super::ranges::Ranges;
use super::selector::{FunctionKind, Selector};
use super::speeds::Speeds;
use super::unknown_keys::{self, says_something};

/// The only type of auxiliary device that is given out.
const SUBFUNCTION: &str = "sf";

/// A field, and what is wrong with it or what to write instead.
type FieldAndReason = (&'static str, &'static str);

/// Fields of ours that can match no device of a type.
const REFUSED_IN_ACCELERATOR: [FieldAndReason; 3] = [
    ("pfAltNames", PF_WITHOUT_INTERFACE),
    ("pfMacs", PF_WITHOUT_INTERFACE),
    ("linkSpeeds", WITHOUT_LINK),
];
/// Fields that sriov-network-device-plugin has, but ignores in pools of a type: its users' pools must load.
const IGNORED_IN_ACCELERATOR: [FieldAndReason; 5] = [
    ("auxTypes", ONLY_AUXILIARY),
    ("pfNames", PF_WITHOUT_INTERFACE),
    ("linkTypes", WITHOUT_LINK),
    ("ddpProfiles", "an accelerator has no DDP profile"),
    ("pKeys", "an accelerator has no partition key"),
];
const IGNORED_IN_AUXILIARY: [FieldAndReason; 4] = [
    (
        "pciAddresses",
        "a subfunction has no PCI address; rootDevices takes its parent's",
    ),
    ("acpiIndexes", "a subfunction has no ACPI index"),
    ("ddpProfiles", "a subfunction has no DDP profile"),
    ("pKeys", "a subfunction has no partition key"),
];
const IGNORED_IN_NET: [FieldAndReason; 1] = [("auxTypes", ONLY_AUXILIARY)];

const PF_WITHOUT_INTERFACE: &str = "an accelerator's PF has no interface; rootDevices takes its address";
const WITHOUT_LINK: &str = "an accelerator has no link";
const ONLY_AUXILIARY: &str = "only pools of deviceType auxNetDevice have it";

impl Selector {
    pub(super) fn parse(
        at: &str,
        value: Value,
        kind: DeviceType,
        warnings: &mut Vec<String>,
    ) -> Result<Self, BadField> {
        let mut object = Object::new(at, value)?;
        take_foreign(&mut object, kind, warnings)?;
        if kind == DeviceType::AuxNetDevice {
            aux_types(&mut object)?;
        }
        let vendor = "expected a vendor id of four hexadecimal digits, as in 8086";
        let device = "expected a device id of four hexadecimal digits, as in 10ca (an address belongs in pciAddresses)";
        let selector = Self {
            vendors: Choice::parse(object.strings("vendors")?, hex(vendor))?,
            devices: Choice::parse(object.strings("devices")?, hex(device))?,
            drivers: Choice::parse(object.strings("drivers")?, driver)?,
            addresses: Choice::parse(object.strings("pciAddresses")?, address)?,
            acpi_indexes: Choice::parse(object.scalars("acpiIndexes")?, acpi_index)?,
            pf_names: Choice::parse(object.strings("pfNames")?, PfSelector::by_name)?,
            pf_altnames: Choice::parse(object.strings("pfAltNames")?, PfSelector::by_name)?,
            pf_macs: Choice::parse(object.strings("pfMacs")?, PfSelector::by_mac)?,
            root_devices: Choice::parse(object.strings("rootDevices")?, PfSelector::by_address)?,
            link_types: Choice::parse(object.strings("linkTypes")?, link_type)?,
            ddp_profiles: Choice::parse(object.strings("ddpProfiles")?, ddp_profile)?,
            pkeys: Choice::parse(object.strings("pKeys")?, pkey)?,
            rdma: rdma(&mut object)?,
            vdpa: object.word(
                "vdpaType",
                &[("vhost", VdpaDriver::Vhost), ("virtio", VdpaDriver::Virtio)],
            )?,
            vhost_net: object.boolean("needVhostNet")?,
            vf_indexes: Choice::parse(object.scalars("vfIndexes")?, Ranges::item)?,
            functions: Choice::parse(object.strings("functions")?, function_kind)?,
            numa_nodes: Choice::parse(object.scalars("numaNodes")?, numa_node)?,
            link_speeds: Choice::parse(object.scalars("linkSpeeds")?, Speeds::item)?,
        };
        if selector.rdma == Some(true) && selector.vdpa.is_some() {
            let expected =
                "a device is given out either for RDMA or for vDPA; two objects of the list may have one each";
            return Err(BadField::new(object.field("isRdma"), &true.into(), expected));
        }
        unknown_keys::in_selector(object.unknown(), warnings)?;
        Ok(selector)
    }
}

/// Takes the fields out that devices of this type do not have.
fn take_foreign(object: &mut Object, kind: DeviceType, warnings: &mut Vec<String>) -> Result<(), BadField> {
    let (refused, ignored): (&[FieldAndReason], &[FieldAndReason]) = match kind {
        DeviceType::NetDevice => (&[], &IGNORED_IN_NET),
        DeviceType::Accelerator => (&REFUSED_IN_ACCELERATOR, &IGNORED_IN_ACCELERATOR),
        DeviceType::AuxNetDevice => (&[], &IGNORED_IN_AUXILIARY),
    };
    for (field, reason) in refused {
        if let Some(value) = object.value(field)?.filter(says_something) {
            return Err(BadField::new(object.field(field), &value, *reason));
        }
    }
    for (field, reason) in ignored {
        if object.value(field)?.is_some_and(|value| says_something(&value)) {
            warnings.push(format!(
                "{} filters nothing, as in sriov-network-device-plugin: {reason}",
                object.field(field)
            ));
        }
    }
    Ok(())
}

fn aux_types(object: &mut Object) -> Result<(), BadField> {
    let expected = "expected [\"sf\"], the only type of auxiliary device that is given out";
    let items = object.strings("auxTypes")?;
    if items.is_empty() {
        return Err(BadField::new(object.field("auxTypes"), &Value::Null, expected));
    }
    let other = items.iter().find(|item| item.text != SUBFUNCTION);
    other.map_or(Ok(()), |item| Err(item.bad(expected)))
}

fn rdma(object: &mut Object) -> Result<Option<bool>, BadField> {
    match (object.boolean("isRdma")?, object.boolean("notRdma")?) {
        (false, false) => Ok(None),
        (true, false) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        (true, true) => {
            let expected = "isRdma is true as well, and no device is both";
            Err(BadField::new(object.field("notRdma"), &true.into(), expected))
        }
    }
}

pub(super) fn hex(expected: &str) -> impl Fn(&Item) -> Result<String, BadField> {
    move |item| {
        let lower = item.text.to_ascii_lowercase();
        let digits = lower.strip_prefix("0x").unwrap_or(&lower);
        let right = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        right.then(|| digits.to_owned()).ok_or_else(|| item.bad(expected))
    }
}

pub(super) fn driver(item: &Item) -> Result<Pattern, BadField> {
    let right = !item.text.is_empty() && !item.text.contains(|c: char| c == '/' || c.is_whitespace());
    let pattern = right.then(|| Pattern::new(&item.text));
    pattern.ok_or_else(|| item.bad("expected the name of a driver, as in igbvf"))
}

fn address(item: &Item) -> Result<Pattern, BadField> {
    let is_port = matches!(item.text.parse(), Ok(DeviceId::Netdevsim(_)));
    let pattern = (is_port || is_address(&item.text)).then(|| Pattern::new(&item.text));
    pattern.ok_or_else(|| item.bad("expected a full PCI address, as in 0000:3b:02.1 or 0000:3b:02.*"))
}

/// A MAC address as the kernel prints it.
pub(super) fn mac(text: &str) -> Option<String> {
    let mac: Option<MacAddr> = text.parse().ok();
    mac.map(|mac| mac.to_string())
}

fn acpi_index(item: &Item) -> Result<String, BadField> {
    let right = !item.text.is_empty() && item.text.bytes().all(|b| b.is_ascii_digit());
    let index = right.then(|| item.text.clone());
    index.ok_or_else(|| item.bad("expected a number, as in the device's file acpi_index"))
}

fn link_type(item: &Item) -> Result<LinkType, BadField> {
    match item.text.to_ascii_lowercase().as_str() {
        "ether" => Ok(LinkType::Ether),
        "infiniband" => Ok(LinkType::Infiniband),
        _ => Err(item.bad("expected ether or infiniband")),
    }
}

fn ddp_profile(item: &Item) -> Result<Pattern, BadField> {
    let pattern = Some(Pattern::new(&item.text)).filter(|_| !item.text.is_empty());
    pattern.ok_or_else(|| item.bad("expected the name of a profile, as ddptool shows it"))
}

fn pkey(item: &Item) -> Result<u16, BadField> {
    let lower = item.text.to_ascii_lowercase();
    let digits = lower
        .strip_prefix("0x")
        .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let key = digits.and_then(|hex| u16::from_str_radix(hex, 16).ok());
    key.ok_or_else(|| item.bad("expected a partition key, as in 0x7fff"))
}

fn function_kind(item: &Item) -> Result<FunctionKind, BadField> {
    match item.text.as_str() {
        "vf" => Ok(FunctionKind::Vf),
        "pf" => Ok(FunctionKind::Pf),
        "plain" => Ok(FunctionKind::Plain),
        "sf" => Ok(FunctionKind::Sf),
        _ => Err(item.bad("expected vf, pf (one without VFs), plain (a NIC without SR-IOV) or sf")),
    }
}

pub(super) fn numa_node(item: &Item) -> Result<i64, BadField> {
    let node = item.text.parse().ok().filter(|node| *node >= -1);
    node.ok_or_else(|| item.bad("expected the number of a NUMA node, or -1 for devices of none"))
}

#[cfg(test)]
#[path = "selector_fields_tests.rs"]
mod tests;
