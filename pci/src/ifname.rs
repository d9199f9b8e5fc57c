//! Interface names as a type.
//!
//! Contract: `dev_valid_name` in the kernel's net/core/dev.c: 1 to 15 bytes, not `.` or `..`, no `/`, `:` or white space. And
//! `dev_alloc_name`: a name with `%` is a template, of which the kernel makes another name (`eth%d`), so that no interface
//! ever has one.
//! Alternative names (`IFLA_ALT_IFNAME`) are longer (127 bytes) and another thing; see [`crate::netlink`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a network interface.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName(String);

/// Why a text is no interface name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadIfName {
    /// Nothing at all.
    #[error("an interface name may not be empty")]
    Empty,
    /// `IFNAMSIZ` counts a closing NUL.
    #[error("interface name {0:?} is longer than 15 bytes")]
    TooLong(String),
    /// They would be directories in sysfs.
    #[error("interface name {0:?} is . or ..")]
    Dots(String),
    /// The kernel would make a name of its own of it.
    #[error("interface name {0:?} contains %, which makes it a template for a name")]
    Template(String),
    /// The kernel refuses these.
    #[error("interface name {0:?} contains / or : or whitespace characters")]
    Character(String),
}

impl IfName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IfName {
    type Err = BadIfName;

    fn from_str(text: &str) -> Result<Self, BadIfName> {
        match text {
            "" => Err(BadIfName::Empty),
            _ if text.len() > 15 => Err(BadIfName::TooLong(text.to_owned())),
            "." | ".." => Err(BadIfName::Dots(text.to_owned())),
            _ if text
                .chars()
                .any(|c| c == '/' || c == ':' || c == '\0' || c.is_whitespace()) =>
            {
                Err(BadIfName::Character(text.to_owned()))
            }
            _ if text.contains('%') => Err(BadIfName::Template(text.to_owned())),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for IfName {
    type Error = BadIfName;

    fn try_from(text: String) -> Result<Self, BadIfName> {
        text.parse()
    }
}

impl From<IfName> for String {
    fn from(name: IfName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_bytes_fit_and_sixteen_do_not() {
        assert!("abcdefghijklmno".parse::<IfName>().is_ok());
        assert!(matches!(
            "abcdefghijklmnop".parse::<IfName>(),
            Err(BadIfName::TooLong(_))
        ));
        assert!(matches!("ééééééééé".parse::<IfName>(), Err(BadIfName::TooLong(_))));
    }

    #[test]
    fn rule_9_a_template_is_no_name() {
        for text in ["eth%d", "%", "%s", "a%%b", "x%"] {
            assert!(matches!(text.parse::<IfName>(), Err(BadIfName::Template(_))), "{text}");
        }
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        assert_eq!("".parse::<IfName>(), Err(BadIfName::Empty));
        for text in [".", ".."] {
            assert!(matches!(text.parse::<IfName>(), Err(BadIfName::Dots(_))), "{text}");
        }
        for text in ["a/b", "a:b", "a b", "a\tb", "a\u{a0}b", "a\0b"] {
            assert!(
                matches!(text.parse::<IfName>(), Err(BadIfName::Character(_))),
                "{text:?}"
            );
        }
    }
}
