//! Nexthop objects and groups of them (`RTM_NEWNEXTHOP`). Kernels before 5.3 have none.
//!
//! Contract: `include/uapi/linux/nexthop.h`, `rtm_to_nh_config`.

use std::fmt;

use super::message::{each, push, put, value};
use super::{CREATE, EXCLUSIVE, Kept, KeptKind, ONLINK, REPLACE, moved};
use crate::netlink::attributes::{attributes, u32_at};
use crate::netlink::error::NetlinkError;
use crate::netlink::socket::Socket;

/// `struct nhmsg`.
const HEADER: usize = 8;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_ENCAP: u16 = 8;
const NHA_GROUPS: u16 = 9;
const NLA_F_NESTED: u16 = 0x8000;
/// What a nexthop is made with: id, group and its type, interface, gateway, encapsulation and its type.
const NHA_TAKEN: [u16; 7] = [NHA_ID, NHA_GROUP, 3, NHA_OIF, 6, 7, NHA_ENCAP];
/// `struct nexthop_grp`.
const MEMBER: usize = 8;

/// The nexthop objects of an interface, and their ids.
pub(super) fn of(socket: &mut Socket, index: u32) -> Result<(Vec<Kept>, Vec<u32>), NetlinkError> {
    let mut question = vec![0; HEADER];
    push(&mut question, NHA_OIF, &index.to_ne_bytes());
    let found = socket.dump_raw(106, &question, |message| {
        let id = value(message, HEADER, NHA_ID)?;
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

/// The groups that one of these nexthops is in.
pub(super) fn groups_of(socket: &mut Socket, ids: &[u32]) -> Result<Vec<Kept>, NetlinkError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut question = vec![0; HEADER];
    push(&mut question, NHA_GROUPS, &[]);
    socket.dump_raw(106, &question, |message| {
        let members = value(message, HEADER, NHA_GROUP)?.unwrap_or_default();
        let has_one = |member: &[u8]| u32_at(member, 0).is_ok_and(|id| ids.contains(&id));
        let has_one = members.chunks(MEMBER).any(has_one);
        has_one.then(|| nexthop(message, KeptKind::NexthopGroup)).transpose()
    })
}

pub(super) fn remake(message: &mut [u8], indices: (u32, u32)) -> (u16, u16) {
    each(message, HEADER, NHA_OIF, |index| moved(index, indices));
    (104, CREATE | EXCLUSIVE)
}

/// What is left of a group that lost its member is replaced.
pub(super) fn remake_group() -> (u16, u16) {
    (104, CREATE | REPLACE)
}

pub(super) fn describe(word: &str, message: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let id = value(message, HEADER, NHA_ID).ok().flatten();
    let id = id.and_then(|id| u32_at(id, 0).ok()).unwrap_or_default();
    write!(f, "{word} {id}")
}

fn nexthop(message: &[u8], kind: KeptKind) -> Result<Kept, NetlinkError> {
    let mut kept = message.get(..HEADER).unwrap_or_default().to_vec();
    if kept.len() < HEADER {
        return Err(NetlinkError::Malformed("nexthop header is cut short".to_owned()));
    }
    kept[1] = 0;
    let flags = u32_at(&kept, 4)? & u32::from(ONLINK);
    put(&mut kept, 4, flags);
    for attribute in attributes(&message[HEADER..]) {
        let (kind, value) = attribute?;
        if NHA_TAKEN.contains(&kind) {
            // Nexthops are checked strictly, and the walk took this flag off.
            let nested = if kind == NHA_ENCAP { NLA_F_NESTED } else { 0 };
            push(&mut kept, kind | nested, value);
        }
    }
    Ok(Kept::new(kind, &kept, None))
}
