//! From the model to the JSON of a version.

use serde_json::{Map, Value, json};

use super::{Dns, Interface, IpConfig, ResultError, Route, Success};
use crate::protocol::version::SpecVersion;

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
}
