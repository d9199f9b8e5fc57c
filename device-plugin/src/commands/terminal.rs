//! Colours: only where a person looks, and does not mind. And an output that notices when nobody reads it any more.
//!
//! Contract: no-color.org: `NO_COLOR`, set to anything but nothing, means none. A terminal that is `dumb` shows escapes as they are.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Whether what is printed has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

/// Where a command prints. A pipe that is closed (`| head`) is its reader's wish, and no error.
#[derive(Debug)]
pub struct Output<W> {
    out: W,
    is_closed: bool,
}

// === impl Output ===

impl<W: Write> Output<W> {
    /// Prints to this.
    pub fn to(out: W) -> Self {
        Self { out, is_closed: false }
    }

    /// Whether its reader has closed it.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn noting<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        self.is_closed |= done.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        done
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.noting(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.noting(flushed)
    }
}

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

    #[test]
    fn an_output_that_nobody_reads_any_more_is_noticed_and_a_full_disk_is_not_taken_for_one() {
        let (reader, writer) = io::pipe().unwrap();
        let mut out = Output::to(writer);
        out.write_all(b"x").unwrap();
        assert!(!out.is_closed());
        drop(reader);
        out.write_all(b"x").unwrap_err();
        assert!(out.is_closed());
        let mut full = Output::to(std::fs::File::options().write(true).open("/dev/full").unwrap());
        full.write_all(b"x").unwrap_err();
        assert!(!full.is_closed());
    }
}
