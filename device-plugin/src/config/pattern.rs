//! Globs and negation: what the values of a selector have beyond upstream's.
//!
//! `*` stands for any characters, `?` for one. An entry with `!` before it excludes: a list of such entries only selects
//! everything else.

use super::object::{BadField, Item};

/// A text with `*` and `?`, compared without regard to case, as upstream compares names of interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

/// The entries of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice<T> {
    wanted: Vec<T>,
    unwanted: Vec<T>,
}

// === impl Pattern ===

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// The text, where it stands for nothing but itself.
    pub(super) fn plain(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|text| !text.contains(['*', '?']))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        glob(self.0.as_bytes(), text.to_lowercase().as_bytes())
    }
}

fn glob(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // Where to go on if the last star has to stand for one character more.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern, text) {
            ([b'*', rest @ ..], _) => {
                pattern = rest;
                again = text.split_first().map(|(_, longer)| (rest, longer));
            }
            ([p, rest @ ..], [t, others @ ..]) if *p == b'?' || p == t => (pattern, text) = (rest, others),
            ([], []) => return true,
            _ => {
                let Some((rest, shorter)) = again else { return false };
                again = shorter.split_first().map(|(_, longer)| (rest, longer));
                (pattern, text) = (rest, shorter);
            }
        }
    }
}

// === impl Choice ===

impl Choice<Pattern> {
    /// Whether something is asked for, and all of it is such.
    pub(super) fn are_all(&self, is_such: impl Fn(&str) -> bool) -> bool {
        let mut wanted = self.wanted.iter();
        !self.wanted.is_empty() && wanted.all(|pattern| pattern.plain().is_some_and(&is_such))
    }

    /// What is asked for by its whole name.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().filter_map(Pattern::plain)
    }
}

impl<T> Default for Choice<T> {
    fn default() -> Self {
        Self {
            wanted: Vec::new(),
            unwanted: Vec::new(),
        }
    }
}

impl<T> Choice<T> {
    /// Reads each entry, without its `!`.
    pub(super) fn parse(items: Vec<Item>, read: impl Fn(&Item) -> Result<T, BadField>) -> Result<Self, BadField> {
        let mut choice = Self::default();
        for item in items {
            match item.text.strip_prefix('!') {
                None => choice.wanted.push(read(&item)?),
                Some(text) => {
                    let bare = Item {
                        field: item.field.clone(),
                        text: text.to_owned(),
                    };
                    choice.unwanted.push(read(&bare)?);
                }
            }
        }
        Ok(choice)
    }

    /// Without entries, nothing is asked and everything is right.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// Whether something is chosen. `is` tells whether an entry stands for it.
    pub(super) fn takes(&self, mut is: impl FnMut(&T) -> bool) -> bool {
        !self.unwanted.iter().any(&mut is) && (self.wanted.is_empty() || self.wanted.iter().any(is))
    }

    /// The same for what may be unknown: that is chosen only where nothing is asked.
    pub(super) fn takes_known<V>(&self, value: Option<V>, is: impl Fn(&T, &V) -> bool) -> bool {
        match value {
            None => self.is_empty(),
            Some(value) => self.takes(|entry| is(entry, &value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stand_for_what_they_say() {
        for (pattern, text, expected) in [
            ("ens1", "ens1", true),
            ("ENS1", "ens1", true),
            ("ens1", "Ens1", true),
            ("ens1", "ens10", false),
            ("ens*", "ens", true),
            ("ens*", "ens1f0np0", true),
            ("*f0*np*", "ens1f0f0np0", true),
            ("*f1", "ens1f0", false),
            ("ens?f0", "ens1f0", true),
            ("ens?f0", "ensf0", false),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
            ("a*b*c", "axxbyyb", false),
            ("a*ab", "aaab", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn excluded_entries_take_precedence() {
        let items = |texts: &[&str]| {
            let item = |text: &&str| Item {
                field: "x".to_owned(),
                text: (*text).to_owned(),
            };
            texts.iter().map(item).collect()
        };
        let takes = |texts: &[&str], name: &str| {
            let choice = Choice::parse(items(texts), |item| Ok(Pattern::new(&item.text))).unwrap();
            choice.takes(|entry| entry.matches(name))
        };
        assert!(takes(&[], "ens1"));
        assert!(takes(&["ens*", "!ens1"], "ens2") && !takes(&["ens*", "!ens1"], "ens1"));
        assert!(takes(&["!ens1"], "eth0") && !takes(&["!ens1"], "ens1"));
        assert!(!takes(&["ens*", "!ens1"], "eth0"));
    }
}
