//! The success result: one model inside, the shape of each specification version outside.
//!
//! Contract: CNI spec 1.1.0 "ADD Success" and the conversions of libcni's pkg/types (contract.md 1.4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hardwire_pci::{MacAddr, PciAddress};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};

use super::fold::Folded;
use super::version::SpecVersion;

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

// === writing ===

impl Success {
    /// The JSON that `version` asks for.
    pub fn to_json(&self, version: SpecVersion) -> Result<Value, ResultError> {
        if version < SpecVersion::V0_3_0 {
            return self.to_first_format(version);
        }
        let current = version >= SpecVersion::V1_0_0;
        let mut result = json!({ "cniVersion": version.as_str() });
        if !self.interfaces.is_empty() {
            result["interfaces"] = self.interfaces.iter().map(|i| interface_json(i, current)).collect();
        }
        if !self.ips.is_empty() {
            result["ips"] = self.ips.iter().map(|ip| ip_json(ip, current)).collect();
        }
        if !self.routes.is_empty() {
            result["routes"] = self.routes.iter().map(route_json).collect();
        }
        if !current || self.dns != Dns::default() {
            result["dns"] = self.dns.to_json();
        }
        Ok(result)
    }

    /// 0.1.0 and 0.2.0 hold one address of each family, and no interfaces.
    fn to_first_format(&self, version: SpecVersion) -> Result<Value, ResultError> {
        let mut result = json!({ "cniVersion": version.as_str(), "dns": self.dns.to_json() });
        for (key, v6) in [("ip4", false), ("ip6", true)] {
            let Some(ip) = self.ips.iter().find(|ip| ip.address.is_ipv6() == v6) else {
                continue;
            };
            let mut entry = json!({ "ip": ip.address.to_string() });
            if let Some(gateway) = ip.gateway {
                entry["gateway"] = json!(gateway.to_string());
            }
            let routes: Vec<Value> = self
                .routes
                .iter()
                .filter(|route| route.dst.is_ipv6() == v6)
                .map(first_format_route)
                .collect();
            if !routes.is_empty() {
                entry["routes"] = Value::Array(routes);
            }
            result[key] = entry;
        }
        if self.ips.is_empty() {
            Err(ResultError::NoAddresses)
        } else {
            Ok(result)
        }
    }
}

fn interface_json(interface: &Interface, current: bool) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(interface.name));
    let mut text = |key: &str, value: &str| {
        if !value.is_empty() {
            object.insert(key.to_owned(), json!(value));
        }
    };
    text("mac", &interface.mac);
    text("sandbox", &interface.sandbox);
    if current {
        text("socketPath", &interface.socket_path);
        text("pciID", &interface.pci_id);
        if interface.mtu != 0 {
            object.insert("mtu".to_owned(), json!(interface.mtu));
        }
    }
    Value::Object(object)
}

fn ip_json(ip: &IpConfig, current: bool) -> Value {
    let mut object = json!({ "address": ip.address.to_string() });
    if let Some(interface) = ip.interface {
        object["interface"] = json!(interface);
    }
    if let Some(gateway) = ip.gateway {
        object["gateway"] = json!(gateway.to_string());
    }
    if !current {
        object["version"] = json!(if ip.address.is_ipv6() { "6" } else { "4" });
    }
    object
}

fn first_format_route(route: &Route) -> Value {
    let mut object = json!({ "dst": route.dst.to_string() });
    if let Some(gw) = route.gw {
        object["gw"] = json!(gw.to_string());
    }
    object
}

fn route_json(route: &Route) -> Value {
    let mut object = first_format_route(route);
    for (key, value) in [
        ("mtu", route.mtu),
        ("advmss", route.advmss),
        ("priority", route.priority),
    ] {
        if value != 0 {
            object[key] = json!(value);
        }
    }
    if let Some(table) = route.table {
        object["table"] = json!(table);
    }
    if let Some(scope) = route.scope {
        object["scope"] = json!(scope);
    }
    object
}

impl Dns {
    /// As a configuration or result spells it, empty parts left out.
    pub fn to_json(&self) -> Value {
        let mut object = json!({});
        for (key, list) in [
            ("nameservers", &self.nameservers),
            ("search", &self.search),
            ("options", &self.options),
        ] {
            if !list.is_empty() {
                object[key] = json!(list);
            }
        }
        if !self.domain.is_empty() {
            object["domain"] = json!(self.domain);
        }
        object
    }

    /// Reads the `dns` of a configuration or result.
    pub fn from_json(value: &Value) -> Result<Self, ResultError> {
        let dns = object(value, "dns")?;
        Ok(Self {
            nameservers: strings(dns, "nameservers")?,
            domain: string(dns, "domain")?,
            search: strings(dns, "search")?,
            options: strings(dns, "options")?,
        })
    }
}

// === reading ===

impl Success {
    /// Reads a result by its own version; one without a version is of `default`.
    pub fn from_json(value: &Value, default: SpecVersion) -> Result<Self, ResultError> {
        // libcni takes `null` for an empty result.
        let empty = Value::Object(Map::new());
        let value = if value.is_null() { &empty } else { value };
        let result = object(value, "result")?;
        let text = string(result, "cniVersion")?;
        let version = if text.is_empty() {
            default
        } else {
            text.parse().map_err(|_unknown| ResultError::Version(text.clone()))?
        };
        let dns = result.get("dns").map(Dns::from_json).transpose()?.unwrap_or_default();
        let read = if version < SpecVersion::V0_3_0 {
            first_format(result)?
        } else {
            later_formats(result)?
        };
        Ok(Self { dns, ..read })
    }
}

fn later_formats(result: Folded<'_>) -> Result<Success, ResultError> {
    let interfaces = each(result, "interfaces", |interface| {
        Ok(Interface {
            name: string(interface, "name")?,
            mac: string(interface, "mac")?,
            mtu: number(interface, "mtu")?.unwrap_or_default(),
            sandbox: string(interface, "sandbox")?,
            socket_path: string(interface, "socketPath")?,
            pci_id: string(interface, "pciID")?,
        })
    })?;
    let ips = each(result, "ips", |ip| {
        Ok(IpConfig {
            interface: number(ip, "interface")?,
            address: network(&string(ip, "address")?, "ips[].address")?,
            gateway: address(&string(ip, "gateway")?, "ips[].gateway")?,
        })
    })?;
    Ok(Success {
        interfaces,
        ips,
        routes: each(result, "routes", route)?,
        dns: Dns::default(),
    })
}

fn first_format(result: Folded<'_>) -> Result<Success, ResultError> {
    let mut success = Success::default();
    for key in ["ip4", "ip6"] {
        let Some(value) = result.get(key) else { continue };
        let ip = object(value, key)?;
        success.ips.push(IpConfig {
            interface: None,
            address: network(&string(ip, "ip")?, "ip")?,
            gateway: address(&string(ip, "gateway")?, "gateway")?,
        });
        success.routes.extend(each(ip, "routes", route)?);
    }
    Ok(success)
}

fn route(route: Folded<'_>) -> Result<Route, ResultError> {
    Ok(Route {
        dst: network(&string(route, "dst")?, "routes[].dst")?,
        gw: address(&string(route, "gw")?, "routes[].gw")?,
        mtu: number(route, "mtu")?.unwrap_or_default(),
        advmss: number(route, "advmss")?.unwrap_or_default(),
        priority: number(route, "priority")?.unwrap_or_default(),
        table: number(route, "table")?,
        scope: number(route, "scope")?,
    })
}

fn field(field: &str, problem: &impl ToString) -> ResultError {
    ResultError::Field {
        field: field.to_owned(),
        problem: problem.to_string(),
    }
}

fn object<'a>(value: &'a Value, name: &str) -> Result<Folded<'a>, ResultError> {
    value
        .as_object()
        .map(Folded::new)
        .ok_or_else(|| field(name, &format!("{value} is no object")))
}

fn each<T>(
    parent: Folded<'_>,
    key: &str,
    read: impl Fn(Folded<'_>) -> Result<T, ResultError>,
) -> Result<Vec<T>, ResultError> {
    let Some(value) = parent.get(key) else {
        return Ok(Vec::new());
    };
    let items = value
        .as_array()
        .ok_or_else(|| field(key, &format!("{value} is no list")))?;
    items.iter().map(|item| read(object(item, key)?)).collect()
}

fn string(parent: Folded<'_>, key: &str) -> Result<String, ResultError> {
    match parent.get(key) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(field(key, &format!("{other} is no text"))),
    }
}

fn strings(parent: Folded<'_>, key: &str) -> Result<Vec<String>, ResultError> {
    let Some(value) = parent.get(key) else {
        return Ok(Vec::new());
    };
    let texts = value
        .as_array()
        .and_then(|items| items.iter().map(|i| i.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| field(key, &format!("{value} is no list of texts")))
}

fn number<T: TryFrom<i64>>(parent: Folded<'_>, key: &str) -> Result<Option<T>, ResultError> {
    let Some(value) = parent.get(key) else { return Ok(None) };
    let number = value.as_i64().and_then(|number| T::try_from(number).ok());
    number
        .map(Some)
        .ok_or_else(|| field(key, &format!("{value} is no number in range")))
}

/// A CIDR text. `ipnetwork` also takes a bare address and a dotted mask, which Go's `ParseCIDR` refuses.
fn network(text: &str, name: &str) -> Result<IpNetwork, ResultError> {
    let prefix = text.split_once('/').map(|(_, prefix)| prefix);
    let plain = prefix.is_some_and(|prefix| !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit()));
    let bad = || field(name, &format!("{text:?} is no CIDR address"));
    let network: IpNetwork = text.parse().ok().filter(|_| plain).ok_or_else(bad)?;
    Ok(unmap(network))
}

/// Go takes `::ffff:1.2.3.4/120` for IPv4.
fn unmap(network: IpNetwork) -> IpNetwork {
    let IpNetwork::V6(v6) = network else { return network };
    let v4 = v6.ip().to_ipv4_mapped().zip(v6.prefix().checked_sub(96));
    let v4 = v4.and_then(|(ip, prefix)| IpNetwork::new(IpAddr::V4(ip), prefix).ok());
    v4.unwrap_or(network)
}

fn address(text: &str, name: &str) -> Result<Option<IpAddr>, ResultError> {
    if text.is_empty() {
        return Ok(None);
    }
    let v4 = text.parse::<Ipv4Addr>().map(IpAddr::V4);
    let v6 = || {
        text.parse::<Ipv6Addr>()
            .map(|v6| v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
    };
    v4.or_else(|_| v6())
        .map(Some)
        .map_err(|error| field(name, &format!("{text:?}: {error}")))
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
