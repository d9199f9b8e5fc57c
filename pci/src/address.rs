//! PCI addresses as a type, so that text from a configuration never becomes a sysfs path unchecked.
//!
//! Contract: `Documentation/ABI/testing/sysfs-bus-pci`; the kernel prints `%04x:%02x:%02x.%d` (`pci_setup_device`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The address of a PCI function, `0000:3b:02.1`.
///
/// One number, in the order of its parts: a node has a thousand of them, in maps and sorted lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress(u64);

/// A text that is no PCI address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no PCI address (expected domain:bus:device.function as in 0000:3b:02.1)")]
pub struct BadPciAddress(String);

impl PciAddress {
    /// Function 0 at the same place of the bus: the functions of one adapter have it in common, its VFs do not.
    #[must_use]
    pub fn first_function(self) -> Self {
        Self(self.0 & !u64::from(u8::MAX))
    }
}

impl FromStr for PciAddress {
    type Err = BadPciAddress;

    fn from_str(text: &str) -> Result<Self, BadPciAddress> {
        parse(text).ok_or_else(|| BadPciAddress(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let (domain, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    // Domains above ffff exist (VMD, Hyper-V); the kernel then prints more digits, never fewer than four.
    let domain_digits = 4..=8;
    if !domain_digits.contains(&domain.len()) || (domain.len() > 4 && domain.starts_with('0')) {
        return None;
    }
    let domain = hex(domain)?;
    let bus = hex(bus).filter(|_| bus.len() == 2)?;
    let device = hex(device).filter(|number| device.len() == 2 && *number < 32)?;
    let function = hex(function).filter(|number| function.len() == 1 && *number < 8)?;
    Some(PciAddress(
        u64::from(domain) << 24 | u64::from(bus << 16 | device << 8 | function),
    ))
}

fn hex(digits: &str) -> Option<u32> {
    let all_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    all_hex.then(|| u32::from_str_radix(digits, 16).ok())?
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [.., bus, device, function] = self.0.to_be_bytes();
        write!(f, "{:04x}:{bus:02x}:{device:02x}.{function}", self.0 >> 24)
    }
}

impl fmt::Debug for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for PciAddress {
    type Error = BadPciAddress;

    fn try_from(text: String) -> Result<Self, BadPciAddress> {
        text.parse()
    }
}

impl From<PciAddress> for String {
    fn from(address: PciAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_prints_is_read_and_printed_alike() {
        for text in ["0000:3b:02.1", "0000:01:10.0", "ffff:ff:1f.7", "10000:e1:00.0"] {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), text);
        }
        assert_eq!(
            "0000:3B:02.1".parse::<PciAddress>().unwrap().to_string(),
            "0000:3b:02.1"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "3b:02.1",
            "0000:3b:02",
            "0000:3b:02.8",
            "0000:3b:20.0",
            "0000:3b:2.1",
            "000:3b:02.1",
            "0000:3b:02.1 ",
            "../3b:02.1",
            "0000:3b:02.1/..",
            "0000:+b:02.1",
            "00000:3b:02.1",
            "0000:3b:02.01",
            "x000:3b:02.1",
        ] {
            assert!(text.parse::<PciAddress>().is_err(), "{text:?}");
        }
    }
}
