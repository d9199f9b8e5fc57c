//! `N` and `A-B`: indices of VFs, or numbers of subfunctions.

use std::ops::RangeInclusive;

use super::object::{BadField, Item};

/// Indices, both ends of a range included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges(Vec<RangeInclusive<u32>>);

// === impl Ranges ===

impl Ranges {
    /// Reads `0-3,5`; `None` if it is anything else, or a range that is empty.
    pub(super) fn parse(entries: &str) -> Option<Self> {
        entries.split(',').map(range).collect::<Option<_>>().map(Self)
    }

    /// Reads one entry of `vfIndexes`.
    pub(super) fn item(item: &Item) -> Result<Self, BadField> {
        Self::parse(&item.text).ok_or_else(|| item.bad("expected an index or a range of them, as in 3 or 0-3"))
    }

    pub(super) fn contain(&self, index: u32) -> bool {
        self.0.iter().any(|range| range.contains(&index))
    }
}

fn range(entry: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

fn number(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}
