//! Which device the configuration names, and in how many ways.

use hardwire_pci::DeviceId;

use super::field;
use crate::protocol::{CniError, Folded};

/// The fields that name a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceName {
    /// `deviceID`, `runtimeConfig.deviceID` or `pciBusID`, each with its field's name.
    pub ids: Vec<(&'static str, DeviceId)>,
    /// `device`: a name of a host interface, alternative names included.
    pub interface: Option<String>,
}

impl DeviceName {
    pub(super) fn parse(fields: Folded<'_>, runtime: Option<Folded<'_>>) -> Result<Self, CniError> {
        let mut ids = Vec::new();
        let sources = [
            ("deviceID", Some(fields), "deviceID"),
            ("runtimeConfig.deviceID", runtime, "deviceID"),
            ("pciBusID", Some(fields), "pciBusID"),
        ];
        for (name, source, key) in sources {
            let Some(source) = source else { continue };
            if let Some(text) = field::text(source, key)? {
                let id = text
                    .parse()
                    .map_err(|_bad| field::wrong(name, format_args!("{text:?}"), "a PCI address as in 0000:3b:02.1"))?;
                ids.push((name, id));
            }
        }
        let interface = field::text(fields, "device")?.map(str::to_owned);
        if let Some(name) = &interface {
            // Alternative names are longer than interface names (ALTIFNAMSIZ).
            let valid = name.len() < 128 && !name.contains(['/', ':', '\0']) && !name.contains(char::is_whitespace);
            if !valid || matches!(name.as_str(), "." | "..") {
                return Err(field::wrong(
                    "device",
                    format_args!("{name:?}"),
                    "the name of a host interface",
                ));
            }
        }
        let named = Self { ids, interface };
        named.contradiction().map_or(Ok(named), Err)
    }

    fn contradiction(&self) -> Option<CniError> {
        let (first_name, first) = self.ids.first()?;
        let (other_name, other) = self.ids.iter().find(|(_, id)| id != first)?;
        let msg = format!("{first_name} {first} and {other_name} {other} name different devices: give one of them");
        Some(CniError::config(msg))
    }

    /// The device's id, where the configuration gives it.
    pub fn id(&self) -> Option<&DeviceId> {
        self.ids.first().map(|(_, id)| id)
    }
}
