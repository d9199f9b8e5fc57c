//! BPF programs on an interface that netlink does not show (tcx), or cannot take away (a `bpf_link`).
//!
//! A program that a `bpf_link` holds stays while somebody holds the link, wherever the interface goes. Contract: bpf(2),
//! `include/uapi/linux/bpf.h`; tcx is of Linux 6.6. The calls look an interface up in the calling thread's network namespace.
#![allow(
    unsafe_code,
    reason = "bpf(2) has no safe wrapper that would not bring a loader with it"
)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use serde::{Deserialize, Serialize};

const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;
const LINK_GET_FD_BY_ID: libc::c_long = 30;
const LINK_GET_NEXT_ID: libc::c_long = 31;
const LINK_DETACH: libc::c_long = 34;
const LINK_TYPE_XDP: u32 = 6;
/// `BPF_MPROG_MAX`: the kernel takes no more programs in one place.
const MOST: usize = 64;

/// The way of the packets that a tcx program sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Received ones.
    Ingress,
    /// Sent ones.
    Egress,
}

/// A tcx program on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TcxProgram {
    /// What it sees.
    pub direction: Direction,
    /// The kernel's id of the program; never given twice in a boot.
    pub program: u32,
    /// Id of the `bpf_link` that holds it; none for one that was attached without.
    pub link: Option<u32>,
}

impl Direction {
    /// `BPF_TCX_INGRESS`, `BPF_TCX_EGRESS`.
    fn attach_type(self) -> u32 {
        match self {
            Self::Ingress => 46,
            Self::Egress => 47,
        }
    }
}

#[repr(C)]
#[derive(Default)]
struct Query {
    index: u32,
    attach_type: u32,
    flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    reserved: u32,
    program_flags: u64,
    links: u64,
    link_flags: u64,
    revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct Detach {
    index: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// An id or a descriptor, and what else belongs to it.
#[repr(C)]
#[derive(Default)]
struct Numbered {
    number: u32,
    next: u32,
    open_flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct InfoQuestion {
    descriptor: u32,
    length: u32,
    info: u64,
}

/// The start of `struct bpf_link_info`, as an XDP link has it.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    padding: u32,
    index: u32,
    more: [u32; 11],
}

/// The tcx programs of an interface. None where the kernel has no tcx or no bpf(2).
pub fn tcx_programs(index: u32) -> io::Result<Vec<TcxProgram>> {
    let mut found = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        let (mut programs, mut links) = ([0_u32; MOST], [0_u32; MOST]);
        let mut query = Query {
            index,
            attach_type: direction.attach_type(),
            programs: programs.as_mut_ptr().expose_provenance() as u64,
            count: u32::try_from(MOST).unwrap_or_default(),
            links: links.as_mut_ptr().expose_provenance() as u64,
            ..Query::default()
        };
        match bpf(PROG_QUERY, &mut query) {
            Ok(_) => {}
            // An attach type or fields that this kernel does not know, or no BPF at all.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::E2BIG | libc::ENOSYS)) => continue,
            Err(error) => return Err(error),
        }
        let count = usize::try_from(query.count).unwrap_or(MOST).min(MOST);
        let pairs = programs.into_iter().zip(links).take(count);
        found.extend(pairs.map(|(program, link)| TcxProgram {
            direction,
            program,
            link: Some(link).filter(|link| *link != 0),
        }));
    }
    Ok(found)
}

/// Takes a tcx program from an interface, whoever holds it.
pub fn detach_tcx(index: u32, attached: &TcxProgram) -> io::Result<()> {
    if let Some(link) = attached.link {
        return detach_link(link);
    }
    let program = open(PROG_GET_FD_BY_ID, attached.program)?;
    let mut detach = Detach {
        index,
        program: program.as_raw_fd().cast_unsigned(),
        attach_type: attached.direction.attach_type(),
        flags: 0,
    };
    bpf(PROG_DETACH, &mut detach).map(drop)
}

/// Ends a `bpf_link`: its holder keeps a link to nothing.
pub fn detach_link(link: u32) -> io::Result<()> {
    let link = open(LINK_GET_FD_BY_ID, link)?;
    let mut detach = Numbered {
        number: link.as_raw_fd().cast_unsigned(),
        ..Numbered::default()
    };
    bpf(LINK_DETACH, &mut detach).map(drop)
}

/// The `bpf_link` through which the XDP program `program` is on interface `index`. The kernel tells of a link only the
/// interface's index, which another namespace may have as well: where several links fit, none can be told to be the one.
pub fn xdp_link(index: u32, program: u32) -> io::Result<Option<u32>> {
    let mut fitting = Vec::new();
    let mut at = Numbered::default();
    loop {
        match bpf(LINK_GET_NEXT_ID, &mut at) {
            Ok(_) => at.number = at.next,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
            Err(error) => return Err(error),
        }
        let link = match open(LINK_GET_FD_BY_ID, at.number) {
            Ok(link) => link,
            // It ended meanwhile, or is only coming.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EAGAIN)) => continue,
            Err(error) => return Err(error),
        };
        let info = info(&link)?;
        if (info.kind, info.index, info.program) == (LINK_TYPE_XDP, index, program) {
            fitting.push(at.number);
        }
    }
    Ok(match fitting.as_slice() {
        [only] => Some(*only),
        _ => None,
    })
}

fn info(link: &OwnedFd) -> io::Result<LinkInfo> {
    let mut info = LinkInfo::default();
    let mut question = InfoQuestion {
        descriptor: link.as_raw_fd().cast_unsigned(),
        length: u32::try_from(size_of::<LinkInfo>()).unwrap_or_default(),
        info: (&raw mut info).expose_provenance() as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut question)?;
    Ok(info)
}

fn open(command: libc::c_long, id: u32) -> io::Result<OwnedFd> {
    let mut by_id = Numbered {
        number: id,
        ..Numbered::default()
    };
    let descriptor = bpf(command, &mut by_id)?;
    // SAFETY: the kernel has just opened it for this caller, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The call. `T` is the head of `union bpf_attr` for the command; the kernel takes what is not given for zero.
fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes at most `size_of::<T>()` bytes of `attributes`, and what the callers' pointers in
    // it lead to is at least as long as the lengths beside them say and lives until the call returns.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::try_from(done).unwrap_or_default())
}
