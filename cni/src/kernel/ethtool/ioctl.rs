//! The call itself (`SIOCETHTOOL`). By ioctl and not by generic netlink, which has no rules for flows, and sets RSS only since
//! Linux 6.16.
#![allow(unsafe_code, reason = "ioctl(2) with a request that no safe wrapper knows")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// `include/uapi/linux/sockios.h`.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const NAME: usize = 16;

/// Commands of `include/uapi/linux/ethtool.h`.
pub(super) mod command {
    pub(in super::super) const GET_COALESCE: u32 = 0x0e;
    pub(in super::super) const SET_COALESCE: u32 = 0x0f;
    pub(in super::super) const GET_RINGS: u32 = 0x10;
    pub(in super::super) const SET_RINGS: u32 = 0x11;
    pub(in super::super) const GET_PAUSE: u32 = 0x12;
    pub(in super::super) const SET_PAUSE: u32 = 0x13;
    pub(in super::super) const GET_PRIVATE_FLAGS: u32 = 0x27;
    pub(in super::super) const SET_PRIVATE_FLAGS: u32 = 0x28;
    pub(in super::super) const GET_HASH_FIELDS: u32 = 0x29;
    pub(in super::super) const SET_HASH_FIELDS: u32 = 0x2a;
    pub(in super::super) const COUNT_RULES: u32 = 0x2e;
    pub(in super::super) const GET_RULE: u32 = 0x2f;
    pub(in super::super) const LIST_RULES: u32 = 0x30;
    pub(in super::super) const DELETE_RULE: u32 = 0x31;
    pub(in super::super) const INSERT_RULE: u32 = 0x32;
    pub(in super::super) const GET_FEATURES: u32 = 0x3a;
    pub(in super::super) const SET_FEATURES: u32 = 0x3b;
    pub(in super::super) const GET_CHANNELS: u32 = 0x3c;
    pub(in super::super) const SET_CHANNELS: u32 = 0x3d;
    pub(in super::super) const GET_RSS: u32 = 0x46;
    pub(in super::super) const SET_RSS: u32 = 0x47;
}

/// `struct ethtool_rxnfc` in words, without the list at its end.
pub(super) const RULE_WORDS: usize = 48;
/// Where in it the list begins, over the padding.
pub(super) const RULE_LIST: usize = 47;
/// `struct ethtool_rxfh` in words, without the table at its end.
pub(super) const RSS_WORDS: usize = 6;

/// One interface of the calling thread's network namespace, by its name.
#[derive(Debug)]
pub(super) struct Interface {
    socket: OwnedFd,
    name: [u8; NAME],
}

/// `struct ifreq`, as this request has it.
#[repr(C)]
struct Request {
    name: [u8; NAME],
    data: *mut u32,
    rest: [u8; 16],
}

impl Interface {
    /// Asks nothing yet. Names that are longer than a name can be are refused.
    pub(super) fn open(name: &str) -> io::Result<Self> {
        let mut padded = [0; NAME];
        let bytes = name.as_bytes();
        if bytes.len() >= NAME {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        padded[..bytes.len()].copy_from_slice(bytes);
        Ok(Self {
            socket: socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?,
            name: padded,
        })
    }

    /// Sends a command, the first word of `words`, with its parameters behind it; the answer overwrites them.
    pub(super) fn call(&self, words: &mut [u32]) -> io::Result<()> {
        if length(words).is_none_or(|length| words.len() < length) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut request = Request {
            name: self.name,
            data: words.as_mut_ptr(),
            rest: [0; 16],
        };
        // SAFETY: the request is a whole `struct ifreq`, and its data is at least as long as what the kernel reads and writes
        // for this command, which was made sure of above.
        let done = unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// How many words the kernel reads and writes; `None` for a command that is not known here.
fn length(words: &[u32]) -> Option<usize> {
    let at = |index: usize| words.get(index).map(|word| *word as usize);
    Some(match *words.first()? {
        command::GET_PRIVATE_FLAGS | command::SET_PRIVATE_FLAGS => 2,
        command::GET_PAUSE | command::SET_PAUSE => 4,
        command::GET_RINGS | command::SET_RINGS | command::GET_CHANNELS | command::SET_CHANNELS => 9,
        command::GET_COALESCE | command::SET_COALESCE => 23,
        command::GET_FEATURES => 2 + 4 * at(1)?,
        command::SET_FEATURES => 2 + 2 * at(1)?,
        command::LIST_RULES => RULE_WORDS + at(RULE_LIST - 1)?,
        command::COUNT_RULES
        | command::GET_RULE
        | command::DELETE_RULE
        | command::INSERT_RULE
        | command::GET_HASH_FIELDS
        | command::SET_HASH_FIELDS => RULE_WORDS,
        // What is not to be changed is a table of this size to the kernel.
        command::GET_RSS | command::SET_RSS => {
            let table = at(2)?;
            let table = if table == u32::MAX as usize { 0 } else { table };
            RSS_WORDS + table + at(3)?.div_ceil(4)
        }
        _ => return None,
    })
}
