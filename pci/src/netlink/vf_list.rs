//! The entries of a PF's list of VFs, also of one that is longer than it can say.
//!
//! `IFLA_VFINFO_LIST` is one attribute, whose length has 16 bits (`struct nlattr`), and some 270 VFs fill 64 KiB. The kernel
//! lets the length wrap (`nla_nest_end` in `rtnl_fill_vf`, net/core/rtnetlink.c), while the entries go on and the message's
//! own length, of 32 bits, is right. `IFLA_NUM_VF` stands before the list; no attribute after it has the number of an entry
//! (`IFLA_ADDRESS`, which has it, stands before). Kernels that refuse such a list answer `EMSGSIZE`.

use super::attributes::{u16_at, u32_at};
use super::error::NetlinkError;

const IFLA_NUM_VF: u16 = 21;
pub(super) const IFLA_VFINFO_LIST: u16 = 22;
pub(super) const IFLA_VF_INFO: u16 = 1;
/// `struct nlattr`.
const HEADER: usize = 4;
/// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND: u16 = 0x3fff;
/// Where a length of 16 bits begins anew.
const WRAP: usize = 1 << 16;

/// The payload of each `IFLA_VF_INFO` among the attributes of a link; none where the link has no list.
pub(super) fn entries(link: &[u8]) -> Result<Vec<&[u8]>, NetlinkError> {
    let (mut rest, mut vfs) = (link, usize::MAX);
    while !rest.is_empty() {
        let (kind, length) = header(rest)?;
        if kind == IFLA_VFINFO_LIST {
            return in_list(&rest[HEADER..], length, vfs);
        }
        let value = rest.get(HEADER..length).ok_or_else(malformed)?;
        if kind == IFLA_NUM_VF {
            vfs = u32_at(value, 0)? as usize;
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Vec::new())
}

/// The entries at the beginning of `rest`: of a list that says to be of `length`, of a PF with so many VFs. It ends where
/// that length says, or a multiple of 64 KiB later, so long as entries follow.
fn in_list(rest: &[u8], length: usize, vfs: usize) -> Result<Vec<&[u8]>, NetlinkError> {
    let (mut entries, mut at) = (Vec::new(), 0);
    loop {
        let ends = (HEADER + at) % WRAP == length;
        let next = rest.get(at..).filter(|next| !next.is_empty());
        let next = next.map(header).transpose();
        let goes_on = matches!(next, Ok(Some((IFLA_VF_INFO, _)))) && entries.len() < vfs;
        if ends && !goes_on {
            return Ok(entries);
        }
        let (kind, length) = next?.ok_or_else(malformed)?;
        let value = rest.get(at + HEADER..at + length).ok_or_else(malformed)?;
        if kind == IFLA_VF_INFO {
            entries.push(value);
        }
        at += length.next_multiple_of(4);
    }
}

/// Number and length, of which the length of a list alone may be anything.
fn header(bytes: &[u8]) -> Result<(u16, usize), NetlinkError> {
    let (length, kind) = (u16_at(bytes, 0)?, u16_at(bytes, 2)? & KIND);
    if usize::from(length) < HEADER && kind != IFLA_VFINFO_LIST {
        return Err(malformed());
    }
    Ok((kind, length.into()))
}

fn malformed() -> NetlinkError {
    NetlinkError::Malformed("the list of VFs is cut short".to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const IFLA_ADDRESS: u16 = 1;
    const IFLA_XDP: u16 = 43;

    /// An attribute; its length wraps as the kernel's does.
    pub(in crate::netlink) fn nla(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from((HEADER + value.len()) % WRAP).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(vfs: u32, shown: u32, size: usize) -> Vec<u8> {
        let info = |n: u32| nla(IFLA_VF_INFO, &[&n.to_ne_bytes()[..], &vec![0; size - 8]].concat());
        [
            nla(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]),
            nla(IFLA_NUM_VF, &vfs.to_ne_bytes()),
            nla(IFLA_VFINFO_LIST, &(0..shown).flat_map(info).collect::<Vec<u8>>()),
            nla(IFLA_XDP, &nla(2, &[0])),
        ]
        .concat()
    }

    fn numbers(link: &[u8]) -> Vec<u32> {
        let numbers = entries(link).unwrap();
        numbers.into_iter().map(|entry| u32_at(entry, 0).unwrap()).collect()
    }

    #[test]
    fn a_list_longer_than_64_kib_is_read_to_its_end() {
        // The sizes divide 64 KiB, or all but: the list's length is then that of an empty one, less than none, or of a part.
        for (vfs, size) in [
            (1, 232),
            (282, 232),
            (283, 232),
            (1000, 232),
            (65_535, 240),
            (256, 256),
            (1024, 256),
        ] {
            let expected: Vec<u32> = (0..vfs).collect();
            assert_eq!(numbers(&link(vfs, vfs, size)), expected, "{vfs} of {size} bytes");
        }
        // 4 + 65532 is 64 KiB: the length says 0.
        let all = link(381 * 2, 381 * 2, 86 * 2);
        assert_eq!(numbers(&all).len(), 762);
        assert_eq!(numbers(&link(16_383, 16_383, 20)[..]).len(), 16_383);
    }

    #[test]
    fn vfs_that_the_driver_leaves_out_are_not_made_up() {
        assert_eq!(numbers(&link(1000, 700, 232)).len(), 700);
        assert_eq!(numbers(&link(0, 0, 232)).len(), 0);
        assert_eq!(numbers(&nla(IFLA_NUM_VF, &7_u32.to_ne_bytes())).len(), 0, "no list");
    }

    #[test]
    fn a_list_cut_short_is_an_error_wherever_it_is_cut() {
        let whole = link(600, 600, 232);
        let end = whole.len() - nla(IFLA_XDP, &nla(2, &[0])).len();
        assert_eq!(numbers(&whole[..end]).len(), 600, "the list may be the last attribute");
        for cut in [end - 1, end - 232, end - 65_536, 232 * 3, 30] {
            assert!(entries(&whole[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_is_no_entry_ends_no_list_that_goes_on_and_is_no_vf() {
        let info = nla(IFLA_VF_INFO, &[0; 228]);
        let mixed = [info.clone(), nla(9, &[0; 8]), info].concat();
        assert_eq!(entries(&nla(IFLA_VFINFO_LIST, &mixed)).unwrap().len(), 2);
    }
}
