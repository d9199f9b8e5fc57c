//! Text from outside as text: on one line, and without anything that a terminal or the reader of a log takes for more.
//!
//! A network configuration is a tenant's, and so is what an IPAM plugin says of it. Control characters, line separators and
//! the characters that turn the direction of writing are spelt out where text leaves the program: in the error object, in
//! a line of the log.

use std::borrow::Cow;
use std::io::{self, Write};

/// The longest line of a log, in bytes before it is spelt out: what is longer than any message of ours is not to be read.
const LONGEST_LINE: usize = 16 << 10;

/// `text` with every character that is not to be seen spelt out (`\n`, `\u{1b}`, `\u{202e}`).
pub fn printable(text: &str) -> Cow<'_, str> {
    spelt_out(text, |line, c| line.extend(c.escape_default()))
}

/// The same, at most `longest` bytes of it, with a word on what is missing.
pub fn excerpt(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return printable(text).into_owned();
    }
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end));
    let head = &text[..end.unwrap_or_default()];
    format!("{}... ({} bytes)", printable(head), text.len())
}

fn spelt_out(text: &str, spell: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if text.chars().all(is_seen) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_seen(c) {
            line.push(c);
        } else {
            spell(&mut line, c);
        }
    }
    Cow::Owned(line)
}

/// A line of JSON, with every character that is not to be seen spelt out as JSON does it: it stays the same JSON.
pub fn printable_json(line: &str) -> Cow<'_, str> {
    spelt_out(line, in_json)
}

/// Whether a character stands for itself. Beyond ASCII the standard library knows: what its `Debug` escapes is a control or
/// format character, a separator, or nothing that is assigned.
fn is_seen(c: char) -> bool {
    if c.is_ascii() {
        c == ' ' || c.is_ascii_graphic()
    } else {
        c.escape_debug().next() == Some(c)
    }
}

/// What a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineForm {
    /// Text for people.
    Text,
    /// A JSON object: what is spelt out must stay JSON.
    Json,
}

/// A writer of log lines. Each `write` is one event, whole: it becomes one line and one `write` of what is below, so that
/// lines of several processes do not mix in a file opened with `O_APPEND`.
#[derive(Debug)]
pub struct Lines<W> {
    below: W,
    form: LineForm,
}

impl<W: Write> Lines<W> {
    /// Lines to `below`.
    pub fn new(below: W, form: LineForm) -> Self {
        Self { below, form }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = match self.form {
            LineForm::Text => excerpt(text, LONGEST_LINE),
            LineForm::Json => spelt_out(text, in_json).into_owned(),
        };
        line.push('\n');
        self.below.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.below.flush()
    }
}

fn in_json(line: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        line.extend(format!("\\u{unit:04x}").chars());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ends a line or an escape sequence somewhere, hides, or turns the direction of writing.
    const NEVER: &str = "\0\u{7}\u{8}\t\n\u{b}\u{c}\r\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\
                         \u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}\u{e0001}";

    #[test]
    fn rule_9_no_character_that_is_not_to_be_seen_leaves() {
        for c in NEVER.chars() {
            let text = format!("a{c}b");
            let shown = printable(&text);
            assert!(!shown.contains(c), "{c:?}");
            assert!(
                shown.chars().all(is_seen) && shown.starts_with('a') && shown.ends_with('b'),
                "{shown}"
            );
        }
        assert_eq!(printable("a\nb\u{1b}[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
    }

    #[test]
    fn what_can_be_seen_stays_as_it_is() {
        let text = "route 10.0.0.0/8 \"via\" 'x' \\ \u{e9} \u{4e2d}";
        assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        assert_eq!(excerpt("\u{e9}\u{e9}\u{e9}", 3), "\u{e9}... (6 bytes)");
        assert_eq!(excerpt("ab", 2), "ab");
    }

    #[test]
    fn an_event_is_one_line_and_one_write() {
        struct Counted(Vec<Vec<u8>>);
        impl Write for Counted {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut lines = Lines::new(Counted(Vec::new()), LineForm::Text);
        lines.write_all(b"level=error msg=x\nlevel=info forged\n").unwrap();
        lines.write_all("y".repeat(1 << 20).as_bytes()).unwrap();
        let written = lines.below.0;
        assert_eq!(written.len(), 2);
        assert_eq!(written[0], b"level=error msg=x\\nlevel=info forged\n");
        assert!(written[1].len() < 2 * LONGEST_LINE);
    }

    #[test]
    fn a_json_line_stays_json() {
        let mut below = Vec::new();
        let event = serde_json::json!({ "message": NEVER });
        let mut lines = Lines::new(&mut below, LineForm::Json);
        lines.write_all(format!("{event}\n").as_bytes()).unwrap();
        let line = String::from_utf8(below).unwrap();
        assert!(line.trim_end_matches('\n').chars().all(is_seen), "{line:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), event);
    }
}
