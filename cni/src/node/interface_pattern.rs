//! A pool's `interface`: what the pod's interface is called, which no pod and no NAD says.

use std::fmt;
use std::str::FromStr;

use hardwire_pci::IfName;
use serde::{Deserialize, Serialize};

/// Stands for a number from 1 on.
const NUMBER: &str = "%d";
/// More interfaces of one pattern than any pod has.
const MOST: usize = 256;

/// A name, or one with `%d` for a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfacePattern(String);

/// A text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of an interface, in which %d may stand for a number, of at most 15 bytes with it")]
pub struct BadPattern;

// === impl InterfacePattern ===

impl InterfacePattern {
    /// What chained interfaces are called: `net1` and so on, or `vf1` where Multus names its own so.
    pub fn by_default(with_multus: bool) -> Self {
        Self(if with_multus { "vf%d" } else { "net%d" }.to_owned())
    }

    /// The `n`-th name, from 1; `None` where it has no such.
    pub fn name(&self, n: usize) -> Option<IfName> {
        if self.0.contains(NUMBER) {
            (n <= MOST).then(|| self.0.replacen(NUMBER, &n.to_string(), 1).parse().ok())?
        } else {
            (n == 1).then(|| self.0.parse().ok())?
        }
    }
}

impl FromStr for InterfacePattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let longest = text.replacen(NUMBER, &MOST.to_string(), 1);
        // What is left of a second one is a template to the kernel.
        let is_name = longest.parse::<IfName>().is_ok() && !matches!(text, "lo" | "eth0");
        is_name.then(|| Self(text.to_owned())).ok_or(BadPattern)
    }
}

impl TryFrom<String> for InterfacePattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        text.parse()
    }
}

impl From<InterfacePattern> for String {
    fn from(pattern: InterfacePattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_counts_from_one_and_a_name_is_one_interface() {
        let pattern: InterfacePattern = "rdma%d".parse().unwrap();
        assert_eq!(pattern.name(2).unwrap().as_str(), "rdma2");
        let name: InterfacePattern = "data".parse().unwrap();
        assert_eq!(name.name(1).unwrap().as_str(), "data");
        assert_eq!(name.name(2), None);
        for bad in [
            "",
            "a/b",
            "%d%d",
            "a%sb",
            "abcdefghijklm%d",
            "abcdefghijklmnop",
            "lo",
            "eth0",
        ] {
            assert!(bad.parse::<InterfacePattern>().is_err(), "{bad}");
        }
    }
}
