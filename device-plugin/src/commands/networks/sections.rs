//! What an IPAM plugin would refuse of its section in a network, of those whose reading is known: an ADD that has its device fails there.
//!
//! Contract: host-local of the reference plugins (plugins/ipam/host-local/backend/allocator: config.go, range.go), static
//! (plugins/ipam/static/main.go), whereabouts (pkg/config/config.go). Go takes a field's name in any case. What a pod may bring itself
//! (the capabilities `ipRanges` and `ips`) is not missed here.

use std::net::IpAddr;

use hardwire_cni::beneath::is_plain_name;
use serde_json::{Map, Value};

use super::definition::{PluginConf, wrong};

/// No addresses of fewer bits: the network's, the gateway's and the broadcast's are nobody's.
const FEWEST_BITS: u32 = 2;

/// What is to be said of a section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section {
    /// What its plugin refuses.
    pub(super) refused: Vec<String>,
    /// What else there is to know.
    pub(super) notes: Vec<String>,
}

/// Examines the section of a plugin of ours.
pub(super) fn examine(plugin: &PluginConf) -> Section {
    let mut section = Section::default();
    let Some(ipam) = field(&plugin.written, "ipam").and_then(Value::as_object) else {
        return section;
    };
    let place = format!("{}: ipam", plugin.place);
    let brings = |capability: &str| {
        let capabilities = field(&plugin.written, "capabilities");
        capabilities.and_then(|all| all.get(capability)) == Some(&Value::Bool(true))
    };
    match field(ipam, "type").and_then(Value::as_str) {
        // Without one there are no addresses, and dhcp needs nothing.
        None | Some("" | "dhcp") => {}
        Some("host-local") => section.refused = host_local(&place, ipam, brings("ipRanges")),
        Some("static") => {
            section.refused = addresses(&place, ipam);
            if field(ipam, "addresses").is_none() && !brings("ips") {
                section.notes.push(format!(
                    "{place}.addresses: there are none: each pod must bring its own"
                ));
            }
        }
        Some("whereabouts") => section.refused = whereabouts(&place, ipam),
        // Another name is refused already.
        Some(other) if !is_plain_name(other) => {}
        Some(other) => section
            .notes
            .push(format!("{place}: {other}: another plugin's, not checked")),
    }
    section
}

fn host_local(place: &str, ipam: &Map<String, Value>, brings: bool) -> Vec<String> {
    let mut refused = Vec::new();
    let has_subnet = field(ipam, "subnet").is_some();
    if has_subnet {
        refused.extend(range(place, ipam).err());
    }
    let sets = field(ipam, "ranges").unwrap_or(&Value::Null);
    let Some(sets) = list(sets) else {
        refused.push(wrong(&format!("{place}.ranges"), sets, "a list of lists of ranges"));
        return refused;
    };
    for (outer, set) in sets.iter().enumerate() {
        let place = format!("{place}.ranges[{outer}]");
        let Some(set) = set.as_array().filter(|set| !set.is_empty()) else {
            refused.push(wrong(&place, set, "a list of at least one range"));
            continue;
        };
        let mut families = Vec::new();
        for (inner, one) in set.iter().enumerate() {
            let place = format!("{place}[{inner}]");
            match one.as_object().map(|one| range(&place, one)) {
                Some(Ok(is_v6)) => families.push(is_v6),
                Some(Err(error)) => refused.push(error),
                None => refused.push(wrong(&place, one, "an object with a subnet")),
            }
        }
        if families.contains(&true) && families.contains(&false) {
            refused.push(format!(
                "{place}: its ranges are of IPv4 and of IPv6: each family needs a set of its own"
            ));
        }
    }
    if !has_subnet && sets.is_empty() && !brings {
        let right = "a network, as in 10.56.217.0/24, or there must be ranges";
        refused.push(wrong(&format!("{place}.subnet"), &Value::Null, right));
    }
    refused
}

/// Whether a range is of IPv6, or what is wrong with it.
fn range(place: &str, range: &Map<String, Value>) -> Result<bool, String> {
    let at = |key: &str| format!("{place}.{key}");
    let given = field(range, "subnet").unwrap_or(&Value::Null);
    let right = "a network, as in 10.56.217.0/24";
    let subnet = given.as_str().and_then(Network::read);
    let subnet = subnet.ok_or_else(|| wrong(&at("subnet"), given, right))?;
    if subnet.host_bits() < FEWEST_BITS {
        let right = format!("of at most /{}: it has no address to give", subnet.width - FEWEST_BITS);
        return Err(wrong(&at("subnet"), given, &right));
    }
    if subnet.address & subnet.host_mask() != 0 {
        let right = format!(
            "{}/{}, the address of the network itself",
            subnet.network(),
            subnet.prefix
        );
        return Err(wrong(&at("subnet"), given, &right));
    }
    let address = |key: &str| -> Result<Option<(u128, bool, &Value)>, String> {
        match field(range, key) {
            None | Some(Value::Null) => Ok(None),
            Some(given) => {
                let address = given.as_str().and_then(|text| text.parse::<IpAddr>().ok());
                let address = address.ok_or_else(|| wrong(&at(key), given, "an IP address"))?;
                let (number, width) = number(address);
                Ok(Some((number, width == subnet.width && subnet.contains(number), given)))
            }
        }
    };
    let (start, end) = (address("rangeStart")?, address("rangeEnd")?);
    address("gateway")?;
    for (key, bound) in [("rangeStart", start), ("rangeEnd", end)] {
        if let Some((_, false, given)) = bound {
            return Err(wrong(
                &at(key),
                given,
                &format!("in the subnet {}/{}", subnet.network(), subnet.prefix),
            ));
        }
    }
    match (start, end) {
        (Some((start, _, from)), Some((end, _, given))) if end < start => Err(wrong(
            &at("rangeEnd"),
            given,
            &format!("at or after rangeStart, {from}"),
        )),
        _ => Ok(subnet.width == Network::V6),
    }
}

fn addresses(place: &str, ipam: &Map<String, Value>) -> Vec<String> {
    let given = field(ipam, "addresses").unwrap_or(&Value::Null);
    let Some(addresses) = list(given) else {
        return vec![wrong(&format!("{place}.addresses"), given, "a list of addresses")];
    };
    let bad = |(index, one): (usize, &Value)| {
        let address = one
            .as_object()
            .and_then(|one| field(one, "address"))
            .unwrap_or(&Value::Null);
        let is_right = address.as_str().is_some_and(|text| Network::read(text).is_some());
        let right = "an address and the length of its prefix, as in 10.56.217.7/24";
        (!is_right).then(|| wrong(&format!("{place}.addresses[{index}].address"), address, right))
    };
    addresses.iter().enumerate().filter_map(bad).collect()
}

/// `range` is `CIDR`, or `FIRST-LAST/PREFIX`; `ipRanges` has several.
fn whereabouts(place: &str, ipam: &Map<String, Value>) -> Vec<String> {
    let is_range = |given: &Value| {
        let text = given.as_str()?;
        let (first, rest) = text
            .split_once('-')
            .map_or((None, text), |(first, rest)| (Some(first), rest));
        let is_first = first.is_none_or(|first| first.trim().parse::<IpAddr>().is_ok());
        Network::read(rest.trim()).filter(|_| is_first)
    };
    let right = "a network, as in 10.56.217.0/24, or 10.56.217.10-10.56.217.20/24";
    let own = field(ipam, "range").filter(|range| !range.is_null() && *range != "");
    let more = field(ipam, "ipRanges").unwrap_or(&Value::Null);
    let Some(more) = list(more) else {
        return vec![wrong(
            &format!("{place}.ipRanges"),
            more,
            "a list of objects with a range",
        )];
    };
    if own.is_none() && more.is_empty() {
        return vec![wrong(&format!("{place}.range"), &Value::Null, right)];
    }
    let own = own.map(|range| (format!("{place}.range"), range));
    let more = more.iter().enumerate().map(|(index, one)| {
        let range = one
            .as_object()
            .and_then(|one| field(one, "range"))
            .unwrap_or(&Value::Null);
        (format!("{place}.ipRanges[{index}].range"), range)
    });
    let all = own.into_iter().chain(more);
    all.filter(|(_, range)| is_range(range).is_none())
        .map(|(field, range)| wrong(&field, range, right))
        .collect()
}

fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let exact = object.get(name);
    exact.or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

/// A list; null is an empty one.
fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Null => Some(&[]),
        value => value.as_array().map(Vec::as_slice),
    }
}

fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), Network::V4),
        IpAddr::V6(address) => (u128::from(address), Network::V6),
    }
}

/// An address and the length of its prefix.
pub(super) struct Network {
    /// In the low bits, be it IPv4 or IPv6.
    pub(super) address: u128,
    /// Bits of the whole.
    pub(super) width: u32,
    pub(super) prefix: u32,
}

// === impl Network ===

impl Network {
    const V4: u32 = 32;
    const V6: u32 = 128;

    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let (address, width) = number(address.parse().ok()?);
        let is_number = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|prefix| is_number && *prefix <= width)?;
        Some(Self { address, width, prefix })
    }

    pub(super) fn host_bits(&self) -> u32 {
        self.width - self.prefix
    }

    pub(super) fn host_mask(&self) -> u128 {
        1_u128.checked_shl(self.host_bits()).map_or(u128::MAX, |size| size - 1)
    }

    /// Its address without what is a host's.
    pub(super) fn network(&self) -> IpAddr {
        let network = self.address & !self.host_mask();
        match self.width {
            Self::V4 => IpAddr::V4(u32::try_from(network).unwrap_or_default().into()),
            _ => IpAddr::V6(network.into()),
        }
    }

    fn contains(&self, number: u128) -> bool {
        number & !self.host_mask() == self.address & !self.host_mask()
    }
}

#[cfg(test)]
#[path = "sections_tests.rs"]
mod tests;
