//! What a PCI function is: vendor, device and class, from one file where that is possible.
//!
//! `modalias` holds all three (`pci:v00008086d000010CAsv...bc02sc00i00`, `modalias_show` in drivers/pci/pci-sysfs.c), and a node
//! may have a thousand functions. Where it is not as it should be, each has a file of its own.

use crate::sysfs::{Directory, SysfsError};

/// Vendor, device and class code of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) vendor: u32,
    pub(crate) device: u32,
    pub(crate) class: u32,
}

impl Identity {
    /// Of the function with this directory.
    pub(crate) fn read(directory: &Directory) -> Result<Self, SysfsError> {
        let modalias = directory.optional_text("modalias");
        if let Some(identity) = modalias.and_then(|text| Self::parse(&text)) {
            return Ok(identity);
        }
        Ok(Self {
            vendor: directory.hex("vendor", 4)?,
            device: directory.hex("device", 4)?,
            class: directory.hex("class", 6)?,
        })
    }

    fn parse(modalias: &str) -> Option<Self> {
        let hex = |text: &str, digits: usize| {
            let text = text.get(..digits)?;
            u32::from_str_radix(text, 16).ok()
        };
        let rest = modalias.strip_prefix("pci:v")?;
        let (vendor, rest) = (hex(rest, 8)?, rest.get(8..)?.strip_prefix('d')?);
        let (device, rest) = (hex(rest, 8)?, rest.get(8..)?);
        let (_, class) = rest.split_once("bc")?;
        let (base, class) = (hex(class, 2)?, class.get(2..)?.strip_prefix("sc")?);
        let (sub, class) = (hex(class, 2)?, class.get(2..)?.strip_prefix('i')?);
        let interface = hex(class, 2)?;
        let fits = vendor <= 0xffff && device <= 0xffff;
        fits.then_some(Self {
            vendor,
            device,
            class: base << 16 | sub << 8 | interface,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modalias_holds_all_three() {
        let identity = Identity::parse("pci:v000015B3d0000101Esv000015B3sd00000008bc02sc07i01");
        let expected = Identity {
            vendor: 0x15b3,
            device: 0x101e,
            class: 0x02_0701,
        };
        assert_eq!(identity, Some(expected));
    }

    #[test]
    fn what_is_none_is_none() {
        for text in [
            "",
            "usb:v1D6Bp0002",
            "pci:v0000",
            "pci:v00008086d000010CA",
            "pci:v00008086d000010CAsv00008086sd0000A03Cbc02",
            "pci:v0000zzzzd000010CAsv00008086sd0000A03Cbc02sc00i00",
            "pci:v00008086é00010CAsv00008086sd0000A03Cbc02sc00i00",
        ] {
            assert_eq!(Identity::parse(text), None, "{text}");
        }
    }
}
