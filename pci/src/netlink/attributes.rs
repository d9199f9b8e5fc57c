//! Walking netlink attributes without a copy.
//!
//! Replies are read attribute by attribute instead of through `netlink-packet-route`'s link types because those turn the
//! kernel's "the driver cannot tell" (-1) of spoof check, trust and RSS query into "off", and a restore would then call
//! setters that the driver does not have.

use netlink_packet_core::{NlaBuffer, NlasIterator};

use super::error::NetlinkError;

/// One attribute: its type without flag bits, and its payload.
pub(super) type Attribute<'a> = (u16, &'a [u8]);

/// The attributes in `bytes`. A malformed one ends the walk with an error.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, NetlinkError>> {
    NlasIterator::new(bytes).map(|item: Result<NlaBuffer<&[u8]>, _>| {
        let nla = item.map_err(|error| NetlinkError::Malformed(error.to_string()))?;
        let buffer = nla.into_inner();
        let nla = NlaBuffer::new(buffer);
        let end = 4 + nla.value_length();
        buffer
            .get(4..end)
            .map(|value| (nla.kind(), value))
            .ok_or_else(|| truncated("attribute"))
    })
}

/// A native-endian u32 at `offset` of an attribute.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, NetlinkError> {
    let word = bytes.get(offset..offset + 4).and_then(|word| word.try_into().ok());
    word.map(u32::from_ne_bytes).ok_or_else(|| truncated("u32"))
}

/// A native-endian u16 at `offset` of an attribute.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Result<u16, NetlinkError> {
    let word = bytes.get(offset..offset + 2).and_then(|word| word.try_into().ok());
    word.map(u16::from_ne_bytes).ok_or_else(|| truncated("u16"))
}

/// A NUL-terminated string.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The part of a reply after its fixed header.
pub(super) fn after_header(payload: &[u8], header: usize) -> Result<&[u8], NetlinkError> {
    payload.get(header..).ok_or_else(|| truncated("header"))
}

fn truncated(what: &str) -> NetlinkError {
    NetlinkError::Malformed(format!("{what} is cut short"))
}
