//! What a claim, or its class, asks for: opaque parameters of kind `Attachment`, which are the fields of a NAD's `config`.
//!
//! A claim is written by a tenant. It is read strictly, field by field, and limited by its pool's `allow`: nobody should learn
//! from traffic that a VLAN was misspelt.

use hardwire_cni::config::{Base, NetConf};
use hardwire_cni::node::{Allow, AskedSettings, InterfacePattern};
use hardwire_cni::printable::excerpt;
use hardwire_cni::protocol::{CniArgs, SpecVersion};
use hardwire_pci::DeviceId;
use serde_json::{Map, Value};

/// `apiVersion` of parameters.
pub const API_VERSION: &str = "hardwire.dev/v1alpha1";
/// Their `kind`.
pub const KIND: &str = "Attachment";
/// What may be asked for.
const FIELDS: [&str; 16] = [
    "vlan",
    "vlanQoS",
    "vlanProto",
    "vlanTrunk",
    "mac",
    "mtu",
    "trust",
    "spoofchk",
    "link_state",
    "min_tx_rate",
    "max_tx_rate",
    "bandwidth",
    "promisc",
    "allmulti",
    "ipam",
    "dns",
];

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// `interface`.
    pub interface: Option<InterfacePattern>,
    /// The plugin's fields.
    pub fields: Map<String, Value>,
}

// === impl Parameters ===

impl Parameters {
    /// Reads one object. `at` is what messages call it.
    pub fn parse(at: &str, value: &Value) -> Result<Self, String> {
        let bad = |field: &str, value: &Value, expected: &str| {
            Err(format!(
                "{at}.{field} is {}: {expected}",
                excerpt(&value.to_string(), 256)
            ))
        };
        let Value::Object(object) = value else {
            return Err(format!(
                "{at} is {}: expected an object",
                excerpt(&value.to_string(), 256)
            ));
        };
        let null = Value::Null;
        for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
            let value = object.get(field).unwrap_or(&null);
            if value != expected {
                return bad(field, value, &format!("expected {expected}"));
            }
        }
        let mut read = Self::default();
        for (key, value) in object {
            match key.as_str() {
                "apiVersion" | "kind" => {}
                "interface" => match value.as_str().map(str::parse) {
                    Some(Ok(pattern)) => read.interface = Some(pattern),
                    Some(Err(error)) => return bad(key, value, &error.to_string()),
                    None => return bad(key, value, "expected the name of an interface"),
                },
                known if FIELDS.contains(&known) => drop(read.fields.insert(key.clone(), value.clone())),
                _ => return bad(key, value, &format!("expected interface, {}", FIELDS.join(", "))),
            }
        }
        Ok(read)
    }

    /// What comes later counts, field by field.
    pub fn overlay(&mut self, later: Self) {
        self.interface = later.interface.or_else(|| self.interface.take());
        self.fields.extend(later.fields);
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.interface.is_none() && self.fields.is_empty()
    }

    fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }
}

/// The network of an attachment: the pool's with what is asked for, checked as an ADD would read it.
pub fn network(
    pool: Option<&Map<String, Value>>,
    asked: &Parameters,
    allow: Option<&Allow>,
    device: &DeviceId,
) -> Result<Map<String, Value>, String> {
    let mut network = pool.cloned().unwrap_or_default();
    // The pool's own spelling may be another one.
    network.retain(|key, _| !asked.fields.keys().any(|field| field.eq_ignore_ascii_case(key)));
    network.extend(asked.fields.clone());
    if asked.fields.is_empty() && !demands_a_vlan(allow) {
        // Checked when the configuration was read.
        return Ok(network);
    }
    let conf = read(&network, device)?;
    if let Some(allow) = allow {
        let pools = pool.map(|pool| read(pool, device)).transpose()?;
        let excess = excess(allow, asked, &conf, pools.as_ref());
        if let Some(excess) = excess {
            return Err(excess);
        }
    }
    Ok(network)
}

/// A list of VLANs is a list to choose from: who asks for none asks for more.
fn demands_a_vlan(allow: Option<&Allow>) -> bool {
    allow.is_some_and(|allow| allow.vlan.is_some())
}

fn excess(allow: &Allow, asked: &Parameters, conf: &NetConf, pools: Option<&NetConf>) -> Option<String> {
    let mut allow = allow.clone();
    let mut settings = AskedSettings::of(conf, None);
    // What the pool's own network says is its operator's word.
    let is_asked = |keys: &[&str]| keys.iter().any(|key| asked.has(key));
    settings.trust &= is_asked(&["trust"]);
    settings.spoofchk_off &= is_asked(&["spoofchk"]);
    settings.mac &= is_asked(&["mac"]);
    settings.qinq &= is_asked(&["vlanProto"]);
    settings.promisc &= is_asked(&["promisc", "allmulti"]);
    settings.rates &= is_asked(&["min_tx_rate", "max_tx_rate", "bandwidth"]);
    settings.mtu = settings.mtu.filter(|_| is_asked(&["mtu"]));
    if !is_asked(&["vlan", "vlanTrunk"]) && pools.is_some_and(|pools| pools.vf.vlan.is_some()) {
        (allow.vlan, settings.vlan, settings.vlan_trunk) = (None, None, Vec::new());
    }
    let excess = allow.excess(&settings)?;
    Some(format!(
        "{}: {} is more than the pool allows: {}",
        excess.field, excess.value, excess.rule
    ))
}

fn read(network: &Map<String, Value>, device: &DeviceId) -> Result<NetConf, String> {
    let mut whole = network.clone();
    let version = SpecVersion::V1_0_0.as_str();
    for (key, value) in [("name", "claim"), ("cniVersion", version), ("type", "hardwire")] {
        if !whole.keys().any(|name| name.eq_ignore_ascii_case(key)) {
            whole.insert(key.to_owned(), value.into());
        }
    }
    let (field, id) = match device {
        DeviceId::Interface(name) => ("device", name.to_string()),
        id => ("deviceID", id.to_string()),
    };
    whole.insert(field.to_owned(), id.into());
    let text = serde_json::to_vec(&whole).map_err(|error| error.to_string())?;
    let conf = Base::parse(&text).and_then(|base| {
        let version = base.required_version()?;
        NetConf::parse(base, version, &CniArgs::default())
    });
    conf.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(fields: &Value) -> Result<Parameters, String> {
        let mut object = json!({"apiVersion": API_VERSION, "kind": KIND});
        for (key, value) in fields.as_object().unwrap() {
            object[key] = value.clone();
        }
        Parameters::parse("parameters", &object)
    }

    fn made(pool: &Value, asked: &Value, allow: Option<&Value>) -> Result<Value, String> {
        let allow: Option<Allow> = allow.map(|allow| serde_json::from_value(allow.clone()).unwrap());
        let device = "0000:3b:02.1".parse().unwrap();
        let network = network(pool.as_object(), &parse(asked)?, allow.as_ref(), &device);
        network.map(Value::Object)
    }

    #[test]
    fn parameters_are_ours_or_none() {
        let good = parse(&json!({"interface": "data%d", "vlan": 100})).unwrap();
        assert_eq!(good.interface.unwrap().to_string(), "data%d");
        assert_eq!(good.fields["vlan"], 100);
        for (object, expected) in [
            (json!(7), "parameters is 7: expected an object"),
            (
                json!({}),
                "parameters.apiVersion is null: expected hardwire.dev/v1alpha1",
            ),
            (
                json!({"apiVersion": "v1", "kind": KIND}),
                "parameters.apiVersion is \"v1\"",
            ),
            (
                json!({"apiVersion": API_VERSION, "kind": "Vf"}),
                "parameters.kind is \"Vf\": expected Attachment",
            ),
        ] {
            let error = Parameters::parse("parameters", &object).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        for (fields, expected) in [
            (json!({"vlna": 7}), "parameters.vlna is 7: expected interface, vlan"),
            (json!({"VLAN": 7}), "parameters.VLAN is 7"),
            (json!({"deviceID": "0000:3b:02.1"}), "parameters.deviceID is"),
            (json!({"logFile": "/x"}), "parameters.logFile is"),
            (json!({"allowNodeDevice": true}), "parameters.allowNodeDevice is true"),
            (
                json!({"interface": "a/b"}),
                "parameters.interface is \"a/b\": expected the name of an interface",
            ),
            (json!({"interface": 7}), "parameters.interface is 7"),
        ] {
            let error = parse(&fields).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_claims_word_counts_before_the_pools_and_is_read_as_an_add_reads_it() {
        let pool = json!({"VLAN": 7, "ipam": {"type": "host-local"}});
        let network = made(&pool, &json!({"vlan": 100}), None).unwrap();
        assert_eq!(network, json!({"vlan": 100, "ipam": {"type": "host-local"}}));
        assert_eq!(made(&pool, &json!({}), None).unwrap(), pool);
        let error = made(&pool, &json!({"vlan": 5000}), None).unwrap_err();
        assert!(error.contains("vlan: 5000 is not valid"), "{error}");
        let error = made(&json!({}), &json!({"trust": "yes"}), None).unwrap_err();
        assert!(error.contains("trust"), "{error}");
    }

    #[test]
    fn a_claim_gets_what_its_pool_allows_and_the_pool_its_own() {
        let allow = json!({"vlan": ["100-199"]});
        let pool = json!({"vlan": 7, "trust": "on", "mtu": 9000});
        assert!(made(&pool, &json!({}), Some(&allow)).is_ok(), "all of it is the pool's");
        assert!(made(&pool, &json!({"vlan": 100}), Some(&allow)).is_ok());
        for (asked, expected) in [
            (
                json!({"vlan": 200}),
                "vlan: 200 is more than the pool allows: its allow.vlan is 100-199",
            ),
            (
                json!({"vlan": 100, "trust": "on"}),
                "trust: on is more than the pool allows",
            ),
            (json!({"mtu": 1500}), "mtu: 1500 is more"),
            (json!({"mac": "02:00:00:00:00:01"}), "mac: one of its own is more"),
        ] {
            let error = made(&pool, &asked, Some(&allow)).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let error = made(&json!({}), &json!({}), Some(&allow)).unwrap_err();
        assert!(
            error.starts_with("vlan: none is more"),
            "untagged is another network: {error}"
        );
    }
}
