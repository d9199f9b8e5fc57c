//! `NAME[#e1,e2,...]` with e = `N` or `A-B`: the VFs of a PF, by its name.
//!
//! Unlike in sriov-network-device-plugin, where only the first one counts, several entries of a PF add up.

use std::ops::RangeInclusive;

use super::object::{BadField, Item};

/// VFs of one PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PfName {
    name: String,
    /// Indices; `None` for all.
    vfs: Option<Vec<RangeInclusive<u32>>>,
}

// === impl PfName ===

impl PfName {
    /// Whether it stands for the VF `index` of the PF `name`.
    pub fn matches(&self, name: &str, index: Option<u32>) -> bool {
        let vf =
            |ranges: &Vec<RangeInclusive<u32>>| index.is_some_and(|index| ranges.iter().any(|r| r.contains(&index)));
        self.name.eq_ignore_ascii_case(name) && self.vfs.as_ref().is_none_or(vf)
    }

    pub(super) fn parse(item: &Item) -> Result<Self, BadField> {
        let bad = || item.bad("expected an interface name, or one with VF indices as in eth0#0-3,5");
        let (name, vfs) = match item.text.split_once('#') {
            None => (item.text.as_str(), None),
            Some((name, entries)) => (name, Some(ranges(entries).ok_or_else(bad)?)),
        };
        if name.is_empty() || name.contains(|c: char| c == '/' || c.is_whitespace()) {
            return Err(bad());
        }
        Ok(Self {
            name: name.to_owned(),
            vfs,
        })
    }
}

fn ranges(entries: &str) -> Option<Vec<RangeInclusive<u32>>> {
    entries.split(',').map(range).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PfName, BadField> {
        PfName::parse(&Item {
            field: "pfNames[0]".to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn ranges_select_vfs_by_index() {
        // The vectors of sriov-network-device-plugin.
        let names: Vec<PfName> = ["ens0", "ens2f0#1", "ens2f1#0,3-5,7"].map(|n| parse(n).unwrap()).into();
        let matches = |name: &str, index| names.iter().any(|entry| entry.matches(name, index));
        assert!(matches("ens0", None) && matches("ENS0", Some(12)));
        assert!(!matches("eth0", Some(0)));
        assert!(matches("ens2f0", Some(1)) && !matches("ens2f0", Some(0)) && !matches("ens2f0", None));
        for index in 0..10 {
            assert_eq!(
                matches("ens2f1", Some(index)),
                [0, 3, 4, 5, 7].contains(&index),
                "{index}"
            );
        }
    }

    #[test]
    fn several_entries_of_a_pf_add_up() {
        let names: Vec<PfName> = ["eth0#0-1", "eth0#4-5"].map(|n| parse(n).unwrap()).into();
        let matching = (0..7).filter(|vf| names.iter().any(|n| n.matches("eth0", Some(*vf))));
        assert_eq!(matching.collect::<Vec<_>>(), [0, 1, 4, 5]);
    }

    #[test]
    fn bad_ranges_are_refused() {
        for text in [
            "",
            "#1",
            "eth0#",
            "eth0#1#2",
            "eth0#1-2-3",
            "eth0#5-3",
            "eth0#1, 2",
            "eth0#a",
            "eth0#-1",
            "eth0#+1",
            "eth 0",
            "a/b",
            "eth0#99999999999",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("eth0#0-3,5"), "{text:?}: {error}");
        }
    }
}
