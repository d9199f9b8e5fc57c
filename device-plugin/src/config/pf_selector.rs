//! `PF[#e1,e2,...]` with e = `N` or `A-B`: functions of a PF, which is told by its name, its alternative name, its MAC or
//! its address.
//!
//! Unlike in sriov-network-device-plugin, where only the first one counts, several entries of a PF add up.

use hardwire_pci::{MacAddr, PciAddress};

use super::object::{BadField, Item};
use super::pattern::Pattern;
use super::ranges::Ranges;

/// Functions of the PFs that a pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PfSelector {
    pf: Pattern,
    /// Indices; `None` for all.
    functions: Option<Ranges>,
}

// === impl PfSelector ===

impl PfSelector {
    /// Whether it stands for the function `index` of the PF that is called `pf`.
    pub(super) fn matches(&self, pf: &str, index: Option<u32>) -> bool {
        let listed = |ranges: &Ranges| index.is_some_and(|index| ranges.contain(index));
        self.pf.matches(pf) && self.functions.as_ref().is_none_or(listed)
    }

    /// An entry of `pfNames` or `pfAltNames`.
    pub(super) fn by_name(item: &Item) -> Result<Self, BadField> {
        let expected = "expected an interface name, or one with VF indices as in eth0#0-3,5";
        let right = |name: &str| !name.contains(|c: char| c == '/' || c.is_whitespace());
        Self::parse(item, expected, |name| right(name).then(|| name.to_owned()))
    }

    /// An entry of `pfMacs`.
    pub(super) fn by_mac(item: &Item) -> Result<Self, BadField> {
        let expected = "expected a MAC address, or one with VF indices as in 02:00:00:00:00:0a#0-3,5";
        Self::parse(item, expected, |text| {
            let mac: Option<MacAddr> = text.parse().ok();
            mac.map(|mac| mac.to_string())
        })
    }

    /// An entry of `rootDevices`.
    pub(super) fn by_address(item: &Item) -> Result<Self, BadField> {
        let expected = "expected the full PCI address of a PF, or one with VF indices as in 0000:3b:00.0#0-3,5";
        Self::parse(item, expected, |text| is_address(text).then(|| text.to_owned()))
    }

    fn parse(item: &Item, expected: &str, pf: impl Fn(&str) -> Option<String>) -> Result<Self, BadField> {
        let parse = || {
            let (name, functions) = match item.text.split_once('#') {
                None => (item.text.as_str(), None),
                Some((name, entries)) => (name, Some(Ranges::parse(entries)?)),
            };
            let pf = pf(name).filter(|_| !name.is_empty())?;
            Some(Self {
                pf: Pattern::new(&pf),
                functions,
            })
        };
        parse().ok_or_else(|| item.bad(expected))
    }
}

/// Whether a text is a full PCI address, or a pattern that may stand for one.
pub(super) fn is_address(text: &str) -> bool {
    let has_wildcard = text.contains(['*', '?']);
    let fitting = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '*' | '?');
    text.to_ascii_lowercase().parse::<PciAddress>().is_ok() || (has_wildcard && text.chars().all(fitting))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> Item {
        Item {
            field: "pfNames[0]".to_owned(),
            text: text.to_owned(),
        }
    }

    fn name(text: &str) -> Result<PfSelector, BadField> {
        PfSelector::by_name(&item(text))
    }

    #[test]
    fn ranges_select_functions_by_index() {
        // The vectors of sriov-network-device-plugin.
        let names = ["ens0", "ens2f0#1", "ens2f1#0,3-5,7"].map(|n| name(n).unwrap());
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
        let roots = ["0000:86:00.0", "0000:86:00.1#1", "0000:86:00.2#0-2,5,7"];
        let roots = roots.map(|root| PfSelector::by_address(&item(root)).unwrap());
        let matching = |pf: &str| -> Vec<u32> {
            let chosen = |index: &u32| roots.iter().any(|root| root.matches(pf, Some(*index)));
            (0..9).filter(chosen).collect()
        };
        assert_eq!(matching("0000:86:00.2"), [0, 1, 2, 5, 7]);
        assert_eq!(matching("0000:86:00.1"), [1]);
        assert_eq!(matching("0000:86:00.0").len(), 9);
        assert!(matching("0000:86:00.3").is_empty());
    }

    #[test]
    fn several_entries_of_a_pf_add_up() {
        let names = ["eth0#0-1", "eth0#4-5"].map(|n| name(n).unwrap());
        let matching = (0..7).filter(|vf| names.iter().any(|n| n.matches("eth0", Some(*vf))));
        assert_eq!(matching.collect::<Vec<_>>(), [0, 1, 4, 5]);
    }

    #[test]
    fn patterns_macs_and_addresses_tell_a_pf() {
        assert!(name("ens*#2").unwrap().matches("ens1f0", Some(2)));
        let mac = PfSelector::by_mac(&item("02:00:00:00:00:0A#2")).unwrap();
        assert!(mac.matches("02:00:00:00:00:0a", Some(2)) && !mac.matches("02:00:00:00:00:0a", Some(1)));
        let root = PfSelector::by_address(&item("0000:3B:*")).unwrap();
        assert!(root.matches("0000:3b:00.1", Some(0)) && !root.matches("0000:3c:00.1", Some(0)));
    }

    #[test]
    fn bad_entries_are_refused() {
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
            let error = name(text).unwrap_err().to_string();
            assert!(error.contains("eth0#0-3,5"), "{text:?}: {error}");
        }
        for text in ["eth0", "3b:00.0", "0000:3b:00.0/x", "", "0000:3b:00.0#x", "ens*"] {
            let error = PfSelector::by_address(&item(text)).unwrap_err().to_string();
            assert!(error.contains("0000:3b:00.0#0-3,5"), "{text:?}: {error}");
        }
        for text in ["eth0", "02:00:00", "02:*"] {
            assert!(PfSelector::by_mac(&item(text)).is_err(), "{text:?}");
        }
    }
}
