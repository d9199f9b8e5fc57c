//! Policy rules that name an interface (`RTM_NEWRULE`).
//!
//! Contract: `include/uapi/linux/fib_rules.h`, `fib_nl_newrule`.

use std::fmt;

use super::message::{put, value};
use super::{CREATE, EXCLUSIVE, Kept, KeptKind};
use crate::netlink::attributes::{after_header, attributes, text, u32_at};
use crate::netlink::error::NetlinkError;
use crate::netlink::socket::Socket;

/// `struct fib_rule_hdr`.
const HEADER: usize = 12;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_OIFNAME: u16 = 17;
/// `FIB_RULE_INVERT`.
const INVERT: u32 = 2;

/// The rules of one family that name an interface.
pub(super) fn of(socket: &mut Socket, name: &str, family: u8) -> Result<Vec<Kept>, NetlinkError> {
    let mut question = vec![0; HEADER];
    question[0] = family;
    socket.dump_raw(34, &question, |message| rule(message, name))
}

pub(super) fn remake() -> (u16, u16) {
    (32, CREATE | EXCLUSIVE)
}

pub(super) fn describe(message: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let priority = value(message, HEADER, FRA_PRIORITY).ok().flatten();
    let priority = priority
        .and_then(|priority| u32_at(priority, 0).ok())
        .unwrap_or_default();
    write!(f, "rule {priority}")
}

fn rule(message: &[u8], name: &str) -> Result<Option<Kept>, NetlinkError> {
    let mut is_its = false;
    for attribute in attributes(after_header(message, HEADER)?) {
        let (kind, value) = attribute?;
        is_its |= [FRA_IIFNAME, FRA_OIFNAME].contains(&kind) && text(value) == name;
    }
    let mut kept = message.to_vec();
    let flags = u32_at(message, 8)? & INVERT;
    put(&mut kept, 8, flags);
    Ok(is_its.then(|| Kept::new(KeptKind::Rule, &kept, None)))
}
