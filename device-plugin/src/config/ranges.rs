//! `N` and `A-B`: indices of VFs, or numbers of subfunctions.

use std::ops::RangeInclusive;

use super::object::{BadField, Item};

/// Indices, both ends of a range included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges(Vec<RangeInclusive<u32>>);

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

    /// Whether an index is among them.
    pub fn contain(&self, index: u32) -> bool {
        self.0.iter().any(|range| range.contains(&index))
    }

    /// The largest of them.
    pub fn last(&self) -> u32 {
        self.0.iter().map(|range| *range.end()).max().unwrap_or_default()
    }

    /// The least index that both have.
    pub(super) fn shared(&self, other: &Self) -> Option<u32> {
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| (a, b)));
        let starts = pairs.filter_map(|(a, b)| {
            let start = *a.start().max(b.start());
            (start <= *a.end().min(b.end())).then_some(start)
        });
        starts.min()
    }
}

impl std::fmt::Display for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries: Vec<String> = self.0.iter().map(written).collect();
        f.write_str(&entries.join(","))
    }
}

fn written(range: &RangeInclusive<u32>) -> String {
    if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{}-{}", range.start(), range.end())
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
