//! From the JSON of any version to the model.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};

use super::{Dns, Interface, IpConfig, ResultError, Route, Success};
use crate::printable::printable;
use crate::protocol::fold::AnyCase;
use crate::protocol::version::SpecVersion;

impl Dns {
    /// Reads the `dns` of a configuration or result.
    pub fn from_json(value: &Value) -> Result<Self, ResultError> {
        let dns = object(value, "dns")?;
        let read = Self {
            nameservers: strings(dns, "nameservers")?,
            domain: string(dns, "domain")?,
            search: strings(dns, "search")?,
            options: strings(dns, "options")?,
        };
        // They become lines of a resolv.conf.
        let lists = [&read.nameservers, &read.search, &read.options];
        let texts = lists.into_iter().flatten().chain([&read.domain]);
        for text in texts {
            if printable(text) != text.as_str() {
                return Err(field("dns", &format!("{text:?} has characters that cannot be seen")));
            }
        }
        Ok(read)
    }
}

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

fn later_formats(result: AnyCase<'_>) -> Result<Success, ResultError> {
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

fn first_format(result: AnyCase<'_>) -> Result<Success, ResultError> {
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

fn route(route: AnyCase<'_>) -> Result<Route, ResultError> {
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

fn object<'a>(value: &'a Value, name: &str) -> Result<AnyCase<'a>, ResultError> {
    value
        .as_object()
        .map(AnyCase::new)
        .ok_or_else(|| field(name, &format!("{value} is no object")))
}

fn each<T>(
    parent: AnyCase<'_>,
    key: &str,
    read: impl Fn(AnyCase<'_>) -> Result<T, ResultError>,
) -> Result<Vec<T>, ResultError> {
    let Some(value) = parent.get(key) else {
        return Ok(Vec::new());
    };
    let items = value
        .as_array()
        .ok_or_else(|| field(key, &format!("{value} is no list")))?;
    items.iter().map(|item| read(object(item, key)?)).collect()
}

fn string(parent: AnyCase<'_>, key: &str) -> Result<String, ResultError> {
    match parent.get(key) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(field(key, &format!("{other} is no text"))),
    }
}

fn strings(parent: AnyCase<'_>, key: &str) -> Result<Vec<String>, ResultError> {
    let Some(value) = parent.get(key) else {
        return Ok(Vec::new());
    };
    let texts = value
        .as_array()
        .and_then(|items| items.iter().map(|i| i.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| field(key, &format!("{value} is no list of texts")))
}

fn number<T: TryFrom<i64>>(parent: AnyCase<'_>, key: &str) -> Result<Option<T>, ResultError> {
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
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        for bad in [
            "10.0.0.5",
            "10.0.0.5/255.255.255.0",
            "010.0.0.1/8",
            "10.0.0.1/33",
            "x/8",
            "10.0.0.1/",
        ] {
            assert!(network(bad, "x").is_err(), "{bad}");
        }
        assert_eq!(network("FD00::5/64", "x").unwrap().to_string(), "fd00::5/64");
        assert_eq!(network("::ffff:1.2.3.4/120", "x").unwrap().to_string(), "1.2.3.4/24");
    }
}
