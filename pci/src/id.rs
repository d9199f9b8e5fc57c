//! What a device is called: to the kubelet, to Multus, in the journal.
//!
//! The id is where the device sits on its bus, so driver binding, a move into a pod and restarts leave it unchanged.
//! Interfaces that sit on no bus (veth, dummy) have their host name instead.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::PciAddress;
use crate::ifname::IfName;

/// The stable identity of a device.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceId {
    /// A PCI function: `0000:3b:02.1`.
    Pci(PciAddress),
    /// A further port of a PCI function that has several: `0000:3b:00.0/p1`. The first one has the function's address.
    PciPort {
        /// The function.
        function: PciAddress,
        /// Which of its ports, as the driver counts them (`dev_port`).
        port: u32,
    },
    /// A port of a netdevsim device: `netdevsim10/pf0vf1`, or `netdevsim10/p0` for a physical one.
    Netdevsim(NetdevsimPort),
    /// A device on the auxiliary bus, a subfunction mostly: `mlx5_core.sf.4`.
    Auxiliary(AuxiliaryName),
    /// A software interface of the host, by its name there: `net/veth0`.
    Interface(IfName),
}

/// The name of a device on the auxiliary bus: driver, type and number (`include/linux/auxiliary_bus.h`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuxiliaryName(String);

impl AuxiliaryName {
    /// Reads `DRIVER.TYPE.N`; `None` if it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (driver, kind, n) = (parts.next()?, parts.next()?, parts.next()?);
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        };
        (word(driver) && word(kind) && number(n).is_some() && parts.next().is_none()).then(|| Self(text.to_owned()))
    }

    /// The type: `sf` of `mlx5_core.sf.4`.
    pub fn kind(&self) -> &str {
        self.0.split('.').nth(1).unwrap_or_default()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AuxiliaryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A port on bus netdevsim.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetdevsimPort {
    /// N of `netdevsimN`.
    pub device: u32,
    /// Which of its ports.
    pub port: PortName,
}

/// The kernel's name for a port (`phys_port_name`, made in net/devlink/port.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortName {
    /// `pN`: a physical port, an uplink.
    Physical(u32),
    /// `pfXvfY`: a VF's port.
    Vf {
        /// X.
        pf: u32,
        /// Y, the VF's index on its PF.
        vf: u32,
    },
    /// `pfXsfY`: a subfunction's port.
    Sf {
        /// X.
        pf: u32,
        /// Y.
        sf: u32,
    },
}

impl PortName {
    /// Reads a `phys_port_name`; `None` for the many that follow no scheme. Names with a controller (`c1pf0vf0`) are
    /// ports of another host's function, representors like the rest.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text
            .strip_prefix('c')
            .map_or(text, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        let rest = text.strip_prefix('p')?;
        if let Some(port) = number(rest) {
            return Some(Self::Physical(port));
        }
        let rest = rest.strip_prefix('f')?;
        let split = |by| rest.split_once(by).and_then(|(pf, n)| Some((number(pf)?, number(n)?)));
        split("vf")
            .map(|(pf, vf)| Self::Vf { pf, vf })
            .or_else(|| split("sf").map(|(pf, sf)| Self::Sf { pf, sf }))
    }
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// A number as it is printed: without leading zeros, so that one thing has one name.
fn plain_number(digits: &str) -> Option<u32> {
    number(digits).filter(|_| digits == "0" || !digits.starts_with('0'))
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Physical(port) => write!(f, "p{port}"),
            Self::Vf { pf, vf } => write!(f, "pf{pf}vf{vf}"),
            Self::Sf { pf, sf } => write!(f, "pf{pf}sf{sf}"),
        }
    }
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no device id (expected a PCI address as in 0000:3b:02.1, or an auxiliary device as in mlx5_core.sf.4)"
)]
pub struct BadDeviceId(String);

impl DeviceId {
    /// The id as one file name: `/`, which no id else contains, becomes `_`.
    pub fn file_stem(&self) -> String {
        self.to_string().replacen('/', "_", 1)
    }

    /// Whether it is a port of a PCI function beside the first.
    pub fn is_further_port(&self) -> bool {
        matches!(self, Self::PciPort { .. })
    }

    /// The PCI function, where it is one or a port of one.
    pub fn pci(&self) -> Option<PciAddress> {
        match self {
            Self::Pci(address) | Self::PciPort { function: address, .. } => Some(*address),
            Self::Netdevsim(_) | Self::Auxiliary(_) | Self::Interface(_) => None,
        }
    }
}

impl FromStr for DeviceId {
    type Err = BadDeviceId;

    fn from_str(text: &str) -> Result<Self, BadDeviceId> {
        let bad = || BadDeviceId(text.to_owned());
        match text.split_once('/') {
            None => match text.parse() {
                Ok(address) => Ok(Self::Pci(address)),
                Err(_no_address) => AuxiliaryName::parse(text).map(Self::Auxiliary).ok_or_else(bad),
            },
            Some((function, port)) if function.contains(':') => {
                let (function, port) = (function.parse().ok(), port.strip_prefix('p').and_then(plain_number));
                let (function, port) = function.zip(port).ok_or_else(bad)?;
                Ok(Self::PciPort { function, port })
            }
            Some(("net", name)) => name.parse().map(Self::Interface).map_err(|_no_name| bad()),
            Some((device, port)) => {
                let device = device.strip_prefix("netdevsim").and_then(number).ok_or_else(bad)?;
                let name = PortName::parse(port)
                    .filter(|name| name.to_string() == port)
                    .ok_or_else(bad)?;
                Ok(Self::Netdevsim(NetdevsimPort { device, port: name }))
            }
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(address) => write!(f, "{address}"),
            Self::PciPort { function, port } => write!(f, "{function}/p{port}"),
            Self::Netdevsim(NetdevsimPort { device, port }) => write!(f, "netdevsim{device}/{port}"),
            Self::Auxiliary(name) => f.write_str(name.as_str()),
            Self::Interface(name) => write!(f, "net/{name}"),
        }
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for NetdevsimPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "netdevsim{}/{}", self.device, self.port)
    }
}

impl TryFrom<String> for DeviceId {
    type Error = BadDeviceId;

    fn try_from(text: String) -> Result<Self, BadDeviceId> {
        text.parse()
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_printed_as_they_are_read() {
        for (text, file) in [
            ("0000:3b:02.1", "0000:3b:02.1"),
            ("netdevsim10/pf0vf1", "netdevsim10_pf0vf1"),
            ("0000:3b:00.0/p1", "0000:3b:00.0_p1"),
            ("netdevsim10/p0", "netdevsim10_p0"),
            ("net/veth_0", "net_veth_0"),
            ("mlx5_core.sf.4", "mlx5_core.sf.4"),
        ] {
            let id: DeviceId = text.parse().unwrap();
            assert_eq!((id.to_string().as_str(), id.file_stem().as_str()), (text, file));
        }
    }

    #[test]
    fn paths_are_no_ids() {
        for text in [
            "",
            "..",
            "../x",
            "net/..",
            "net/a/b",
            "0000:3b:00.0/",
            "0000:3b:00.0/p",
            "0000:3b:00.0/p01",
            "0000:3b:00.0/p+1",
            "0000:3b:00.0/p1/..",
            "0000:3b:00.0/pf0vf1",
            "netdevsim/pf0vf1",
            "netdevsim1/..",
            "netdevsim1/pf0vf+1",
            "mlx5_core.sf",
            "mlx5_core.sf.x",
            "a.b.c.1",
            ".sf.1",
            "eth0",
        ] {
            assert!(text.parse::<DeviceId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn port_names_follow_devlink() {
        assert_eq!(PortName::parse("p1"), Some(PortName::Physical(1)));
        assert_eq!(PortName::parse("pf0vf12"), Some(PortName::Vf { pf: 0, vf: 12 }));
        assert_eq!(PortName::parse("c1pf0vf2"), Some(PortName::Vf { pf: 0, vf: 2 }));
        assert_eq!(PortName::parse("pf1sf88"), Some(PortName::Sf { pf: 1, sf: 88 }));
        for text in ["", "p", "pf0", "pf0vf", "58609951635cbfa", "vf0", "pfvf1"] {
            assert_eq!(PortName::parse(text), None, "{text:?}");
        }
    }
}
