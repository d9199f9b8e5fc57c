//! How the devices of a pool reach pods: which pods, who attaches them, and with what.
//!
//! A pool's `network` is what a NAD's `config` is, and is checked as one when the configuration is read: nobody should learn from
//! a pod that does not start that a VLAN is out of range.

use hardwire_cni::config::{Base, NetConf};
use hardwire_cni::node::{Allow, AttachBy, InterfacePattern, RequireAllocation, VlanRange};
use hardwire_cni::protocol::{CniArgs, SpecVersion};
use serde_json::{Map, Value};

use super::dra::Via;
use super::object::{BadField, Object};

/// Stands for the name of a network that has none while it is checked.
const UNNAMED: &str = "pool";
/// As much as IPv4 and IPv6 have in common (RFC 791, RFC 8200), and all that an interface can have.
const MTUS: std::ops::RangeInclusive<u64> = 68..=65535;

/// What a pool says about attaching its devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// `requireAllocation`.
    pub require_allocation: RequireAllocation,
    /// `allow`.
    pub allow: Option<Allow>,
    /// `attach`.
    pub by: AttachBy,
    /// `network`.
    pub network: Option<Map<String, Value>>,
    /// `interface`.
    pub interface: Option<InterfacePattern>,
}

// === impl Attachment ===

impl Attachment {
    pub(super) fn parse(object: &mut Object, via: Via, warnings: &mut Vec<String>) -> Result<Self, BadField> {
        let words = [("multus", AttachBy::Multus), ("chain", AttachBy::Chain)];
        let by_default = if via.is_dra() {
            AttachBy::Chain
        } else {
            AttachBy::Multus
        };
        let read = Self {
            require_allocation: require_allocation(object)?,
            allow: allow(object)?,
            by: object.word("attach", &words)?.unwrap_or(by_default),
            network: network(object)?,
            interface: interface(object)?,
        };
        if read.by == AttachBy::Multus {
            let idle = [
                ("network", read.network.is_some()),
                ("interface", read.interface.is_some()),
            ];
            for (field, _) in idle.into_iter().filter(|(_, given)| *given) {
                warnings.push(format!("{field} does nothing without attach: chain: a NAD says it"));
            }
        } else if read.allow.is_some() && !via.is_dra() {
            warnings.push("allow does nothing with attach: chain: no NAD asks for anything".to_owned());
        }
        if let Some(one) = read.interface.as_ref().filter(|pattern| pattern.name(2).is_none()) {
            warnings.push(format!(
                "interface: {one} is one name: a pod with two devices of the pool is refused; {one}%d would number them"
            ));
        }
        Ok(read)
    }
}

fn require_allocation(object: &mut Object) -> Result<RequireAllocation, BadField> {
    match object.value("requireAllocation")? {
        None | Some(Value::Bool(true)) => Ok(RequireAllocation::On),
        Some(Value::Bool(false)) => Ok(RequireAllocation::Off),
        Some(Value::String(text)) if text == "always" => Ok(RequireAllocation::Always),
        Some(other) => Err(BadField::new(
            object.field("requireAllocation"),
            &other,
            "expected true, false or \"always\"",
        )),
    }
}

fn interface(object: &mut Object) -> Result<Option<InterfacePattern>, BadField> {
    let Some(text) = object.string("interface")? else {
        return Ok(None);
    };
    let bad = |error: hardwire_cni::node::BadPattern| {
        BadField::new(object.field("interface"), &text.as_str().into(), error.to_string())
    };
    text.parse().map(Some).map_err(bad)
}

fn allow(object: &mut Object) -> Result<Option<Allow>, BadField> {
    let Some(value) = object.value("allow")? else {
        return Ok(None);
    };
    let mut fields = Object::new(&object.field("allow"), value)?;
    let allow = Allow {
        trust: fields.boolean("trust")?,
        spoofchk_off: fields.boolean("spoofchkOff")?,
        mac: fields.boolean("mac")?,
        vlan: vlans(&mut fields)?,
        qinq: fields.boolean("qinq")?,
        promisc: fields.boolean("promisc")?,
        rates: fields.boolean("rates")?,
        mtu: mtu(&mut fields)?,
    };
    // One that is misspelt would be a limit that is none, or the other way round.
    match fields.unknown().into_iter().next() {
        None => Ok(Some(allow)),
        Some(unknown) => Err(BadField::new(
            unknown.field,
            &unknown.value,
            "expected trust, spoofchkOff, mac, vlan, qinq, promisc, rates or mtu",
        )),
    }
}

fn vlans(fields: &mut Object) -> Result<Option<Vec<VlanRange>>, BadField> {
    let items = fields.scalars("vlan")?;
    if items.is_empty() {
        return Ok(None);
    }
    let range = |item: &super::object::Item| item.text.parse().map_err(|expected: String| item.bad(expected));
    items.iter().map(range).collect::<Result<_, _>>().map(Some)
}

fn mtu(fields: &mut Object) -> Result<Option<u32>, BadField> {
    let Some(value) = fields.value("mtu")? else {
        return Ok(None);
    };
    let bytes = value.as_u64().filter(|bytes| MTUS.contains(bytes));
    let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
    bytes.map(Some).ok_or_else(|| {
        BadField::new(
            fields.field("mtu"),
            &value,
            "expected the greatest MTU, from 68 to 65535 bytes",
        )
    })
}

/// What a NAD's `config` has, but for what the pool and the call say.
fn network(object: &mut Object) -> Result<Option<Map<String, Value>>, BadField> {
    let Some(value) = object.value("network")? else {
        return Ok(None);
    };
    let at = object.field("network");
    let Value::Object(network) = value else {
        return Err(BadField::new(at, &value, "expected an object, as in a NAD's config"));
    };
    match check(&network) {
        Ok(()) => Ok(Some(network)),
        Err(why) => Err(BadField::new(at, &Value::Object(network), why)),
    }
}

fn check(network: &Map<String, Value>) -> Result<(), String> {
    let mut whole = network.clone();
    let has = |key: &str| network.keys().any(|name| name.eq_ignore_ascii_case(key));
    let not_its = [
        "attach",
        "reportIps",
        "prevResult",
        "runtimeConfig",
        "args",
        "deviceID",
        "pciBusID",
        "device",
        "hwaddr",
        "kernelpath",
        "mac",
        "plugins",
    ];
    if let Some(key) = not_its.into_iter().find(|key| has(key)) {
        return Err(format!(
            "{key} is not the pool's to say: its network is for all of its devices"
        ));
    }
    if let Some(key) = ["logFile", "logLevel"].into_iter().find(|key| has(key)) {
        return Err(format!(
            "{key} does nothing here: our entry in the default network's list says where the plugin logs"
        ));
    }
    let version = SpecVersion::V1_0_0.as_str();
    for (key, value) in [("name", UNNAMED), ("cniVersion", version), ("type", "hardwire")] {
        if !has(key) {
            whole.insert(key.to_owned(), value.into());
        }
    }
    let text = serde_json::to_vec(&whole).map_err(|error| error.to_string())?;
    let read = Base::parse(&text).and_then(|base| {
        let version = base.required_version()?;
        NetConf::parse(base, version, &CniArgs::default()).map(|conf| conf.version)
    });
    match read {
        Ok(version) if version < SpecVersion::V0_3_0 => Err(format!(
            "cniVersion {version} cannot express interfaces: expected 0.3.1 or later"
        )),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(fields: Value) -> Result<(Attachment, Vec<String>), String> {
        let mut warnings = Vec::new();
        let mut object = Object::new("", fields).unwrap();
        let read = Attachment::parse(&mut object, Via::default(), &mut warnings).map_err(|error| error.to_string());
        read.map(|read| (read, warnings))
    }

    #[test]
    fn a_pool_gives_its_devices_to_pods_that_were_given_them_unless_it_says_otherwise() {
        let of = |fields: Value| parse(fields).unwrap().0.require_allocation;
        assert_eq!(of(json!({})), RequireAllocation::On);
        assert_eq!(of(json!({"requireAllocation": false})), RequireAllocation::Off);
        assert_eq!(of(json!({"requireAllocation": "always"})), RequireAllocation::Always);
        let error = parse(json!({"requireAllocation": "no"})).unwrap_err();
        assert_eq!(error, "requireAllocation is \"no\": expected true, false or \"always\"");
    }

    #[test]
    fn limits_are_read_strictly() {
        let allow = json!({"trust": true, "vlan": ["100-199", 7], "mtu": 9000});
        let (read, _) = parse(json!({"allow": allow})).unwrap();
        let allow = read.allow.unwrap();
        assert!(allow.trust && !allow.promisc);
        assert_eq!(
            allow.vlan.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["100-199", "7"]
        );
        for (allow, expected) in [
            (
                json!({"turst": true}),
                "allow.turst is true: expected trust, spoofchkOff",
            ),
            (
                json!({"vlan": ["4095"]}),
                "allow.vlan[0] is \"4095\": expected a VLAN id",
            ),
            (json!({"mtu": 1}), "allow.mtu is 1: expected the greatest MTU"),
            (json!([]), "allow is []: expected an object"),
        ] {
            let error = parse(json!({"allow": allow.clone()})).unwrap_err();
            assert!(error.contains(expected), "{allow}: {error}");
        }
    }

    #[test]
    fn a_network_is_checked_as_a_nad_is() {
        let network = json!({"vlan": 100, "ipam": {"type": "host-local", "subnet": "10.1.0.0/16"}});
        let (read, warnings) = parse(json!({"attach": "chain", "network": network, "interface": "vf%d"})).unwrap();
        assert_eq!((read.by, warnings.len()), (AttachBy::Chain, 0));
        assert_eq!(read.network.unwrap()["vlan"], 100);
        for (network, expected) in [
            (json!({"vlan": 4095}), "vlan: 4095 is not valid"),
            (json!({"vlna": 7}), "almost vlan"),
            (json!({"deviceID": "0000:3b:02.1"}), "deviceID is not the pool's to say"),
            (
                json!({"logFile": "/var/log/x.log"}),
                "our entry in the default network's list",
            ),
            (json!({"cniVersion": "0.2.0"}), "0.3.1 or later"),
            (json!({"cniVersion": "9.9.9"}), "incompatible CNI versions"),
            (json!([]), "expected an object"),
        ] {
            let error = parse(json!({"attach": "chain", "network": network.clone()})).unwrap_err();
            assert!(error.contains(expected), "{network}: {error}");
        }
        let (_, warnings) = parse(json!({"network": {}, "interface": "net%d"})).unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(parse(json!({"interface": "a/b"})).is_err());
    }
}
