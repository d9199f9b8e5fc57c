//! What the kernel says of the hardware behind an interface: the evidence by which a release knows it again.
//!
//! Names, addresses and aliases are a pod's to change. Bus, permanent address and port are not: `IFLA_PARENT_DEV_NAME` and
//! `IFLA_PARENT_DEV_BUS_NAME`, `IFLA_PERM_ADDRESS`, `IFLA_PHYS_PORT_ID`, `IFLA_PHYS_PORT_NAME`, and sysfs's `dev_port`.

use hardwire_pci::netlink::Link;
use hardwire_pci::{Device, Function, MacAddr, Netdev};
use serde::{Deserialize, Serialize};

/// What is known of an interface's hardware; what nobody tells is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// The device behind the interface.
    pub parent: Option<Parent>,
    /// The permanent address. Of a VF it is not recorded, since its driver may have another each time it looks.
    pub permanent: Option<MacAddr>,
    /// `phys_port_id`, in hexadecimal digits.
    pub phys_port_id: Option<String>,
    /// `phys_port_name`.
    pub phys_port_name: Option<String>,
    /// Which port of its function it is, where that has several.
    pub port: Option<u32>,
    /// Whether the kernel gives it back to the host when its namespace ends, as it does with hardware. What has a kind
    /// (`IFLA_INFO_KIND`) ends with its namespace (`default_device_exit_net`, net/core/dev.c).
    pub returns: bool,
}

/// A device on a bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// `usb`, `platform`, `pci`, ...
    pub bus: String,
    /// Its name there: `1-1:1.0`.
    pub name: String,
}

/// Kinds that come back all the same (`netns_refund` of `struct rtnl_link_ops`).
const RETURNING_KINDS: [&str; 1] = ["can"];

impl Hardware {
    /// What is behind an interface of a device.
    pub fn of(link: &Link, device: &Device, netdev: Option<&Netdev>) -> Self {
        let port = netdev.and_then(|netdev| netdev.number);
        // What a VF is told of its port is the PF's to change, and its bus is enough.
        let is_vf = matches!(device.function, Function::Vf { .. }) && port.is_none();
        Self {
            parent: Parent::of(link),
            permanent: MacAddr::from_bytes(&link.permanent_address).filter(|_| !is_vf),
            phys_port_id: link.phys_port_id.clone().filter(|_| !is_vf),
            phys_port_name: link.phys_port_name.clone().filter(|_| !is_vf),
            port,
            returns: returns(link),
        }
    }
}

impl Parent {
    /// The device behind a link, where the kernel tells.
    pub fn of(link: &Link) -> Option<Self> {
        let (bus, name) = link.parent_bus.clone().zip(link.parent_name.clone())?;
        Some(Self { bus, name })
    }
}

fn returns(link: &Link) -> bool {
    let kind = link.kind.as_deref();
    kind.is_none_or(|kind| RETURNING_KINDS.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_kind_ends_with_its_namespace() {
        for (kind, expected) in [
            (None, true),
            (Some("can"), true),
            (Some("veth"), false),
            (Some("tun"), false),
        ] {
            let link = Link {
                kind: kind.map(str::to_owned),
                ..Link::default()
            };
            assert_eq!(returns(&link), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_record_of_an_older_version_knows_nothing_of_the_hardware() {
        assert_eq!(serde_json::from_str::<Hardware>("{}").unwrap(), Hardware::default());
    }
}
