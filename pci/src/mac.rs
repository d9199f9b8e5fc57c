//! Ethernet MAC addresses as a type: read in the notations that people use, printed in one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A six-byte MAC address. Printed lower case with colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr(pub [u8; 6]);

/// A text that is no six-byte MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no MAC address (expected six bytes as in 02:00:00:00:00:0a)")]
pub struct BadMac(String);

impl MacAddr {
    /// All zeros: "no address", which some drivers report and take back as an admin MAC.
    pub const ZERO: Self = Self([0; 6]);

    /// Whether the group bit is set (multicast and broadcast): never an interface's own address.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Reads the address out of a netlink attribute or a sysfs file; `None` for other hardware types' lengths.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl FromStr for MacAddr {
    type Err = BadMac;

    /// Accepts `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff`, `aabb.ccdd.eeff` and `aabbccddeeff`, in either case.
    fn from_str(text: &str) -> Result<Self, BadMac> {
        parse(text).ok_or_else(|| BadMac(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<MacAddr> {
    let (separator, group) = match text.len() {
        17 if text.contains(':') => (Some(':'), 2),
        17 => (Some('-'), 2),
        14 => (Some('.'), 4),
        12 => (None, 12),
        _ => return None,
    };
    let groups: Vec<&str> = separator.map_or_else(|| vec![text], |s| text.split(s).collect());
    let regular = groups
        .iter()
        .all(|g| g.len() == group && g.bytes().all(|b| b.is_ascii_hexdigit()));
    let digits = groups.concat();
    if !regular || digits.len() != 12 {
        return None;
    }
    let mut mac = [0; 6];
    for (i, byte) in mac.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(MacAddr(mac))
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for MacAddr {
    type Error = BadMac;

    fn try_from(text: String) -> Result<Self, BadMac> {
        text.parse()
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_notations_mean_the_same_address() {
        for text in [
            "02:00:5e:10:00:0A",
            "02-00-5e-10-00-0a",
            "0200.5e10.000a",
            "02005E10000a",
        ] {
            assert_eq!(
                text.parse::<MacAddr>().unwrap().to_string(),
                "02:00:5e:10:00:0a",
                "{text}"
            );
        }
    }

    #[test]
    fn other_lengths_and_mixed_notations_are_refused() {
        for text in [
            "",
            "02:00:5e:10:00",
            "02:00:5e:10:00:0a:01:02",
            "02:00-5e:10:00:0a",
            "2:00:5e:10:00:0a",
            "zz:00:5e:10:00:0a",
            "0200:5e10:000a",
            "02:00:5e:10:00:0é",
            "+2:00:5e:10:00:0a",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text:?}");
        }
    }
}
