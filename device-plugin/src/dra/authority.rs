//! Keeps a caller from being refused for the name that it gives its peer.
//!
//! The kubelet's plugin watcher dials a path, and grpc-go makes the request's `:authority` of it: `%2Fvar%2Flib%2F...`, which is
//! no authority (RFC 3986, 3.2), so that Rust's HTTP library refuses the request before any service sees it. On a socket that
//! only root reaches the name means nothing. So it is replaced by `localhost` on its way in.
//!
//! Contract: HTTP/2 (RFC 9113): the client's preface, then frames of nine bytes and a payload; a HEADERS frame's payload is a
//! block of fields, after a padding's length and a priority where its flags say so. HPACK (RFC 7541, section 6): `:authority` is
//! entry 1 of the static table, and whoever has a value that is not in a table writes that number and the value. Both ends add it
//! to their tables at the same place, whatever its length, so that later references to it stay right: an entry that the caller has
//! dropped from its table is never referred to, and ours is the shorter.

/// What a client begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;
/// The longest frame that anybody may send who was told nothing else (`SETTINGS_MAX_FRAME_SIZE`).
const LONGEST: usize = 1 << 14;
const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The place of `:authority` in the static table.
const AUTHORITY: usize = 1;
/// Nine bytes, not compressed.
const LOCALHOST: &[u8; 10] = b"\x09localhost";

/// What is read of a connection, frame by frame.
#[derive(Debug, Default)]
pub struct Authority {
    /// The preface was seen.
    is_begun: bool,
    /// What is not a whole frame yet.
    pending: Vec<u8>,
}

/// A connection that is none of HTTP/2's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not speak HTTP/2")]
pub struct NotHttp2;

// === impl Authority ===

impl Authority {
    /// Takes what came, and adds to `out` what the server is to read.
    pub fn pass(&mut self, came: &[u8], out: &mut Vec<u8>) -> Result<(), NotHttp2> {
        self.pending.extend_from_slice(came);
        let mut at = 0;
        if !self.is_begun {
            let common = self.pending.len().min(PREFACE.len());
            if self.pending[..common] != PREFACE[..common] {
                return Err(NotHttp2);
            }
            if common < PREFACE.len() {
                return Ok(());
            }
            out.extend_from_slice(PREFACE);
            (self.is_begun, at) = (true, PREFACE.len());
        }
        while let Some(head) = self.pending.get(at..at + HEAD) {
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            if length > LONGEST {
                return Err(NotHttp2);
            }
            let Some(frame) = self.pending.get(at..at + HEAD + length) else {
                break;
            };
            at += frame.len();
            // A block that goes on in another frame is none that a kubelet sends, and is the server's to judge.
            match rewritten(frame) {
                Some(rewritten) => out.extend_from_slice(&rewritten),
                None => out.extend_from_slice(frame),
            }
        }
        self.pending.drain(..at);
        Ok(())
    }
}

/// A HEADERS frame with another authority; none of a frame that stays as it is.
fn rewritten(frame: &[u8]) -> Option<Vec<u8>> {
    let (kind, flags) = (*frame.get(3)?, *frame.get(4)?);
    if kind != HEADERS {
        return None;
    }
    let payload = frame.get(HEAD..)?;
    let mut begin = 0;
    let padding = if flags & PADDED == 0 {
        0
    } else {
        begin += 1;
        usize::from(*payload.first()?)
    };
    begin += if flags & PRIORITY == 0 { 0 } else { 5 };
    let end = payload.len().checked_sub(padding)?;
    let block = replace(payload.get(begin..end)?)?;
    let length = begin + block.len() + padding;
    let length = u32::try_from(length).ok().filter(|_| length <= LONGEST)?.to_be_bytes();
    let parts = [
        &length[1..],
        frame.get(3..HEAD)?,
        payload.get(..begin)?,
        &block,
        payload.get(end..)?,
    ];
    Some(parts.concat())
}

/// A block of fields whose authority is replaced; none where it names none, or makes no sense.
fn replace(block: &[u8]) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(block.len());
    let (mut at, mut is_replaced) = (0, false);
    while let Some(first) = block.get(at) {
        let begin = at;
        // By the leading bits: a reference to a field, a field that is added to the table, a size of the table, other fields.
        let (index, is_whole) = match first {
            0x80.. => (integer(block, &mut at, 7)?, true),
            0x40..=0x7f => (integer(block, &mut at, 6)?, false),
            0x20..=0x3f => (integer(block, &mut at, 5)?, true),
            _ => (integer(block, &mut at, 4)?, false),
        };
        if is_whole {
            made.extend_from_slice(block.get(begin..at)?);
            continue;
        }
        if index == 0 {
            skip_text(block, &mut at)?;
        }
        let value = at;
        skip_text(block, &mut at)?;
        if index == AUTHORITY {
            made.extend_from_slice(block.get(begin..value)?);
            made.extend_from_slice(LOCALHOST);
            is_replaced = true;
        } else {
            made.extend_from_slice(block.get(begin..at)?);
        }
    }
    is_replaced.then_some(made)
}

/// RFC 7541, 5.1: a number that begins in so many bits.
fn integer(block: &[u8], at: &mut usize, bits: u32) -> Option<usize> {
    let most = (1_usize << bits) - 1;
    let first = usize::from(*block.get(*at)?) & most;
    *at += 1;
    if first < most {
        return Some(first);
    }
    let mut number = most;
    // Longer than any block is.
    for shift in [0, 7, 14] {
        let byte = usize::from(*block.get(*at)?);
        *at += 1;
        number += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// RFC 7541, 5.2: a length, and so many bytes.
fn skip_text(block: &[u8], at: &mut usize) -> Option<()> {
    let length = integer(block, at, 7)?;
    let end = at.checked_add(length).filter(|end| *end <= block.len())?;
    *at = end;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &1_u32.to_be_bytes(), payload].concat()
    }

    fn text(text: &[u8]) -> Vec<u8> {
        [&[u8::try_from(text.len()).unwrap()], text].concat()
    }

    /// `:method POST`, `:authority` as grpc-go writes it (added to the table, and compressed), and `te: trailers`.
    fn fields(authority: &[u8]) -> Vec<u8> {
        [
            vec![0x83, 0x41],
            text(authority),
            vec![0x40],
            text(b"te"),
            text(b"trailers"),
        ]
        .concat()
    }

    fn passed(parts: &[&[u8]]) -> Result<Vec<u8>, NotHttp2> {
        let (mut authority, mut out) = (Authority::default(), Vec::new());
        for part in parts {
            authority.pass(part, &mut out)?;
        }
        Ok(out)
    }

    #[test]
    fn the_authority_of_each_request_is_localhost_however_its_bytes_arrive() {
        let settings = frame(4, 0, &[]);
        let data = frame(0, 1, b"\x00\x00\x00\x00\x00");
        let whole = [
            &PREFACE[..],
            &settings,
            &frame(1, 4, &fields(b"%2Fvar%2Fx.sock")),
            &data,
        ]
        .concat();
        let expected = [&PREFACE[..], &settings, &frame(1, 4, &fields(b"localhost")), &data].concat();
        assert_eq!(passed(&[&whole]).unwrap(), expected);
        let single: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(passed(&single).unwrap(), expected);
        let again = frame(1, 5, &[0x83, 0x80 | 0x3e]);
        assert_eq!(
            passed(&[&whole, &again]).unwrap(),
            [expected, again].concat(),
            "what refers to it stays"
        );
    }

    #[test]
    fn padding_and_priority_stay_where_they_are() {
        let payload = |authority: &[u8]| [&[2, 0, 0, 0, 0, 16][..], &fields(authority), &[0, 0]].concat();
        let sent = frame(1, 4 | PADDED | PRIORITY, &payload(b"%2Fx"));
        let expected = frame(1, 4 | PADDED | PRIORITY, &payload(b"localhost"));
        assert_eq!(passed(&[PREFACE, &sent]).unwrap(), [&PREFACE[..], &expected].concat());
    }

    #[test]
    fn what_makes_no_sense_is_passed_on_as_it_is() {
        for block in [
            &b""[..],
            b"\x83",
            b"\x41",
            b"\x41\x7f\xff\xff\xff\xff",
            b"\x41\x05ab",
            b"\x7f\xff\xff\xff",
            b"\x00",
        ] {
            let sent = frame(1, 4, block);
            assert_eq!(passed(&[PREFACE, &sent]).unwrap()[24..], sent, "{block:?}");
        }
        let padded = frame(1, PADDED, &[200, 0x41]);
        assert_eq!(passed(&[PREFACE, &padded]).unwrap()[24..], padded);
    }

    #[test]
    fn who_does_not_speak_http_2_or_says_too_much_at_once_is_not_heard() {
        assert_eq!(passed(&[b"GET / HTTP/1.1\r\n"]), Err(NotHttp2));
        assert_eq!(passed(&[b"P", b"O"]), Err(NotHttp2));
        let long = [0, 0x40, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(passed(&[PREFACE, &long]), Err(NotHttp2));
    }
}
