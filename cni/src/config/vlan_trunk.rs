//! `vlanTrunk`: the VLANs that a VF may tag by itself, where the PF's driver lets them be listed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::wrong;
use crate::protocol::{AnyCase, CniError};

/// A set of VLAN ids as ordered, disjoint ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanTrunk(Vec<(u16, u16)>);

const RIGHT: &str = "a list of VLAN ids from 1 to 4094 and ranges of them, as in \"10,20-29\" or [10, \"20-29\"]";

impl VlanTrunk {
    pub(super) fn parse(fields: AnyCase<'_>) -> Result<Option<Self>, CniError> {
        let bad = |value: &Value| wrong("vlanTrunk", value, RIGHT);
        let Some(value) = fields.get("vlanTrunk") else {
            return Ok(None);
        };
        let trunk = match value {
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::String(text) => Self::read(text),
            Value::Array(items) => {
                let texts = items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                Self::read(&texts.collect::<Vec<_>>().join(","))
            }
            _ => None,
        };
        trunk
            .filter(|trunk| !trunk.0.is_empty())
            .map(Some)
            .ok_or_else(|| bad(value))
    }

    /// Reads `10,20-29`, as drivers print it too; `None` if it is anything else.
    pub fn read(text: &str) -> Option<Self> {
        let mut ranges = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let (low, high) = (id(low)?, id(high)?);
            if low > high {
                return None;
            }
            ranges.push((low, high));
        }
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (low, high) in ranges {
            match merged.last_mut() {
                Some(last) if low <= last.1 + 1 => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Some(Self(merged))
    }

    /// Whether it names no VLAN.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its ranges, both ends included.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> {
        self.0.iter().copied()
    }

    /// The ids of this that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let in_other = |id: u16| other.0.iter().any(|(low, high)| (*low..=*high).contains(&id));
        let ids = self
            .0
            .iter()
            .flat_map(|(low, high)| *low..=*high)
            .filter(|id| !in_other(*id));
        let mut left: Vec<(u16, u16)> = Vec::new();
        for id in ids {
            match left.last_mut() {
                Some(last) if last.1 + 1 == id => last.1 = id,
                _ => left.push((id, id)),
            }
        }
        Self(left)
    }
}

fn id(text: &str) -> Option<u16> {
    let digits = text.trim();
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|id| plain && (1..=4094).contains(id))
}

impl fmt::Display for VlanTrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (low, high)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            if low == high {
                write!(f, "{separator}{low}")?;
            } else {
                write!(f, "{separator}{low}-{high}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_merged_and_subtracted() {
        let read = |text| VlanTrunk::read(text).unwrap();
        assert_eq!(read("30, 10-12,12-20,21").to_string(), "10-21,30");
        assert_eq!(read("10-20,30").without(&read("12-13,30")).to_string(), "10-11,14-20");
        assert!(read("10").without(&read("1-4094")).is_empty());
        for bad in ["0", "4095", "5-3", "a", "1-2-3", "+5"] {
            assert_eq!(VlanTrunk::read(bad), None, "{bad}");
        }
    }
}
