//! Container ids and network names: checked once, so that they may become file names and log fields.
//!
//! Contract: `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$` for both (libcni pkg/utils).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::printable::excerpt;

/// A text that breaks the pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not match ^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")]
pub struct BadName(pub String);

/// The longest name, bytes: runtimes give 64 digits, and each name stands in every line of the log.
const LONGEST: usize = 1 << 10;

fn check(text: &str) -> Result<String, BadName> {
    if text.len() > LONGEST {
        return Err(BadName(excerpt(text, 64)));
    }
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if first && rest {
        Ok(text.to_owned())
    } else {
        Err(BadName(text.to_owned()))
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                check(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// `CNI_CONTAINERID`.
    ContainerId
}
name! {
    /// The configuration's `name`.
    NetworkName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_paths_are_refused() {
        for text in ["a", "A9", "a_b.c-d", &"x".repeat(300)] {
            assert!(text.parse::<ContainerId>().is_ok(), "{text}");
        }
        assert!("x".repeat(LONGEST + 1).parse::<ContainerId>().is_err());
        for text in ["", "-bad", ".a", "a/b", "a b", "é", "a\n", "../a", "te%%st"] {
            assert!(text.parse::<NetworkName>().is_err(), "{text:?}");
        }
    }
}
