//! How much of a configuration is read: a tenant writes it, and one process per attachment reads it.

use crate::protocol::Command;

/// Bounds of one call's stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The whole text, bytes.
    pub bytes: usize,
    /// Values that are kept: objects, lists and what is in them, of the keys that mean something here.
    pub(super) values: usize,
}

/// Objects and lists in each other.
pub(super) const DEEPEST: u32 = 64;

impl Bounds {
    /// A configuration, with its prevResult.
    pub const CALL: Self = Self {
        bytes: 256 << 10,
        values: 3 << 10,
    };

    /// The same with the list of a node's attachments.
    pub const GC: Self = Self {
        bytes: 4 << 20,
        values: 128 << 10,
    };

    /// The bounds of a verb.
    pub fn of(command: Option<Command>) -> Self {
        if command == Some(Command::Gc) {
            Self::GC
        } else {
            Self::CALL
        }
    }
}
