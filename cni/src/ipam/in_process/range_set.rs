//! The range sets of a configuration: one address of each set is given to an attachment.

use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use super::Problem;
use super::config::{Fields, Ipam, expected};
use super::range::{Range, Written, next};

/// Ranges of one family that do not overlap. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RangeSet(Vec<Range>);

/// The sets of a configuration: the runtime's, the one beside `type`, and those of `ranges`.
pub(super) fn range_sets(ipam: &Ipam<'_>) -> Result<Vec<RangeSet>, Problem> {
    let section = ipam.section();
    let mut written: Vec<Vec<Written>> = Vec::new();
    if let Some(runtime) = ipam.runtime_config()? {
        written.extend(sets(runtime.list("ipRanges")?)?);
    }
    let beside = Written::of(&section)?;
    written.extend(beside.subnet.map(|_subnet| vec![beside]));
    written.extend(sets(section.list("ranges")?)?);
    if written.is_empty() {
        return Err(Problem("no IP ranges specified".to_owned()));
    }
    let set = |(index, written): (usize, &Vec<Written>)| {
        RangeSet::of(written).map_err(|problem| Problem(format!("invalid range set {index}: {problem}")))
    };
    let sets = written.iter().enumerate().map(set).collect::<Result<Vec<_>, _>>()?;
    ipam.check_count(sets.iter().filter_map(|set| set.0.first()).map(|range| range.first))?;
    for (index, set) in sets.iter().enumerate() {
        if let Some(other) = sets[index + 1..].iter().position(|other| set.overlaps(other)) {
            return Err(Problem(format!(
                "range set {index} overlaps with {}",
                index + other + 1
            )));
        }
    }
    Ok(sets)
}

fn sets(lists: Vec<(String, &Value)>) -> Result<Vec<Vec<Written>>, Problem> {
    let set = |(place, value): (String, &Value)| {
        let Value::Array(list) = value else {
            return Err(expected(&place, value, "a list of ranges"));
        };
        let ranges = list.iter().enumerate();
        let written = ranges.map(|(index, value)| Written::of(&Fields::of(value, format!("{place}[{index}]"))?));
        written.collect()
    };
    lists.into_iter().map(set).collect()
}

// === impl RangeSet ===

impl RangeSet {
    fn of(written: &[Written]) -> Result<Self, Problem> {
        if written.is_empty() {
            return Err(Problem("empty range set".to_owned()));
        }
        let mut ranges: Vec<Range> = Vec::with_capacity(written.len());
        for written in written {
            let range = written.range()?;
            if ranges.first().is_some_and(|first| first.is_ipv4() != range.is_ipv4()) {
                return Err(Problem("mixed address families".to_owned()));
            }
            ranges.push(range);
        }
        for (index, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges[index + 1..].iter().find(|other| range.overlaps(other)) {
                return Err(Problem(format!("subnets {range} and {other} overlap")));
            }
        }
        Ok(Self(ranges))
    }

    /// The range that an address is of.
    pub(super) fn range_of(&self, address: IpAddr) -> Option<&Range> {
        self.0.iter().find(|range| range.contains(address))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.0
            .iter()
            .any(|range| other.0.iter().any(|other| range.overlaps(other)))
    }

    /// Its addresses in the order in which they are tried: round from the one after `last`, the one that was given out last.
    /// That one itself comes at the end, and gateways never.
    pub(super) fn after(&self, last: Option<IpAddr>) -> impl Iterator<Item = (IpAddr, &Range)> {
        let start = last.and_then(|last| Some((self.0.iter().position(|range| range.contains(last))?, last)));
        let mut cursor = start;
        let mut begin = None;
        std::iter::from_fn(move || {
            loop {
                let (index, address) = match cursor {
                    None => (0, self.0[0].first),
                    Some((index, at)) if at == self.0[index].last => {
                        let index = (index + 1) % self.0.len();
                        (index, self.0[index].first)
                    }
                    Some((index, at)) => (index, next(at)),
                };
                if begin == Some(address) {
                    return None;
                }
                begin = begin.or(Some(address));
                cursor = Some((index, address));
                let range = &self.0[index];
                if address != range.gateway {
                    return Some((address, range));
                }
            }
        })
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "range_set_tests.rs"]
mod tests;
