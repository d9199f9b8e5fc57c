//! What an interface loses when it leaves its namespace: addresses, nexthop objects, routes, and the policy rules that name it.
//!
//! Kept as the kernel tells it, with what it would not take back left out, so that it can be told again. Contract:
//! rtnetlink(7), `include/uapi/linux/{if_addr,rtnetlink,nexthop,fib_rules}.h`; the checks of what is told are in
//! `rtm_to_fib_config`, `rtm_to_fib6_config`, `rtm_to_nh_config` and `fib_nl_newrule`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::addresses::ip;
use super::attributes::{after_header, attributes, text, u32_at};
use super::error::NetlinkError;
use super::socket::Socket;

const V4: u8 = 2;
const V6: u8 = 10;

const ADDRESS_HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_TEMPORARY: u32 = 1;

const ROUTE_HEADER: usize = 12;
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
/// `RTNH_F_ONLINK`: the one flag that a user sets; the others say how things are.
const ONLINK: u8 = 4;
/// `struct rtnexthop`.
const LEG_HEADER: usize = 8;
/// Ticks of `USER_HZ` in a second, in which the kernel tells a route's lifetime.
const TICKS: u32 = 100;

const NEXTHOP_HEADER: usize = 8;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GROUPS: u16 = 9;
const NHA_ENCAP: u16 = 8;
const NLA_F_NESTED: u16 = 0x8000;
/// What a nexthop is made with: id, group and its type, interface, gateway, encapsulation and its type.
const NHA_TAKEN: [u16; 7] = [NHA_ID, NHA_GROUP, 3, NHA_OIF, 6, 7, NHA_ENCAP];
/// `struct nexthop_grp`.
const MEMBER: usize = 8;

const RULE_HEADER: usize = 12;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_OIFNAME: u16 = 17;
/// `FIB_RULE_INVERT`.
const INVERT: u32 = 2;

/// What kind of thing is kept. In this order they are made again, since later ones need earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptKind {
    /// An address (`RTM_NEWADDR`).
    Address,
    /// A nexthop object (`RTM_NEWNEXTHOP`).
    Nexthop,
    /// A group of them.
    NexthopGroup,
    /// A route (`RTM_NEWROUTE`).
    Route,
    /// A policy rule (`RTM_NEWRULE`).
    Rule,
}

/// One thing that an interface has, as the kernel told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it is.
    pub kind: KeptKind,
    /// The message after its netlink header, in hexadecimal digits.
    pub message: String,
    /// Seconds that it had left to live; none without an end.
    #[serde(default)]
    pub lives: Option<u32>,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.bytes().unwrap_or_default();
        let (word, header) = match self.kind {
            KeptKind::Address => ("address", ADDRESS_HEADER),
            KeptKind::Nexthop => ("nexthop", NEXTHOP_HEADER),
            KeptKind::NexthopGroup => ("nexthop group", NEXTHOP_HEADER),
            KeptKind::Route => ("route", ROUTE_HEADER),
            KeptKind::Rule => ("rule", RULE_HEADER),
        };
        f.write_str(word)?;
        let value = |kind| value(&message, header, kind).ok().flatten();
        let number = |kind| value(kind).and_then(|value| u32_at(value, 0).ok()).unwrap_or_default();
        let length = message.get(1).copied().unwrap_or_default();
        match self.kind {
            KeptKind::Address => match value(IFA_LOCAL).or_else(|| value(IFA_ADDRESS)).and_then(ip) {
                Some(address) => write!(f, " {address}/{length}"),
                None => Ok(()),
            },
            KeptKind::Nexthop | KeptKind::NexthopGroup => write!(f, " {}", number(NHA_ID)),
            KeptKind::Route => match value(RTA_DST).and_then(ip) {
                Some(destination) => write!(f, " {destination}/{length} of table {}", number(RTA_TABLE)),
                None => write!(f, " default of table {}", number(RTA_TABLE)),
            },
            KeptKind::Rule => write!(f, " {}", number(FRA_PRIORITY)),
        }
    }
}

// === impl Kept ===

impl Kept {
    fn new(kind: KeptKind, message: &[u8], lives: Option<u32>) -> Self {
        use std::fmt::Write as _;

        let mut digits = String::with_capacity(message.len() * 2);
        for byte in message {
            // Writing to a text cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        Self {
            kind,
            message: digits,
            lives,
        }
    }

    fn bytes(&self) -> Result<Vec<u8>, NetlinkError> {
        let wrong = || NetlinkError::Malformed("a kept message is no hexadecimal text".to_owned());
        let digits = self.message.as_bytes();
        let byte = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
            text.and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or_else(wrong)
        };
        digits.chunks(2).map(byte).collect()
    }

    /// Makes it again, `elapsed` seconds after it was read, for the same interface, which had the index `before` and has
    /// `now`. False where it is there already, or would have ended by now.
    pub fn restore(&self, socket: &mut Socket, (before, now): (u32, u32), elapsed: u32) -> Result<bool, NetlinkError> {
        const CREATE: u16 = 0x400;
        const EXCLUSIVE: u16 = 0x200;
        const REPLACE: u16 = 0x100;
        const APPEND: u16 = 0x800;
        if self.lives.is_some_and(|lives| lives <= elapsed) {
            return Ok(false);
        }
        let mut message = self.bytes()?;
        let moved = |index: &mut [u8]| {
            if u32_at(index, 0).is_ok_and(|index| index == before) {
                put(index, 0, now);
            }
        };
        let (kind, flags) = match self.kind {
            KeptKind::Address => {
                put(&mut message, 4, now);
                shorten(&mut message, ADDRESS_HEADER, IFA_CACHEINFO, &[0, 4], elapsed);
                (20, CREATE | EXCLUSIVE)
            }
            KeptKind::Nexthop => {
                each(&mut message, NEXTHOP_HEADER, NHA_OIF, moved);
                (104, CREATE | EXCLUSIVE)
            }
            // What is left of a group that lost its member.
            KeptKind::NexthopGroup => (104, CREATE | REPLACE),
            KeptKind::Route => {
                each(&mut message, ROUTE_HEADER, RTA_OIF, moved);
                each(&mut message, ROUTE_HEADER, RTA_MULTIPATH, |legs| {
                    for_each_leg(legs, |leg| moved(&mut leg[4..]));
                });
                shorten(&mut message, ROUTE_HEADER, RTA_EXPIRES, &[0], elapsed);
                // Two of the same destination and metric are no mistake: only the very same is there already.
                (24, CREATE | APPEND)
            }
            KeptKind::Rule => (32, CREATE | EXCLUSIVE),
        };
        match socket.change_as_told(kind, &message, flags) {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == Some(rustix::io::Errno::EXIST.raw_os_error()) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Socket {
    /// What the interface with this index and name would lose by leaving the namespace, in the order in which it can be made
    /// again.
    pub fn kept(&mut self, index: u32, name: &str) -> Result<Vec<Kept>, NetlinkError> {
        let mut question = vec![0; ADDRESS_HEADER];
        put(&mut question, 4, index);
        let mut kept = self.dump_as_told(22, &question, |message| address(message, index))?;
        // The kernel puts a new IPv6 address before those of its scope, and the first is the source that it prefers.
        let v4 = kept
            .iter()
            .position(|kept| kept.message.starts_with("0a"))
            .unwrap_or(kept.len());
        kept[v4..].reverse();
        let (nexthops, ids) = self.nexthops(index)?;
        kept.extend(nexthops);
        for family in [V4, V6] {
            kept.extend(self.routes_to_keep(index, family)?);
        }
        // Routes with a gateway need the routes to it.
        kept.sort_by_key(|kept| (kept.kind, kept.kind == KeptKind::Route && leads_on(kept)));
        if !ids.is_empty() {
            kept.extend(self.nexthop_groups(&ids)?);
        }
        for family in [V4, V6] {
            let mut question = vec![0; RULE_HEADER];
            question[0] = family;
            kept.extend(self.dump_as_told(34, &question, |message| rule(message, name))?);
        }
        kept.sort_by_key(|kept| kept.kind);
        Ok(kept)
    }

    /// The nexthop objects of an interface, and their ids. Kernels before 5.3 have none.
    fn nexthops(&mut self, index: u32) -> Result<(Vec<Kept>, Vec<u32>), NetlinkError> {
        let mut question = vec![0; NEXTHOP_HEADER];
        push(&mut question, NHA_OIF, &index.to_ne_bytes());
        let found = self.dump_as_told(106, &question, |message| {
            let id = value(message, NEXTHOP_HEADER, NHA_ID)?;
            let id = id.map(|id| u32_at(id, 0)).transpose()?;
            Ok(Some((nexthop(message, KeptKind::Nexthop)?, id)))
        });
        let found = match found {
            Err(error) if error.errno() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => Vec::new(),
            found => found?,
        };
        let (kept, ids): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Ok((kept, ids.into_iter().flatten().collect()))
    }

    fn nexthop_groups(&mut self, ids: &[u32]) -> Result<Vec<Kept>, NetlinkError> {
        let mut question = vec![0; NEXTHOP_HEADER];
        push(&mut question, NHA_GROUPS, &[]);
        self.dump_as_told(106, &question, |message| {
            let members = value(message, NEXTHOP_HEADER, NHA_GROUP)?.unwrap_or_default();
            let has_one = |member: &[u8]| u32_at(member, 0).is_ok_and(|id| ids.contains(&id));
            let has_one = members.chunks(MEMBER).any(has_one);
            has_one.then(|| nexthop(message, KeptKind::NexthopGroup)).transpose()
        })
    }

    fn routes_to_keep(&mut self, index: u32, family: u8) -> Result<Vec<Kept>, NetlinkError> {
        let mut question = vec![0; ROUTE_HEADER];
        question[0] = family;
        push(&mut question, RTA_OIF, &index.to_ne_bytes());
        match self.dump_as_told(26, &question, |message| route(message, index, family)) {
            Err(error) if family == V6 && error.errno() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => {
                Ok(Vec::new())
            }
            found => found,
        }
    }
}

fn address(message: &[u8], index: u32) -> Result<Option<Kept>, NetlinkError> {
    let flags = match value(message, ADDRESS_HEADER, IFA_FLAGS)? {
        Some(flags) => u32_at(flags, 0)?,
        None => message.get(2).copied().unwrap_or_default().into(),
    };
    let is_v6 = message.first() == Some(&V6);
    // The kernel makes temporary addresses itself, of the one that they stand for.
    if u32_at(message, 4)? != index || is_v6 && flags & IFA_TEMPORARY != 0 {
        return Ok(None);
    }
    let lives = value(message, ADDRESS_HEADER, IFA_CACHEINFO)?;
    let lives = lives.map(|lifetimes| u32_at(lifetimes, 4)).transpose()?;
    let mut kept = message.to_vec();
    if is_v6 {
        // Usable while duplicate address detection runs again (RFC 4429): a route may name it as its source.
        const OPTIMISTIC: u32 = 4;
        each(&mut kept, ADDRESS_HEADER, IFA_FLAGS, |value| {
            put(value, 0, flags | OPTIMISTIC);
        });
    }
    Ok(Some(Kept::new(
        KeptKind::Address,
        &kept,
        lives.filter(|lives| *lives != u32::MAX),
    )))
}

fn nexthop(message: &[u8], kind: KeptKind) -> Result<Kept, NetlinkError> {
    let mut kept = message.get(..NEXTHOP_HEADER).unwrap_or_default().to_vec();
    if kept.len() < NEXTHOP_HEADER {
        return Err(NetlinkError::Malformed("nexthop header is cut short".to_owned()));
    }
    kept[1] = 0;
    let flags = u32_at(&kept, 4)? & u32::from(ONLINK);
    put(&mut kept, 4, flags);
    for attribute in attributes(&message[NEXTHOP_HEADER..]) {
        let (kind, value) = attribute?;
        if NHA_TAKEN.contains(&kind) {
            // Nexthops are checked strictly, and the walk took this flag off.
            let nested = if kind == NHA_ENCAP { NLA_F_NESTED } else { 0 };
            push(&mut kept, kind | nested, value);
        }
    }
    Ok(Kept::new(kind, &kept, None))
}

fn route(message: &[u8], index: u32, family: u8) -> Result<Option<Kept>, NetlinkError> {
    let header = message.get(..ROUTE_HEADER);
    let header = header.ok_or_else(|| NetlinkError::Malformed("route header is cut short".to_owned()))?;
    // What the kernel made for an address comes with the address.
    let is_the_kernels = header[7] != RTN_UNICAST && header[5] == RTPROT_KERNEL;
    if header[0] != family || is_the_kernels {
        return Ok(None);
    }
    let mut kept = header.to_vec();
    put(&mut kept, 8, u32::from(header[8] & ONLINK));
    let body = after_header(message, ROUTE_HEADER)?;
    let has_nexthop = value(message, ROUTE_HEADER, RTA_NH_ID)?.is_some();
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

fn rule(message: &[u8], name: &str) -> Result<Option<Kept>, NetlinkError> {
    let mut is_its = false;
    for attribute in attributes(after_header(message, RULE_HEADER)?) {
        let (kind, value) = attribute?;
        is_its |= [FRA_IIFNAME, FRA_OIFNAME].contains(&kind) && text(value) == name;
    }
    let mut kept = message.to_vec();
    let flags = u32_at(message, 8)? & INVERT;
    put(&mut kept, 8, flags);
    Ok(is_its.then(|| Kept::new(KeptKind::Rule, &kept, None)))
}

/// Whether a route needs others to be there.
fn leads_on(kept: &Kept) -> bool {
    let message = kept.bytes().unwrap_or_default();
    let has = |kind| value(&message, ROUTE_HEADER, kind).is_ok_and(|value| value.is_some());
    [RTA_GATEWAY, RTA_VIA, RTA_MULTIPATH, RTA_NH_ID].into_iter().any(has)
}

fn value(message: &[u8], header: usize, wanted: u16) -> Result<Option<&[u8]>, NetlinkError> {
    for attribute in attributes(after_header(message, header)?) {
        let (kind, value) = attribute?;
        if kind == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Changes the value of each attribute of a kind, in place.
fn each(message: &mut [u8], header: usize, wanted: u16, mut change: impl FnMut(&mut [u8])) {
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
fn shorten(message: &mut [u8], header: usize, kind: u16, offsets: &[usize], elapsed: u32) {
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

fn put(bytes: &mut [u8], offset: usize, number: u32) {
    if let Some(place) = bytes.get_mut(offset..offset + 4) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
}

fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // The kernel's own attributes are never longer.
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}
