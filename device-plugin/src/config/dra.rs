//! Dynamic resource allocation: which pools are offered by it, and as which driver's.
//!
//! A device is offered in one way: while a device plugin has some of a resource, a scheduler gives out those (KEP-5004), and a
//! device that two ways offer is given to two pods.

use std::fmt;

use serde_json::Value;

use super::object::{BadField, Object};
use super::resource_name::ResourceName;

/// The name of the field.
pub(super) const FIELD: &str = "dra";
/// The longest string that an attribute of a device may have (resource.k8s.io/v1).
const ATTRIBUTE_MAX: usize = 64;
/// The longest name of a driver.
const DRIVER_MAX: usize = 63;

/// How the devices of a pool are offered: `via`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// `device-plugin`: as an extended resource, by the kubelet's device manager.
    #[default]
    DevicePlugin,
    /// `dra`: to claims, in `ResourceSlices`.
    Dra,
    /// `extended`: the same, and a `DeviceClass` has the pool's resource as its `extendedResourceName`.
    Extended,
}

/// The name of a driver: lower-case DNS labels, 63 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriverName(String);

// === impl Via ===

impl Via {
    const WORDS: [(&str, Self); 3] = [
        ("device-plugin", Self::DevicePlugin),
        ("dra", Self::Dra),
        ("extended", Self::Extended),
    ];

    /// Whether the devices are given to claims.
    pub fn is_dra(self) -> bool {
        self != Self::DevicePlugin
    }

    /// Reads it of the pool of this resource, whose name is an attribute of its devices.
    pub(super) fn parse(object: &mut Object, resource: &ResourceName) -> Result<Self, BadField> {
        let via = object.word("via", &Self::WORDS)?.unwrap_or_default();
        let name = resource.to_string();
        if via.is_dra() && name.len() > ATTRIBUTE_MAX {
            let expected = format!(
                "with via: dra the resource, {name}, is an attribute, which has at most {ATTRIBUTE_MAX} characters"
            );
            return Err(BadField::new("resourceName", &resource.name().into(), expected));
        }
        Ok(via)
    }
}

// === impl DriverName ===

impl Default for DriverName {
    fn default() -> Self {
        Self("hardwire.dev".to_owned())
    }
}

impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DriverName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks it.
    pub fn new(name: &str) -> Option<Self> {
        let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_label = |label: &str| {
            let bytes = label.bytes();
            is_end(bytes.clone().next()) && is_end(bytes.clone().next_back()) && bytes.clone().all(is_inner)
        };
        // It is the vendor of CDI devices too, whose name begins with a letter and has two at least.
        let is_vendor = name.len() > 1 && name.starts_with(|first: char| first.is_ascii_lowercase());
        (name.len() <= DRIVER_MAX && is_vendor && name.split('.').all(is_label)).then(|| Self(name.to_owned()))
    }

    /// Reads `dra` of a configuration; none where it is not there.
    pub(super) fn parse(document: &mut Object) -> Result<Option<Self>, BadField> {
        let Some(value) = document.value(FIELD)? else {
            return Ok(None);
        };
        let mut fields = Object::new(FIELD, value)?;
        let driver = match fields.string("driver")? {
            None => Self::default(),
            Some(name) => Self::new(&name).ok_or_else(|| {
                let expected = "expected the name of a driver: lower-case DNS labels that begin with a letter, at most 63 \
                                characters, as in hardwire.dev";
                BadField::new(fields.field("driver"), &Value::from(name.as_str()), expected)
            })?,
        };
        match fields.unknown().into_iter().next() {
            None => Ok(Some(driver)),
            Some(unknown) => Err(BadField::new(unknown.field, &unknown.value, "expected driver")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Config, Defaults};
    use super::*;

    fn read(document: Value) -> Result<Config, String> {
        let defaults = Defaults {
            resource_prefix: "intel.com".to_owned(),
            plugin_directory: "/p".into(),
        };
        Config::from_json(document, &defaults).map_err(|error| error.to_string())
    }

    fn with_pool(pool: &Value) -> Value {
        json!({"resourceList": [pool]})
    }

    #[test]
    fn a_driver_is_there_where_something_is_offered_by_it_or_the_configuration_names_it() {
        let none = read(with_pool(&json!({"resourceName": "a", "selectors": {}}))).unwrap();
        assert_eq!(none.driver(), None);
        let pool = json!({"resourceName": "a", "selectors": {}, "via": "dra"});
        assert_eq!(read(with_pool(&pool)).unwrap().driver(), Some(DriverName::default()));
        let named = read(json!({"resourceList": null, "dra": {"driver": "nic.example.com"}})).unwrap();
        assert_eq!(named.driver().unwrap().as_str(), "nic.example.com");
        assert_eq!(
            read(json!({"resourceList": [], "dra": {}})).unwrap().driver(),
            Some(DriverName::default())
        );
    }

    #[test]
    fn what_is_no_driver_is_refused_with_the_field() {
        for (dra, expected) in [
            (
                json!({"driver": "Hardwire.dev"}),
                "dra.driver is \"Hardwire.dev\": expected the name of a driver",
            ),
            (json!({"driver": "x"}), "dra.driver is \"x\""),
            (json!({"driver": "7.dev"}), "dra.driver is \"7.dev\""),
            (json!({"driver": "a..b"}), "dra.driver is \"a..b\""),
            (json!({"driver": "a".repeat(64)}), "dra.driver is"),
            (json!({"driver": 7}), "dra.driver is 7: expected a string"),
            (json!({"drvier": "a.b"}), "dra.drvier is \"a.b\": expected driver"),
            (json!("hardwire.dev"), "dra is \"hardwire.dev\": expected an object"),
        ] {
            let error = read(json!({"resourceList": [], "dra": dra})).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_pool_is_offered_in_one_way() {
        let via = |word: &str| {
            let pool = json!({"resourceName": "a", "selectors": {}, "via": word});
            let config = read(with_pool(&pool)).unwrap();
            match config.pools.first() {
                Some(pool) => Ok(pool.via),
                None => Err(config.refused[0].to_string()),
            }
        };
        assert_eq!(via("device-plugin"), Ok(Via::DevicePlugin));
        assert_eq!(via("dra"), Ok(Via::Dra));
        assert_eq!(via("extended"), Ok(Via::Extended));
        let error = via("both").unwrap_err();
        assert!(
            error.contains("via is \"both\": expected device-plugin or dra or extended"),
            "{error}"
        );
    }

    #[test]
    fn the_name_of_a_resource_fits_into_an_attribute() {
        let pool = json!({"resourcePrefix": "a".repeat(30) + "." + &"b".repeat(30), "resourceName": "abcd", "selectors": {}, "via": "dra"});
        let config = read(with_pool(&pool)).unwrap();
        assert!(
            config.refused[0].to_string().contains("at most 64 characters"),
            "{:?}",
            config.refused
        );
    }

    #[test]
    fn claims_are_attached_by_the_chain_unless_the_pool_says_otherwise() {
        use hardwire_cni::node::AttachBy;

        let by = |pool: Value| {
            let config = read(with_pool(&pool)).unwrap();
            (config.pools[0].attachment.by, config.warnings)
        };
        let claims = json!({"resourceName": "a", "selectors": {}, "via": "dra", "allow": {"vlan": ["100"]}});
        assert_eq!(by(claims), (AttachBy::Chain, vec![]), "a claim asks");
        let multus = json!({"resourceName": "a", "selectors": {}, "via": "dra", "attach": "multus"});
        assert_eq!(by(multus).0, AttachBy::Multus);
    }
}
