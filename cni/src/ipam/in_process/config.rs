//! The parts of a network configuration that an IPAM plugin reads, as Go's decoder finds them.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde_json::{Value, json};

use super::Problem;
use crate::printable::excerpt;
use crate::protocol::{AnyCase, Dns, NetworkName, Route, SpecVersion, Success};

/// As much of a value as an error quotes, bytes.
const QUOTED: usize = 256;

/// A configuration that has an `ipam` section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ipam<'a> {
    network: AnyCase<'a>,
    section: AnyCase<'a>,
}

/// Fields of an object whose place in the configuration is known.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    object: AnyCase<'a>,
    place: String,
}

// === impl Ipam ===

impl<'a> Ipam<'a> {
    /// The configuration's own parts.
    pub(super) fn of(config: &'a Value) -> Result<Self, Problem> {
        let network = config.as_object().map(AnyCase::new);
        let network = network.ok_or_else(|| Problem("network configuration: expected an object".to_owned()))?;
        let section = network.get("ipam");
        let section = section.ok_or_else(|| Problem("IPAM config missing 'ipam' key".to_owned()))?;
        let section = section
            .as_object()
            .ok_or_else(|| expected("ipam", section, "an object"))?;
        Ok(Self {
            network,
            section: AnyCase::new(section),
        })
    }

    /// The network's name, which names its folder in the store.
    pub(super) fn name(&self) -> Result<NetworkName, Problem> {
        let name = self.network.get("name").unwrap_or(&Value::Null);
        let text = name
            .as_str()
            .ok_or_else(|| expected("name", name, "a network's name"))?;
        text.parse().map_err(|error| Problem(format!("name: {error}")))
    }

    /// The section itself.
    pub(super) fn section(&self) -> Fields<'a> {
        Fields {
            object: self.section,
            place: "ipam".to_owned(),
        }
    }

    /// What the runtime puts in.
    pub(super) fn runtime_config(&self) -> Result<Option<Fields<'a>>, Problem> {
        let Some(value) = self.network.get("runtimeConfig") else {
            return Ok(None);
        };
        Fields::of(value, "runtimeConfig".to_owned()).map(Some)
    }

    /// `args.cni`.
    pub(super) fn cni_args(&self) -> Result<Option<Fields<'a>>, Problem> {
        let Some(args) = self.network.get("args") else {
            return Ok(None);
        };
        let args = Fields::of(args, "args".to_owned())?;
        let Some(cni) = args.object.get("cni") else {
            return Ok(None);
        };
        Fields::of(cni, "args.cni".to_owned()).map(Some)
    }

    /// `prevResult`.
    pub(super) fn previous_result(&self) -> Option<&'a Value> {
        self.network.get("prevResult")
    }

    /// The routes that go into the result as they are.
    pub(super) fn routes(&self) -> Result<Vec<Route>, Problem> {
        let Some(routes) = self.section.get("routes") else {
            return Ok(Vec::new());
        };
        let result = json!({"cniVersion": "1.1.0", "routes": routes});
        let read = Success::from_json(&result, SpecVersion::NEWEST);
        read.map(|read| read.routes)
            .map_err(|error| Problem(format!("ipam.routes: {error}")))
    }

    /// The section's own `dns`, which static has.
    pub(super) fn dns(&self) -> Result<Dns, Problem> {
        let dns = self.section.get("dns").map(Dns::from_json).transpose();
        dns.map(Option::unwrap_or_default)
            .map_err(|error| Problem(format!("ipam.{error}")))
    }

    /// Before 0.3.0 a result holds one address of each family.
    pub(super) fn check_count(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Result<(), Problem> {
        let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv4);
        let version = self
            .network
            .get("cniVersion")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_later = version
            .parse::<SpecVersion>()
            .is_ok_and(|version| version >= SpecVersion::V0_3_0);
        if (v4.len() > 1 || v6.len() > 1) && !is_later {
            return Err(Problem(format!(
                "CNI version {version} does not support more than 1 address per family"
            )));
        }
        Ok(())
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The fields of an object at a place.
    pub(super) fn of(value: &'a Value, place: String) -> Result<Self, Problem> {
        match value.as_object() {
            Some(object) => Ok(Self {
                object: AnyCase::new(object),
                place,
            }),
            None => Err(expected(&place, value, "an object")),
        }
    }

    /// A text; none where it is empty.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Problem> {
        match self.object.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(other) => Err(expected(&self.at(key), other, "a string")),
        }
    }

    /// An address.
    pub(super) fn address(&self, key: &str) -> Result<Option<IpAddr>, Problem> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let address = text.parse::<IpAddr>();
        let address =
            address.map_err(|_no_address| Problem(format!("invalid IP address: {}", excerpt(text, QUOTED))))?;
        Ok(Some(address.to_canonical()))
    }

    /// A list.
    pub(super) fn list(&self, key: &str) -> Result<Vec<(String, &'a Value)>, Problem> {
        let list = match self.object.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(expected(&self.at(key), other, "a list")),
        };
        let place = |index: usize| format!("{}[{index}]", self.at(key));
        Ok(list
            .iter()
            .enumerate()
            .map(|(index, value)| (place(index), value))
            .collect())
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<&'a str>, Problem> {
        let text =
            |(place, value): (String, &'a Value)| value.as_str().ok_or_else(|| expected(&place, value, "a string"));
        self.list(key)?.into_iter().map(text).collect()
    }

    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }
}

/// An address with the length of its prefix, as Go reads one: the address keeps its bits.
pub(super) fn network(text: &str) -> Option<IpNetwork> {
    let (address, length) = text.split_once('/')?;
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u8 = length.parse().ok().filter(|_| is_number)?;
    let address = address.parse::<IpAddr>().ok()?;
    IpNetwork::new(address, length).ok()
}

/// What a value should have been.
pub(super) fn expected(place: &str, value: &Value, what: &str) -> Problem {
    Problem(format!(
        "{place}: {}: expected {what}",
        excerpt(&value.to_string(), QUOTED)
    ))
}
