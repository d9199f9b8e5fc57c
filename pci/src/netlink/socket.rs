//! The socket: one request, its replies, its acknowledgement.
//!
//! rtnetlink answers inside `sendmsg`, under RTNL, so a reply is there when the send returns; the receive bound is for a
//! kernel that breaks this, so that nothing can hang. Extended acknowledgements carry the kernel's explanation
//! (Documentation/userspace-api/netlink/intro.rst, "Extended ACK").

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{
    Socket as RawSocket, SocketAddr,
    protocols::{NETLINK_GENERIC, NETLINK_ROUTE},
};
use rustix::net::RecvFlags;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::attributes::{attributes, text, u32_at};
use super::error::NetlinkError;
use super::messages::{HEADER, Message, Traced, messages};
use crate::exhaustion::noted;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The parts of a batch are aligned (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;
/// As many as fit into what the kernel takes at once, with room for an error to each of them in what it keeps for us.
const LARGEST_BATCH: usize = 32;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
/// As often as iproute2 and netlinksafe try before they take what they have.
const DUMP_ATTEMPTS: usize = 5;
/// More than any datagram but a list of VFs: a dump comes in pieces of 32 KiB (`netlink_recvmsg`). Pages that nothing is
/// written to cost nothing.
const LARGEST: usize = 256 * 1024;
const REPLY_BOUND: Duration = Duration::from_secs(30);

/// A netlink socket of the network namespace in which it was opened, whichever thread uses it later.
pub struct Socket {
    raw: RawSocket,
    sequence: u32,
    received: Vec<u8>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("fd", &self.raw.as_raw_fd())
            .finish_non_exhaustive()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}

/// A request that changes something, made and not sent.
#[derive(Debug, Clone)]
pub struct Change {
    message: RouteNetlinkMessage,
    flags: u16,
}

/// The first change of a batch that was refused. The kernel goes on with those after it.
#[derive(Debug)]
pub struct RefusedChange {
    /// Which, from 0.
    pub index: usize,
    /// Why.
    pub error: NetlinkError,
}

/// What ends the replies to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The acknowledgement.
    Acknowledgement,
    /// The answer, or an error.
    Answer,
    /// The message that ends a dump.
    Done,
}

impl Change {
    /// With its flags (`NLM_F_CREATE`, ...), beside those that every request has.
    pub fn new(message: RouteNetlinkMessage, flags: u16) -> Self {
        Self { message, flags }
    }
}

impl Socket {
    /// Opens a socket for routing messages in the calling thread's network namespace.
    pub fn open() -> Result<Self, NetlinkError> {
        Self::of(NETLINK_ROUTE)
    }

    /// The same for generic netlink.
    pub(super) fn open_generic() -> Result<Self, NetlinkError> {
        Self::of(NETLINK_GENERIC)
    }

    fn of(protocol: isize) -> Result<Self, NetlinkError> {
        let at = |step| move |source: io::Error| NetlinkError::Socket { step, source };
        let socket = RawSocket::new(protocol).map_err(|error| at("open")(noted(error)))?;
        // The kernel binds what is connected.
        socket.connect(&SocketAddr::new(0, 0)).map_err(at("connect"))?;
        socket
            .set_ext_ack(true)
            .map_err(at("ask for extended acknowledgements"))?;
        socket
            .set_cap_ack(true)
            .map_err(at("ask for capped acknowledgements"))?;
        // Without it the kernel ignores the interface in a dump request and sends every address and route there is.
        socket
            .set_netlink_get_strict_chk(true)
            .map_err(at("ask for strict checking"))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(REPLY_BOUND)).map_err(|errno| NetlinkError::Socket {
            step: "bound the receive",
            source: errno.into(),
        })?;
        Ok(Self {
            raw: socket,
            sequence: 0,
            received: vec![0; LARGEST],
        })
    }

    /// Over a socket whose other end is no kernel.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn over(raw: RawSocket) -> Self {
        Self {
            raw,
            sequence: 0,
            received: vec![0; LARGEST],
        }
    }

    /// Sends a request that changes something and waits for its acknowledgement.
    pub fn change(&mut self, change: Change) -> Result<(), NetlinkError> {
        self.send(change.message, NLM_F_REQUEST | NLM_F_ACK | change.flags)?;
        self.replies(End::Acknowledgement, |_| Ok(())).map(|_interrupted| ())
    }

    /// Sends requests that change something, as many at once as the kernel takes, and waits for the last one's
    /// acknowledgement. The kernel applies them in order, and those after one that it refuses too.
    pub fn change_all(&mut self, changes: &[Change]) -> Result<(), RefusedChange> {
        let mut begun = 0;
        for batch in changes.chunks(LARGEST_BATCH) {
            let failed = |(index, error)| RefusedChange {
                index: begun + index,
                error,
            };
            self.change_batch(batch).map_err(failed)?;
            begun += batch.len();
        }
        Ok(())
    }

    fn change_batch(&mut self, batch: &[Change]) -> Result<(), (usize, NetlinkError)> {
        let (before, mut bytes) = (self.sequence, Vec::new());
        for (index, change) in batch.iter().enumerate() {
            // A refusal is answered in any case.
            let acknowledge = if index + 1 == batch.len() { NLM_F_ACK } else { 0 };
            bytes.extend(self.serialized(change.message.clone(), NLM_F_REQUEST | acknowledge | change.flags));
            bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        }
        self.send_bytes(&bytes).map_err(|error| (0, error))?;
        let mut refused = None;
        loop {
            let length = self.receive().map_err(|error| (0, error))?;
            let answer = Traced(&self.received[..length]);
            tracing::trace!(fd = self.raw.as_raw_fd(), "netlink answers {answer}");
            for reply in messages(&self.received[..length]) {
                let reply = reply.map_err(|error| (0, error))?;
                let of = usize::try_from(reply.sequence.wrapping_sub(before).wrapping_sub(1)).unwrap_or(usize::MAX);
                if reply.kind != NLMSG_ERROR || of >= batch.len() {
                    continue;
                }
                if let Err(error) = acknowledged(&reply) {
                    refused.get_or_insert((of, error));
                }
                if of + 1 == batch.len() {
                    return refused.map_or(Ok(()), Err);
                }
            }
        }
    }

    /// The same as [`Self::change`] for a message that is there as bytes: what the kernel told once, to be told to it again.
    pub fn change_raw(&mut self, kind: u16, payload: &[u8], flags: u16) -> Result<(), NetlinkError> {
        self.send_raw(kind, payload, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        self.replies(End::Acknowledgement, |_| Ok(())).map(|_interrupted| ())
    }

    /// Sends a question with one answer and hands its payload (after the netlink header) to `read`.
    pub(super) fn ask<T>(
        &mut self,
        message: RouteNetlinkMessage,
        read: impl FnMut(&[u8]) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        // A question is answered or refused; an acknowledgement beside the answer would tell nothing.
        self.send(message, NLM_F_REQUEST)?;
        self.answer(read)
    }

    /// The same for an answer of any length: what it takes is looked at first, which is one more system call.
    pub(super) fn ask_at_length<T>(
        &mut self,
        message: RouteNetlinkMessage,
        read: impl FnMut(&[u8]) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        self.send(message, NLM_F_REQUEST)?;
        let (_, length) = self.receive_into(&mut [], RecvFlags::PEEK)?;
        if length > self.received.len() {
            self.received.resize(length, 0);
        }
        self.answer(read)
    }

    /// The same for a question that is there as bytes.
    pub(super) fn ask_raw<T>(
        &mut self,
        kind: u16,
        question: &[u8],
        read: impl FnMut(&[u8]) -> Result<T, NetlinkError>,
    ) -> Result<T, NetlinkError> {
        self.send_raw(kind, question, NLM_F_REQUEST)?;
        self.answer(read)
    }

    fn answer<T>(&mut self, mut read: impl FnMut(&[u8]) -> Result<T, NetlinkError>) -> Result<T, NetlinkError> {
        let mut answer = None;
        self.replies(End::Answer, |reply| {
            answer = Some(read(reply.payload)?);
            Ok(())
        })?;
        answer.ok_or_else(|| NetlinkError::Malformed("acknowledged without an answer".to_owned()))
    }

    /// Sends a dump request and collects what `read` makes of each answer. A dump that a change interrupted is asked for
    /// again a few times; then the last one counts, since on a busy node none may ever be undisturbed.
    pub(super) fn dump<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        read: impl FnMut(&[u8]) -> Result<Option<T>, NetlinkError>,
    ) -> Result<Vec<T>, NetlinkError> {
        let ask = |socket: &mut Self| socket.send(message.clone(), NLM_F_REQUEST | NLM_F_DUMP);
        self.dump_until_whole(ask, read).map(|(found, _whole)| found)
    }

    /// The same where something missing would be worse than no answer: one that was never undisturbed is an error.
    pub(super) fn dump_whole<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        read: impl FnMut(&[u8]) -> Result<Option<T>, NetlinkError>,
    ) -> Result<Vec<T>, NetlinkError> {
        let ask = |socket: &mut Self| socket.send(message.clone(), NLM_F_REQUEST | NLM_F_DUMP);
        whole(self.dump_until_whole(ask, read)?)
    }

    /// The same for a question that is there as bytes.
    pub(super) fn dump_raw<T>(
        &mut self,
        kind: u16,
        question: &[u8],
        read: impl FnMut(&[u8]) -> Result<Option<T>, NetlinkError>,
    ) -> Result<Vec<T>, NetlinkError> {
        let ask = |socket: &mut Self| socket.send_raw(kind, question, NLM_F_REQUEST | NLM_F_DUMP);
        whole(self.dump_until_whole(ask, read)?)
    }

    fn dump_until_whole<T>(
        &mut self,
        ask: impl Fn(&mut Self) -> Result<(), NetlinkError>,
        mut read: impl FnMut(&[u8]) -> Result<Option<T>, NetlinkError>,
    ) -> Result<(Vec<T>, bool), NetlinkError> {
        let mut found = Vec::new();
        for _attempt in 0..DUMP_ATTEMPTS {
            found.clear();
            ask(self)?;
            let interrupted = self.replies(End::Done, |reply| {
                found.extend(read(reply.payload)?);
                Ok(())
            })?;
            if !interrupted {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), NetlinkError> {
        let bytes = self.serialized(message, flags);
        self.send_bytes(&bytes)
    }

    /// With a sequence number of its own.
    fn serialized(&mut self, message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        // Fresh and zeroed each time: attribute padding is not written by the serializer, and the kernel reads it.
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        bytes
    }

    fn send_raw(&mut self, kind: u16, payload: &[u8], flags: u16) -> Result<(), NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER + payload.len());
        let length = length.map_err(|_too_long| NetlinkError::Malformed("a message is too long".to_owned()))?;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        // The sender's port: the kernel knows it.
        bytes.extend([0; 4]);
        bytes.extend(payload);
        self.send_bytes(&bytes)
    }

    fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), NetlinkError> {
        tracing::trace!(fd = self.raw.as_raw_fd(), "netlink sends {}", Traced(bytes));
        self.raw
            .send(bytes, 0)
            .map_err(|source| NetlinkError::Socket { step: "send", source })?;
        Ok(())
    }

    /// Reads until `end`. An error that `read` returns is kept until then, so that the next request does not find this
    /// one's rest.
    fn replies(
        &mut self,
        end: End,
        mut read: impl FnMut(Message<'_>) -> Result<(), NetlinkError>,
    ) -> Result<bool, NetlinkError> {
        let mut interrupted = false;
        let mut failed = None;
        loop {
            let length = self.receive()?;
            let answer = Traced(&self.received[..length]);
            tracing::trace!(fd = self.raw.as_raw_fd(), "netlink answers {answer}");
            for reply in messages(&self.received[..length]) {
                let reply = reply?;
                if reply.sequence != self.sequence {
                    // A late answer to a request that failed half-way is not this one's.
                    continue;
                }
                interrupted |= reply.flags & NLM_F_DUMP_INTR != 0;
                match reply.kind {
                    NLMSG_DONE => return failed.map_or(Ok(interrupted), Err),
                    NLMSG_ERROR => {
                        acknowledged(&reply)?;
                        return failed.map_or(Ok(interrupted), Err);
                    }
                    _ if failed.is_none() => failed = read(reply).err(),
                    _ => {}
                }
                if end == End::Answer {
                    return failed.map_or(Ok(interrupted), Err);
                }
            }
        }
    }

    fn receive(&mut self) -> Result<usize, NetlinkError> {
        let mut room = std::mem::take(&mut self.received);
        let received = self.receive_into(&mut room, RecvFlags::empty());
        self.received = room;
        match received? {
            (got, length) if length <= got => Ok(length),
            (_, length) => {
                let msg = format!("a datagram of {length} bytes, larger than the kernel makes one");
                Err(NetlinkError::Malformed(msg))
            }
        }
    }

    /// How much of the next datagram was received, and its length.
    fn receive_into(&self, room: &mut [u8], flags: RecvFlags) -> Result<(usize, usize), NetlinkError> {
        loop {
            // With MSG_TRUNC the length is that of the datagram, whatever fits.
            match rustix::net::recv(&self.raw, &mut *room, RecvFlags::TRUNC | flags) {
                Err(rustix::io::Errno::INTR) => {}
                received => {
                    return received.map_err(|errno| NetlinkError::Socket {
                        step: "receive",
                        source: errno.into(),
                    });
                }
            }
        }
    }
}

fn whole<T>((found, is_whole): (Vec<T>, bool)) -> Result<Vec<T>, NetlinkError> {
    if is_whole {
        Ok(found)
    } else {
        Err(NetlinkError::Interrupted(DUMP_ATTEMPTS))
    }
}

fn acknowledged(reply: &Message<'_>) -> Result<(), NetlinkError> {
    let code = u32_at(reply.payload, 0)?.cast_signed();
    if code == 0 {
        return Ok(());
    }
    // Only the outer header says whether explanations follow.
    let explanations = if reply.flags & NLM_F_ACK_TLVS == 0 {
        &[]
    } else {
        reply.payload.get(4 + HEADER..).unwrap_or_default()
    };
    let explanation = attributes(explanations)
        .filter_map(Result::ok)
        .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
        .map(|(_, value)| text(value))
        .filter(|text| !text.is_empty());
    Err(NetlinkError::Refused {
        errno: code.saturating_neg(),
        explanation,
    })
}
