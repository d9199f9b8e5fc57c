//! rtnetlink messages in the memory of a process that is about to send or has just received them.

use nix::unistd::Pid;

use super::memory;

/// `struct nlmsghdr`: length, type, flags, sequence, port.
const TYPE: u64 = 4;
const HEADER: u64 = 16;
const NLMSG_ERROR: u16 = 2;
/// No such request: `rtnetlink_rcv_msg` answers EOPNOTSUPP before it looks any further.
const NO_TYPE: u16 = u16::MAX;

/// The requests by their numbers (include/uapi/linux/rtnetlink.h).
const NAMES: &[(u16, &str)] = &[
    (16, "RTM_NEWLINK"),
    (17, "RTM_DELLINK"),
    (18, "RTM_GETLINK"),
    (19, "RTM_SETLINK"),
    (20, "RTM_NEWADDR"),
    (21, "RTM_DELADDR"),
    (22, "RTM_GETADDR"),
    (24, "RTM_NEWROUTE"),
    (25, "RTM_DELROUTE"),
    (26, "RTM_GETROUTE"),
    (32, "RTM_NEWRULE"),
    (34, "RTM_GETRULE"),
    (104, "RTM_NEWNEXTHOP"),
    (106, "RTM_GETNEXTHOP"),
    (108, "RTM_NEWLINKPROP"),
    (109, "RTM_DELLINKPROP"),
];
const IFLA_VFINFO_LIST: u16 = 22;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_VF: u16 = 1;
const RTEXT_FILTER_SKIP_STATS: u16 = 8;

/// A request at `address`.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) changes: bool,
}

impl Request {
    pub(super) fn read(pid: Pid, address: u64, length: usize) -> Self {
        let bytes = memory::read(pid, address, length);
        let half = |at: usize| {
            bytes
                .get(at..at + 2)
                .map_or(0, |two| u16::from_ne_bytes([two[0], two[1]]))
        };
        let kind = half(4);
        let known = NAMES.iter().find(|(number, _)| *number == kind);
        let mut name = known.map_or_else(|| format!("netlink type {kind}"), |(_, name)| (*name).to_owned());
        let changes = known.is_none_or(|(_, name)| !name.starts_with("RTM_GET"));
        if name.ends_with("LINK") {
            // After the header and `struct ifinfomsg`: attributes, each a length, a type and a value.
            let mut at = 32;
            while at + 4 <= bytes.len() && half(at) >= 4 {
                match half(at + 2) & 0x3fff {
                    IFLA_VFINFO_LIST if changes => name += " (a VF)",
                    IFLA_NET_NS_FD if changes => name += " (a move)",
                    IFLA_EXT_MASK if half(at + 4) & RTEXT_FILTER_VF != 0 => {
                        let skipped = half(at + 4) & RTEXT_FILTER_SKIP_STATS != 0;
                        name += if skipped { " (VFs)" } else { " (VFs and statistics)" };
                    }
                    _ => {}
                }
                at += usize::from(half(at)).next_multiple_of(4);
            }
        }
        Self { name, changes }
    }
}

/// Makes a request one that the kernel refuses.
pub(super) fn spoil(pid: Pid, address: u64) {
    memory::write(pid, address + TYPE, &NO_TYPE.to_ne_bytes());
}

/// Changes the error in what was received. Tells whether there was one.
pub(super) fn put_error(pid: Pid, address: u64, length: usize, errno: i32) -> bool {
    let head = memory::read(pid, address, length);
    let is_error = head.len() >= 20 && head[4..6] == NLMSG_ERROR.to_ne_bytes();
    if is_error {
        memory::write(pid, address + HEADER, &(-errno).to_ne_bytes());
    }
    is_error
}
