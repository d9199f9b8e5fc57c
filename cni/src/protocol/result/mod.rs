//! The success result: one model inside, the shape of each specification version outside.
//!
//! Contract: CNI spec 1.1.0 "ADD Success" and the conversions of libcni's pkg/types.

mod read;
mod write;

use std::net::IpAddr;

use hardwire_pci::{MacAddr, PciAddress};
use ipnetwork::IpNetwork;

/// An interface of the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Name in its sandbox.
    pub name: String,
    /// MAC address, as text: chained plugins may have put any hardware address here.
    pub mac: String,
    /// Bytes, 0 where unknown.
    pub mtu: u32,
    /// `CNI_NETNS` verbatim; empty for an interface of the host.
    pub sandbox: String,
    /// For userspace networking.
    pub socket_path: String,
    /// PCI address.
    pub pci_id: String,
}

/// An address of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpConfig {
    /// Index into the interfaces.
    pub interface: Option<i64>,
    /// Address with prefix length.
    pub address: IpNetwork,
    /// Gateway of its network.
    pub gateway: Option<IpAddr>,
}

/// A route of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub dst: IpNetwork,
    /// Next hop.
    pub gw: Option<IpAddr>,
    /// Path MTU, 0 for none.
    pub mtu: u32,
    /// TCP MSS, 0 for none.
    pub advmss: u32,
    /// Metric, 0 for none.
    pub priority: u32,
    /// Routing table; absent is main.
    pub table: Option<u32>,
    /// `RT_SCOPE_*`; absent is the kernel's choice.
    pub scope: Option<u8>,
}

/// `dns` of a configuration or result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Addresses.
    pub nameservers: Vec<String>,
    /// Domain.
    pub domain: String,
    /// Search list.
    pub search: Vec<String>,
    /// Resolver options.
    pub options: Vec<String>,
}

/// A success result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Success {
    /// Interfaces, host's and pod's.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub ips: Vec<IpConfig>,
    /// Routes.
    pub routes: Vec<Route>,
    /// DNS.
    pub dns: Dns,
}

/// Why a result cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// Its version is not spoken.
    #[error("unsupported CNI result version {0:?}")]
    Version(String),
    /// A field is not what the specification says.
    #[error("result field {field}: {problem}")]
    Field {
        /// Which.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A version before 0.3.0 cannot hold it.
    #[error("cannot convert: no valid IP addresses")]
    NoAddresses,
}

/// Where a route leads, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextHop {
    /// Nothing is said: through the gateway of an address of its family, if there is one.
    OfFamily,
    /// `0.0.0.0` or `::`, which is no gateway to the kernel: what it leads to is on the link.
    OnLink,
    /// Through a gateway.
    Gateway(IpAddr),
}

impl Route {
    /// The next hop.
    pub fn next_hop(&self) -> NextHop {
        match self.gw {
            None => NextHop::OfFamily,
            Some(gateway) if gateway.is_unspecified() => NextHop::OnLink,
            Some(gateway) => NextHop::Gateway(gateway),
        }
    }
}

impl Success {
    /// The gateway that the addresses of a family have.
    pub fn family_gateway(&self, v6: bool) -> Option<IpAddr> {
        let of_family = self.ips.iter().filter(|ip| ip.address.is_ipv6() == v6);
        of_family
            .filter_map(|ip| ip.gateway)
            .find(|gateway| !gateway.is_unspecified())
    }

    /// Refuses a next hop of another family than what it leads to: the kernel has none such.
    pub fn check_families(&self) -> Result<(), ResultError> {
        let mixed = |field: &str, gateway: IpAddr, of: IpNetwork| ResultError::Field {
            field: field.to_owned(),
            problem: format!("{gateway} and {of} are not of one family"),
        };
        for ip in &self.ips {
            let gateway = ip.gateway.filter(|gateway| !gateway.is_unspecified());
            if let Some(gateway) = gateway.filter(|gateway| gateway.is_ipv6() != ip.address.is_ipv6()) {
                return Err(mixed("ips[].gateway", gateway, ip.address));
            }
        }
        for route in &self.routes {
            match route.next_hop() {
                NextHop::Gateway(gateway) if gateway.is_ipv6() != route.dst.is_ipv6() => {
                    return Err(mixed("routes[].gw", gateway, route.dst));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Interface {
    /// The pod's interface that an attachment made.
    pub fn in_pod(name: &str, mac: Option<MacAddr>, mtu: u32, sandbox: &str, pci: Option<PciAddress>) -> Self {
        Self {
            name: name.to_owned(),
            mac: mac.map(|mac| mac.to_string()).unwrap_or_default(),
            mtu,
            sandbox: sandbox.to_owned(),
            socket_path: String::new(),
            pci_id: pci.map(|pci| pci.to_string()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
