//! Neighbours that somebody put there, and proxies (`RTM_NEWNEIGH`). What the kernel learned it learns again.
//!
//! Contract: `include/uapi/linux/neighbour.h`, `neigh_add`, `neigh_dump_info`; `neigh_ifdown` takes them all when the
//! interface goes down or leaves.

use std::fmt;

use super::message::{push, put, value};
use super::{CREATE, Kept, KeptKind, REPLACE, V4, V6};
use crate::netlink::addresses::ip;
use crate::netlink::attributes::{after_header, attributes, u16_at, u32_at};
use crate::netlink::error::NetlinkError;
use crate::netlink::socket::Socket;

/// `struct ndmsg`.
const HEADER: usize = 12;
const STATE: usize = 8;
const FLAGS: usize = 10;
const NUD_PERMANENT: u16 = 0x80;
const NTF_PROXY: u8 = 0x08;
const NTF_ROUTER: u8 = 0x80;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_IFINDEX: u16 = 8;
const NDA_PROTOCOL: u16 = 12;

/// The neighbours of an interface that are permanent, and the addresses that it answers for as a proxy.
pub(super) fn of(socket: &mut Socket, index: u32) -> Result<Vec<Kept>, NetlinkError> {
    let mut kept = Vec::new();
    for flags in [0, NTF_PROXY] {
        let mut question = vec![0; HEADER];
        question[FLAGS] = flags;
        push(&mut question, NDA_IFINDEX, &index.to_ne_bytes());
        kept.extend(socket.dump_raw(30, &question, |message| neighbour(message, index))?);
    }
    Ok(kept)
}

/// What was learned of the same address meanwhile is replaced.
pub(super) fn remake(message: &mut [u8], now: u32) -> (u16, u16) {
    put(message, 4, now);
    (28, CREATE | REPLACE)
}

pub(super) fn describe(message: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let is_proxy = message.get(FLAGS).is_some_and(|flags| flags & NTF_PROXY != 0);
    f.write_str(if is_proxy { "proxy neighbour" } else { "neighbour" })?;
    match value(message, HEADER, NDA_DST).ok().flatten().and_then(ip) {
        Some(address) => write!(f, " {address}"),
        None => Ok(()),
    }
}

fn neighbour(message: &[u8], index: u32) -> Result<Option<Kept>, NetlinkError> {
    let body = after_header(message, HEADER)?;
    let (family, state, flags) = (message[0], u16_at(message, STATE)?, message[FLAGS]);
    let is_somebodys = state & NUD_PERMANENT != 0 || flags & NTF_PROXY != 0;
    if u32_at(message, 4)? != index || ![V4, V6].contains(&family) || !is_somebodys {
        return Ok(None);
    }
    let mut kept = message[..HEADER].to_vec();
    kept[FLAGS] = flags & (NTF_PROXY | NTF_ROUTER);
    for attribute in attributes(body) {
        let (kind, value) = attribute?;
        if [NDA_DST, NDA_LLADDR, NDA_PROTOCOL].contains(&kind) {
            push(&mut kept, kind, value);
        }
    }
    Ok(Some(Kept::new(KeptKind::Neighbour, &kept, None)))
}
