//! Ranges of host-local, as it reads them (`plugins/ipam/host-local/backend/allocator`, containernetworking/plugins): how many
//! addresses a range has to give.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

/// Addresses from the first to the last, without the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    is_v6: bool,
    first: u128,
    last: u128,
    gateway: u128,
}

/// The sets of ranges of an `ipam` section: of each set, a container gets one address.
pub fn range_sets(ipam: &Value) -> Vec<Vec<Range>> {
    let sets = ipam
        .get("ranges")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let own = ipam.get("subnet").is_some().then(|| Value::Array(vec![ipam.clone()]));
    let sets = own.into_iter().chain(sets);
    let set = |set: Value| -> Option<Vec<Range>> { set.as_array()?.iter().map(Range::read).collect() };
    sets.filter_map(set).filter(|set| !set.is_empty()).collect()
}

// === impl Range ===

impl Range {
    fn read(range: &Value) -> Option<Self> {
        let text = |key: &str| range.get(key).and_then(Value::as_str);
        let (network, length) = text("subnet")?.split_once('/')?;
        let (network, length) = (network.parse::<IpAddr>().ok()?, length.parse::<u32>().ok()?);
        let bits = if network.is_ipv6() { 128 } else { 32 };
        let host = bits - length.min(bits);
        let mask = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
        let base = number(network) & !mask;
        let all = base | mask;
        let address = |key: &str| text(key).and_then(|text| text.parse::<IpAddr>().ok()).map(number);
        // The broadcast address of IPv4 is nobody's, and neither is the network's own of either family.
        let last = if network.is_ipv6() { all } else { all.saturating_sub(1) };
        let first = base.saturating_add(1);
        Some(Self {
            is_v6: network.is_ipv6(),
            first: address("rangeStart").unwrap_or(first),
            last: address("rangeEnd").unwrap_or(last),
            gateway: address("gateway").unwrap_or(first),
        })
    }

    /// How many addresses it has.
    pub fn capacity(&self) -> u128 {
        let all = self
            .last
            .checked_sub(self.first)
            .map_or(0, |rest| rest.saturating_add(1));
        let has_gateway = (self.first..=self.last).contains(&self.gateway);
        all.saturating_sub(u128::from(has_gateway))
    }

    /// Whether it ends before it begins, as no range of host-local may.
    pub fn is_inverted(&self) -> bool {
        self.last < self.first
    }

    /// Whether an address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.is_v6 && (self.first..=self.last).contains(&number(address))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(Ipv4Addr::to_bits(v4)),
        IpAddr::V6(v6) => Ipv6Addr::to_bits(v6),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn capacities(ipam: &Value) -> Vec<u128> {
        let sets = range_sets(ipam);
        let capacity = |set: &Vec<Range>| set.iter().map(Range::capacity).sum();
        sets.iter().map(capacity).collect()
    }

    #[test]
    fn a_range_has_what_host_local_gives_out_of_it() {
        assert_eq!(capacities(&json!({"subnet": "10.1.0.0/24"})), [253]);
        assert_eq!(capacities(&json!({"subnet": "10.1.0.7/30"})), [1]);
        let few = json!({"ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.12"}],
                                    [{"subnet": "fd00::/126"}]]});
        assert_eq!(capacities(&few), [3, 2]);
        let with_gateway = json!({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.12",
                                  "gateway": "10.1.0.11"});
        assert_eq!(capacities(&with_gateway), [2]);
        assert_eq!(capacities(&json!({"subnet": "fd00::/0"})).len(), 1);
        for bad in [
            json!({}),
            json!({"subnet": 7}),
            json!({"subnet": "10.1.0.0"}),
            json!({"ranges": [[]]}),
        ] {
            assert!(capacities(&bad).is_empty(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_in_its_own_family_only() {
        let sets = range_sets(&json!({"subnet": "10.1.0.0/24"}));
        assert!(sets[0][0].contains("10.1.0.9".parse().unwrap()));
        assert!(!sets[0][0].contains("10.1.1.9".parse().unwrap()) && !sets[0][0].contains("::a01:9".parse().unwrap()));
    }
}
