//! The name of an interface whose own is taken on the host.

use hardwire_pci::{DeviceId, IfName};

/// A name that no other device gets, for one whose own is taken: made of its id, within 15 bytes.
pub(crate) fn stand_in(id: &DeviceId) -> IfName {
    let text: String = id.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let tail = text.len().saturating_sub(13);
    let name = format!("hw{}", text.get(tail..).unwrap_or_default());
    // Letters and digits, at most 15 of them: always a name; the id's own would be refused, not mangled.
    name.parse()
        .unwrap_or_else(|_| unreachable!("{name} is a valid interface name"))
}
