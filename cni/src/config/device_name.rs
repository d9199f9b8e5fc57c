//! Which device the configuration names, and in how many ways.
//!
//! sriov-cni's `deviceID`, Multus's `pciBusID` and `runtimeConfig.deviceID`, host-device's `device`, `hwaddr`, `kernelpath`.
//! Several may be given if they name the same device; host-device silently takes the first of its order.

use std::fmt;

use hardwire_pci::{DeviceId, MacAddr};

use super::base::Base;
use super::field;
use super::kernel_path::KernelPath;
use crate::beneath::is_plain_name;
use crate::protocol::{AnyCase, CniError};

const ID: &str = "a PCI address as in 0000:3b:02.1, one port of it as in 0000:3b:00.0/p1, or an auxiliary device as in mlx5_core.sf.4";

/// The fields that name a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceName {
    /// `deviceID`, `runtimeConfig.deviceID` and `pciBusID`, each with its field's name.
    ids: Vec<(&'static str, DeviceId)>,
    /// `device`: a name of a host interface, alternative names included.
    interface: Option<String>,
    /// `hwaddr`.
    hardware: Option<MacAddr>,
    /// `kernelpath`.
    path: Option<KernelPath>,
}

/// One of the ways in which a configuration names its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupBy<'a> {
    /// By id, in a field.
    Id(&'static str, &'a DeviceId),
    /// By the name of an interface.
    Interface(&'a str),
    /// By the MAC address of an interface.
    Hardware(MacAddr),
    /// By the directory of its device.
    Path(&'a KernelPath),
}

impl LookupBy<'_> {
    /// The field.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Id(field, _) => field,
            Self::Interface(_) => "device",
            Self::Hardware(_) => "hwaddr",
            Self::Path(_) => "kernelpath",
        }
    }
}

impl fmt::Display for LookupBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(field, id) => write!(f, "{field} {id}"),
            Self::Interface(name) => write!(f, "device {name}"),
            Self::Hardware(mac) => write!(f, "hwaddr {mac}"),
            Self::Path(path) => write!(f, "kernelpath {path}"),
        }
    }
}

impl DeviceName {
    pub(super) fn parse(fields: AnyCase<'_>, runtime: Option<AnyCase<'_>>) -> Result<Self, CniError> {
        let mut ids = Vec::new();
        let sources = [
            ("deviceID", Some(fields), "deviceID"),
            ("runtimeConfig.deviceID", runtime, "deviceID"),
            ("pciBusID", Some(fields), "pciBusID"),
        ];
        for (name, source, key) in sources {
            let Some(source) = source else { continue };
            if let Some(text) = field::text_of(source, key, name)? {
                let id: Option<DeviceId> = text.parse().ok().filter(|id| !matches!(id, DeviceId::Interface(_)));
                ids.push((
                    name,
                    id.ok_or_else(|| field::wrong(name, format_args!("{text:?}"), ID))?,
                ));
            }
        }
        let named = Self {
            ids,
            interface: interface(fields)?,
            hardware: hardware(fields)?,
            path: kernel_path(fields)?,
        };
        named.contradiction().map_or(Ok(named), Err)
    }

    /// What a configuration names, for a verb that reads no other field; `None` if one of the fields is wrong.
    pub fn of(base: &Base) -> Option<Self> {
        let fields = base.fields();
        let runtime = field::object(fields, "runtimeConfig").ok()?;
        Self::parse(fields, runtime).ok()
    }

    fn contradiction(&self) -> Option<CniError> {
        let (first_name, first) = self.ids.first()?;
        let (other_name, other) = self.ids.iter().find(|(_, id)| id != first)?;
        let msg = format!("{first_name} {first} and {other_name} {other} name different devices: give one of them");
        Some(CniError::config(msg))
    }

    /// All ways that are given.
    pub fn lookups(&self) -> impl Iterator<Item = LookupBy<'_>> {
        let ids = self.ids.iter().map(|(field, id)| LookupBy::Id(field, id));
        ids.chain(self.interface.as_deref().map(LookupBy::Interface))
            .chain(self.hardware.map(LookupBy::Hardware))
            .chain(self.path.as_ref().map(LookupBy::Path))
    }

    /// The device's id, where the configuration gives it.
    pub fn id(&self) -> Option<&DeviceId> {
        self.ids.first().map(|(_, id)| id)
    }
}

fn interface(fields: AnyCase<'_>) -> Result<Option<String>, CniError> {
    let Some(name) = field::text(fields, "device")? else {
        return Ok(None);
    };
    // Alternative names are longer than interface names (ALTIFNAMSIZ). A `%` makes a name a template to the kernel.
    let valid = name.len() < 128 && !name.contains([':', '%']) && !name.contains(char::is_whitespace);
    if valid && is_plain_name(name) {
        return Ok(Some(name.to_owned()));
    }
    Err(field::wrong(
        "device",
        format_args!("{name:?}"),
        "the name of a host interface",
    ))
}

fn hardware(fields: AnyCase<'_>) -> Result<Option<MacAddr>, CniError> {
    let Some(text) = field::text(fields, "hwaddr")? else {
        return Ok(None);
    };
    let wrong = |_bad| {
        field::wrong(
            "hwaddr",
            format_args!("{text:?}"),
            "a MAC address as in 02:00:00:00:00:0a",
        )
    };
    text.parse().map(Some).map_err(wrong)
}

fn kernel_path(fields: AnyCase<'_>) -> Result<Option<KernelPath>, CniError> {
    let Some(text) = field::text(fields, "kernelpath")? else {
        return Ok(None);
    };
    let right = "the directory of a device below /sys/devices/, without . and ..";
    let path = KernelPath::parse(text).ok_or_else(|| field::wrong("kernelpath", format_args!("{text:?}"), right));
    path.map(Some)
}
