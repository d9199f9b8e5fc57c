//! The messages of one datagram, for answers and notices alike.
//!
//! Contract: netlink(7), "Netlink messages": each begins with a `struct nlmsghdr`, whose length counts itself, and the next
//! one begins at a multiple of four.

use std::fmt;

use super::attributes::{u16_at, u32_at};
use super::error::NetlinkError;

/// `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;

/// One message of a datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    /// `nlmsg_type`.
    pub(super) kind: u16,
    /// `nlmsg_flags`.
    pub(super) flags: u16,
    /// `nlmsg_seq`.
    pub(super) sequence: u32,
    /// What follows the header.
    pub(super) payload: &'a [u8],
}

/// A datagram as a trace shows it: each message with type, flags, length and all that follows its header.
pub(super) struct Traced<'a>(pub(super) &'a [u8]);

impl fmt::Display for Traced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, message) in messages(self.0).enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            match message {
                Ok(Message {
                    kind,
                    flags,
                    sequence,
                    payload,
                }) => {
                    let length = HEADER + payload.len();
                    write!(f, "type {kind} flags {flags:#x} sequence {sequence} length {length} ")?;
                    payload.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                }
                Err(error) => write!(f, "{error}")?,
            }
        }
        Ok(())
    }
}

/// The messages in `datagram`. One that is cut short ends the walk with an error.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, NetlinkError>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.len() < HEADER {
            return None;
        }
        let message = first(rest);
        let length = message.as_ref().map_or(rest.len(), |m| HEADER + m.payload.len());
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

fn first(rest: &[u8]) -> Result<Message<'_>, NetlinkError> {
    let length = usize::try_from(u32_at(rest, 0)?).ok();
    let payload = length.and_then(|length| rest.get(HEADER..length));
    Ok(Message {
        kind: u16_at(rest, 4)?,
        flags: u16_at(rest, 6)?,
        sequence: u32_at(rest, 8)?,
        payload: payload.ok_or_else(|| NetlinkError::Malformed("a message is cut short".to_owned()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = [length.to_ne_bytes().as_slice(), &16_u16.to_ne_bytes()].concat();
        bytes.resize(HEADER, 0);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn each_message_is_seen_once_and_padding_is_none() {
        let datagram = [message(18, &[1, 2]), message(16, &[]), message(17, &[3])].concat();
        let payloads: Vec<&[u8]> = messages(&datagram).map(|m| m.unwrap().payload).collect();
        assert_eq!(payloads, [[1, 2].as_slice(), &[], &[3]]);
    }

    #[test]
    fn a_trace_shows_every_message_of_a_datagram() {
        let datagram = [message(18, &[1, 0xab]), message(40, &[])].concat();
        assert_eq!(
            Traced(&datagram).to_string(),
            "type 16 flags 0x0 sequence 0 length 18 01ab; netlink reply not understood: a message is cut short"
        );
    }

    #[test]
    fn a_message_cut_short_is_an_error_and_the_last() {
        for length in [0, 4, 15, 40, u32::MAX] {
            let datagram = [message(length, &[1, 2]), message(16, &[])].concat();
            let mut walked = messages(&datagram[..20]);
            assert!(walked.next().unwrap().is_err(), "{length}");
            assert!(walked.next().is_none(), "{length}");
        }
    }
}
