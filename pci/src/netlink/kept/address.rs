//! Addresses (`RTM_NEWADDR`).
//!
//! Contract: `include/uapi/linux/if_addr.h`, `inet_rtm_newaddr`, `inet6_rtm_newaddr`.

use std::fmt;

use super::message::{each, put, shorten, value};
use super::{CREATE, EXCLUSIVE, Kept, KeptKind, V6};
use crate::netlink::addresses::ip;
use crate::netlink::attributes::u32_at;
use crate::netlink::error::NetlinkError;
use crate::netlink::socket::Socket;

/// `struct ifaddrmsg`.
const HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_TEMPORARY: u32 = 1;
/// Usable while duplicate address detection runs again (RFC 4429): a route may name it as its source.
const IFA_OPTIMISTIC: u32 = 4;

/// The addresses of an interface, in the order in which they can be made again.
pub(super) fn of(socket: &mut Socket, index: u32) -> Result<Vec<Kept>, NetlinkError> {
    let mut question = vec![0; HEADER];
    put(&mut question, 4, index);
    let mut kept = socket.dump_raw(22, &question, |message| address(message, index))?;
    // The kernel puts a new IPv6 address before those of its scope, and the first is the source that it prefers.
    let v4 = kept
        .iter()
        .position(|kept| kept.message.starts_with("0a"))
        .unwrap_or(kept.len());
    kept[v4..].reverse();
    Ok(kept)
}

/// Makes a message of one that was kept, for the index that its interface has now; its type, and how it is to be taken.
pub(super) fn remake(message: &mut [u8], now: u32, elapsed: u32) -> (u16, u16) {
    put(message, 4, now);
    shorten(message, HEADER, IFA_CACHEINFO, &[0, 4], elapsed);
    (20, CREATE | EXCLUSIVE)
}

pub(super) fn describe(message: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let value = |kind| value(message, HEADER, kind).ok().flatten();
    let length = message.get(1).copied().unwrap_or_default();
    match value(IFA_LOCAL).or_else(|| value(IFA_ADDRESS)).and_then(ip) {
        Some(address) => write!(f, "address {address}/{length}"),
        None => f.write_str("address"),
    }
}

fn address(message: &[u8], index: u32) -> Result<Option<Kept>, NetlinkError> {
    let flags = match value(message, HEADER, IFA_FLAGS)? {
        Some(flags) => u32_at(flags, 0)?,
        None => message.get(2).copied().unwrap_or_default().into(),
    };
    let is_v6 = message.first() == Some(&V6);
    // The kernel makes temporary addresses itself, of the one that they stand for.
    if u32_at(message, 4)? != index || is_v6 && flags & IFA_TEMPORARY != 0 {
        return Ok(None);
    }
    let lives = value(message, HEADER, IFA_CACHEINFO)?;
    let lives = lives.map(|lifetimes| u32_at(lifetimes, 4)).transpose()?;
    let mut kept = message.to_vec();
    if is_v6 {
        each(&mut kept, HEADER, IFA_FLAGS, |value| {
            put(value, 0, flags | IFA_OPTIMISTIC);
        });
    }
    Ok(Some(Kept::new(
        KeptKind::Address,
        &kept,
        lives.filter(|lives| *lives != u32::MAX),
    )))
}
