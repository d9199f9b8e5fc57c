//! Routes (`RTM_NEWROUTE`).
//!
//! Contract: `include/uapi/linux/rtnetlink.h`, `rtm_to_fib_config`, `rtm_to_fib6_config`.

use std::fmt;

use super::message::{each, push, put, shorten, value};
use super::{APPEND, CREATE, Kept, KeptKind, ONLINK, V6, moved};
use crate::netlink::addresses::ip;
use crate::netlink::attributes::{after_header, attributes, u32_at};
use crate::netlink::error::NetlinkError;
use crate::netlink::socket::Socket;

/// `struct rtmsg`.
const HEADER: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;
/// What a nexthop object says instead.
const OF_THE_NEXTHOP: [u16; 7] = [
    RTA_OIF,
    RTA_GATEWAY,
    RTA_MULTIPATH,
    RTA_FLOW,
    RTA_VIA,
    RTA_ENCAP_TYPE,
    RTA_ENCAP,
];
const RTN_UNICAST: u8 = 1;
const RTPROT_KERNEL: u8 = 2;
/// `struct rtnexthop`.
const LEG_HEADER: usize = 8;
/// Ticks of `USER_HZ` in a second, in which the kernel tells a route's lifetime.
const TICKS: u32 = 100;

/// The routes of one family that lead through an interface.
pub(super) fn of(socket: &mut Socket, index: u32, family: u8) -> Result<Vec<Kept>, NetlinkError> {
    let mut question = vec![0; HEADER];
    question[0] = family;
    push(&mut question, RTA_OIF, &index.to_ne_bytes());
    match socket.dump_raw(26, &question, |message| route(message, index, family)) {
        Err(error) if family == V6 && error.errno() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => {
            Ok(Vec::new())
        }
        found => found,
    }
}

pub(super) fn remake(message: &mut [u8], indices: (u32, u32), elapsed: u32) -> (u16, u16) {
    each(message, HEADER, RTA_OIF, |index| moved(index, indices));
    each(message, HEADER, RTA_MULTIPATH, |legs| {
        for_each_leg(legs, |leg| moved(&mut leg[4..], indices));
    });
    shorten(message, HEADER, RTA_EXPIRES, &[0], elapsed);
    // Two of the same destination and metric are no mistake: only the very same is there already.
    (24, CREATE | APPEND)
}

pub(super) fn describe(message: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let value = |kind| value(message, HEADER, kind).ok().flatten();
    let table = value(RTA_TABLE)
        .and_then(|table| u32_at(table, 0).ok())
        .unwrap_or_default();
    let length = message.get(1).copied().unwrap_or_default();
    match value(RTA_DST).and_then(ip) {
        Some(destination) => write!(f, "route {destination}/{length} of table {table}"),
        None => write!(f, "route default of table {table}"),
    }
}

/// Whether a route needs others to be there.
pub(super) fn leads_on(kept: &Kept) -> bool {
    let message = kept.bytes().unwrap_or_default();
    let has = |kind| value(&message, HEADER, kind).is_ok_and(|value| value.is_some());
    [RTA_GATEWAY, RTA_VIA, RTA_MULTIPATH, RTA_NH_ID].into_iter().any(has)
}

fn route(message: &[u8], index: u32, family: u8) -> Result<Option<Kept>, NetlinkError> {
    let header = message.get(..HEADER);
    let header = header.ok_or_else(|| NetlinkError::Malformed("route header is cut short".to_owned()))?;
    // What the kernel made for an address comes with the address.
    let is_the_kernels = header[7] != RTN_UNICAST && header[5] == RTPROT_KERNEL;
    if header[0] != family || is_the_kernels {
        return Ok(None);
    }
    let mut kept = header.to_vec();
    put(&mut kept, 8, u32::from(header[8] & ONLINK));
    let body = after_header(message, HEADER)?;
    let has_nexthop = value(message, HEADER, RTA_NH_ID)?.is_some();
    let mut lives = None;
    for attribute in attributes(body) {
        let (kind, value) = attribute?;
        match kind {
            // `struct rta_cacheinfo`: rta_expires is its third member.
            RTA_CACHEINFO => {
                let ticks = u32_at(value, 8)?.cast_signed();
                lives = u32::try_from(ticks)
                    .ok()
                    .filter(|ticks| *ticks > 0)
                    .map(|ticks| ticks / TICKS);
            }
            _ if has_nexthop && OF_THE_NEXTHOP.contains(&kind) => {}
            RTA_MULTIPATH => push(&mut kept, kind, &legs(value, (family == V6).then_some(index))),
            _ => push(&mut kept, kind, value),
        }
    }
    if let Some(lives) = lives {
        push(&mut kept, RTA_EXPIRES, &lives.to_ne_bytes());
    }
    Ok(Some(Kept::new(KeptKind::Route, &kept, lives)))
}

/// The legs of a multipath route. IPv6 keeps the legs of other interfaces when this one leaves, so only its own are made
/// again; IPv4 drops the whole route.
fn legs(bytes: &[u8], only: Option<u32>) -> Vec<u8> {
    let mut legs = bytes.to_vec();
    let mut kept = Vec::new();
    for_each_leg(&mut legs, |leg| {
        if let Some(flags) = leg.get_mut(2) {
            *flags &= ONLINK;
        }
        if only.is_none_or(|index| u32_at(leg, 4).is_ok_and(|found| found == index)) {
            kept.extend_from_slice(leg);
        }
    });
    kept
}

fn for_each_leg(mut legs: &mut [u8], mut change: impl FnMut(&mut [u8])) {
    while legs.len() >= LEG_HEADER {
        let length = usize::from(u16::from_ne_bytes([legs[0], legs[1]]));
        let length = length.next_multiple_of(4);
        if length < LEG_HEADER || length > legs.len() {
            return;
        }
        let (leg, rest) = legs.split_at_mut(length);
        change(leg);
        legs = rest;
    }
}
