//! What an interface loses when it leaves its namespace: addresses, nexthop objects, routes, the policy rules that name it, and
//! the neighbours that somebody put there.
//!
//! Kept as the kernel tells it, with what it would not take back left out, so that it can be told again. Contract:
//! rtnetlink(7), and what each kind says.

mod address;
mod message;
mod neighbour;
mod nexthop;
mod route;
mod rule;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::attributes::u32_at;
use super::error::NetlinkError;
use super::socket::Socket;
use message::put;

const V4: u8 = 2;
const V6: u8 = 10;

/// How a message is to be taken: `NLM_F_CREATE` and the like.
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
const REPLACE: u16 = 0x100;
const APPEND: u16 = 0x800;

/// `RTNH_F_ONLINK`: the one flag that a user sets; the others say how things are.
const ONLINK: u8 = 4;

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
    /// A permanent neighbour, or a proxy (`RTM_NEWNEIGH`).
    Neighbour,
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
        match self.kind {
            KeptKind::Address => address::describe(&message, f),
            KeptKind::Nexthop => nexthop::describe("nexthop", &message, f),
            KeptKind::NexthopGroup => nexthop::describe("nexthop group", &message, f),
            KeptKind::Route => route::describe(&message, f),
            KeptKind::Rule => rule::describe(&message, f),
            KeptKind::Neighbour => neighbour::describe(&message, f),
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
    pub fn restore(&self, socket: &mut Socket, indices: (u32, u32), elapsed: u32) -> Result<bool, NetlinkError> {
        if self.lives.is_some_and(|lives| lives <= elapsed) {
            return Ok(false);
        }
        let mut message = self.bytes()?;
        let (kind, flags) = match self.kind {
            KeptKind::Address => address::remake(&mut message, indices.1, elapsed),
            KeptKind::Nexthop => nexthop::remake(&mut message, indices),
            KeptKind::NexthopGroup => nexthop::remake_group(),
            KeptKind::Route => route::remake(&mut message, indices, elapsed),
            KeptKind::Rule => rule::remake(),
            KeptKind::Neighbour => neighbour::remake(&mut message, indices.1),
        };
        match socket.change_raw(kind, &message, flags) {
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
        let mut kept = address::of(self, index)?;
        let (nexthops, ids) = nexthop::of(self, index)?;
        kept.extend(nexthops);
        kept.extend(nexthop::groups_of(self, &ids)?);
        let mut routes = Vec::new();
        for family in [V4, V6] {
            routes.extend(route::of(self, index, family)?);
        }
        // Routes with a gateway need the routes to it.
        routes.sort_by_key(route::leads_on);
        kept.extend(routes);
        for family in [V4, V6] {
            kept.extend(rule::of(self, name, family)?);
        }
        kept.extend(neighbour::of(self, index)?);
        Ok(kept)
    }
}

/// Gives an attribute that holds the interface's index the one that it has now.
fn moved(index: &mut [u8], (before, now): (u32, u32)) {
    if u32_at(index, 0).is_ok_and(|index| index == before) {
        put(index, 0, now);
    }
}
