//! Colours: only where a person looks, and does not mind.
//!
//! Contract: no-color.org: `NO_COLOR`, set to anything but nothing, means none. A terminal that is `dumb` shows escapes as they are.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::IsTerminal;

/// Whether what is printed has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

// === impl Paint ===

impl Paint {
    /// No colours.
    pub const NONE: Self = Self(false);
    /// As on a terminal.
    #[cfg(test)]
    pub(super) const ALWAYS: Self = Self(true);

    /// Colours on a terminal, unless the environment, asked by name, does not want any.
    pub fn of(stream: &impl IsTerminal, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        Self(stream.is_terminal()).unless(variable)
    }

    fn unless(self, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = variable("TERM").is_none_or(|value| value == "dumb");
        Self(self.0 && !is_unwanted && !is_dumb)
    }

    /// A heading.
    pub fn bold(self, text: &str) -> Cow<'_, str> {
        self.painted("1", text)
    }

    /// What is wrong.
    pub fn red(self, text: &str) -> Cow<'_, str> {
        self.painted("31", text)
    }

    /// What does not work as it might.
    pub fn yellow(self, text: &str) -> Cow<'_, str> {
        self.painted("33", text)
    }

    /// What is to be known.
    pub fn cyan(self, text: &str) -> Cow<'_, str> {
        self.painted("36", text)
    }

    /// `code` is one of Select Graphic Rendition (ECMA-48, 8.3.117).
    fn painted<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        if self.0 && !text.is_empty() {
            Cow::Owned(format!("\u{1b}[{code}m{text}\u{1b}[0m"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_on_a_terminal_that_shows_them_and_whose_user_wants_them() {
        let with = |pairs: &[(&str, &str)]| {
            Paint(true).unless(|name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.into())
            })
        };
        assert_eq!(with(&[("TERM", "xterm")]).red("x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(
            with(&[("TERM", "xterm"), ("NO_COLOR", "")]).bold("x"),
            "\u{1b}[1mx\u{1b}[0m"
        );
        assert_eq!(with(&[("TERM", "xterm"), ("NO_COLOR", "1")]), Paint::NONE);
        assert_eq!(with(&[("TERM", "dumb")]), Paint::NONE);
        assert_eq!(with(&[]), Paint::NONE);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Paint::of(&file, |_| Some("xterm".into())), Paint::NONE);
        assert_eq!(Paint::NONE.red("x"), "x");
    }
}
