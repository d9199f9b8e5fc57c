//! Reading and changing a message that is kept as the kernel told it.

use super::super::attributes::{after_header, attributes, u32_at};
use super::super::error::NetlinkError;

/// The value of the first attribute of a kind, after a header of this length.
pub(super) fn value(message: &[u8], header: usize, wanted: u16) -> Result<Option<&[u8]>, NetlinkError> {
    for attribute in attributes(after_header(message, header)?) {
        let (kind, value) = attribute?;
        if kind == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Changes the value of each attribute of a kind, in place.
pub(super) fn each(message: &mut [u8], header: usize, wanted: u16, mut change: impl FnMut(&mut [u8])) {
    const NLA_TYPE_MASK: u16 = 0x3fff;
    let mut rest = message.get_mut(header..).unwrap_or_default();
    while rest.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        let kind = u16::from_ne_bytes([rest[2], rest[3]]) & NLA_TYPE_MASK;
        if length < 4 || length > rest.len() {
            return;
        }
        if kind == wanted {
            change(&mut rest[4..length]);
        }
        let next = length.next_multiple_of(4).min(rest.len());
        rest = &mut rest[next..];
    }
}

/// Takes seconds from the lifetimes in an attribute; `u32::MAX` is for ever.
pub(super) fn shorten(message: &mut [u8], header: usize, kind: u16, offsets: &[usize], elapsed: u32) {
    each(message, header, kind, |value| {
        for offset in offsets {
            if let Ok(lives) = u32_at(value, *offset)
                && lives != u32::MAX
            {
                put(value, *offset, lives.saturating_sub(elapsed));
            }
        }
    });
}

/// Writes a native-endian number.
pub(super) fn put(bytes: &mut [u8], offset: usize, number: u32) {
    if let Some(place) = bytes.get_mut(offset..offset + 4) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
}

/// Appends an attribute.
pub(super) fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // The kernel's own attributes are never longer.
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}
