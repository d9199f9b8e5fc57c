//! Which system calls are points, and what they are.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use nix::libc;
use nix::unistd::Pid;

use super::memory;
use super::netlink::Request;

/// What a point acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A netlink request that asks.
    Question,
    /// A netlink request that changes.
    Change,
    /// A file below the state directory.
    State,
    /// The IPAM process.
    Helper,
    /// Anything else.
    Other,
}

/// One system call of a traced process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its number in the kernel's table.
    pub number: i64,
    /// Its name and what it was called with.
    pub what: String,
    /// What it acts on.
    pub kind: Kind,
    /// Whether the IPAM process was there when it began.
    pub beside_helper: bool,
}

impl Point {
    /// Whether it makes the IPAM process.
    pub fn starts_ipam(&self) -> bool {
        self.kind == Kind::Helper && !self.beside_helper
    }

    /// Whether it waits for the end of the IPAM process.
    pub fn waits(&self) -> bool {
        matches!(self.number, libc::SYS_wait4 | libc::SYS_waitid)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:>3} {}", self.number, self.what))
    }
}

/// A system call at its entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) pid: Pid,
    pub(super) number: i64,
    pub(super) args: [u64; 6],
}

/// What is known of the process when a call begins.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Address family of each socket, by descriptor.
    pub(super) sockets: HashMap<u64, u64>,
    /// The state directory.
    pub(super) state: String,
    /// Where the test keeps its files, to shorten paths.
    pub(super) base: String,
}

/// Calls that only read, or change nothing but the process itself. What is not here is a point.
const HARMLESS: &[i64] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_bind,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_connect,
    libc::SYS_dup2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_futex,
    libc::SYS_getdents64,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init1,
    libc::SYS_lseek,
    libc::SYS_lstat,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_newfstatat,
    libc::SYS_pipe2,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_prlimit64,
    libc::SYS_read,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setsockopt,
    libc::SYS_sigaltstack,
    libc::SYS_socket,
    libc::SYS_stat,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_uname,
];

const NAMES: &[(i64, &str)] = &[
    (libc::SYS_chmod, "chmod"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_fork, "fork"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_link, "link"),
    (libc::SYS_mkdir, "mkdir"),
    (libc::SYS_mkdirat, "mkdirat"),
    (libc::SYS_open, "open"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_rename, "rename"),
    (libc::SYS_renameat, "renameat"),
    (libc::SYS_renameat2, "renameat2"),
    (libc::SYS_rmdir, "rmdir"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_unlink, "unlink"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_pidfd_open, "pidfd_open"),
    (libc::SYS_vfork, "vfork"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_waitid, "waitid"),
    (libc::SYS_write, "write"),
    (libc::SYS_writev, "writev"),
];

impl Entry {
    /// The point that this call is, or none.
    pub(super) fn point(&self, around: &Surroundings, beside_helper: bool) -> Option<Point> {
        if HARMLESS.contains(&self.number) {
            return None;
        }
        let name = NAMES.iter().find(|(number, _)| *number == self.number);
        let name = name.map_or("?", |(_, name)| *name);
        let (kind, object) = self.object(around)?;
        Some(Point {
            number: self.number,
            what: format!("{name} {object}").trim_end().to_owned(),
            kind,
            beside_helper,
        })
    }

    fn object(&self, around: &Surroundings) -> Option<(Kind, String)> {
        let path = |index: usize| memory::text(self.pid, self.args[index]);
        Some(match self.number {
            libc::SYS_open => return opened(around, &path(0), self.args[1]),
            libc::SYS_openat => return opened(around, &path(1), self.args[2]),
            libc::SYS_mkdir | libc::SYS_unlink | libc::SYS_rmdir | libc::SYS_rename | libc::SYS_link => {
                around.file(&path(0))
            }
            libc::SYS_mkdirat | libc::SYS_unlinkat | libc::SYS_renameat | libc::SYS_renameat2 => around.file(&path(1)),
            libc::SYS_write | libc::SYS_writev | libc::SYS_pwrite64 | libc::SYS_ftruncate | libc::SYS_flock => {
                return self.descriptor(around);
            }
            libc::SYS_sendto | libc::SYS_sendmsg => self.sent(around),
            libc::SYS_clone | libc::SYS_clone3 if self.makes_a_thread() => return None,
            libc::SYS_clone | libc::SYS_clone3 | libc::SYS_vfork | libc::SYS_fork => (Kind::Helper, "IPAM".to_owned()),
            libc::SYS_wait4 | libc::SYS_waitid => (Kind::Helper, "the end of IPAM".to_owned()),
            // TIOCGWINSZ and its like, by which a program looks for a terminal.
            libc::SYS_ioctl if self.args[1] & 0xff00 == 0x5400 => return None,
            _ => (Kind::Other, String::new()),
        })
    }

    fn makes_a_thread(&self) -> bool {
        let flags = if self.number == libc::SYS_clone3 {
            memory::number(self.pid, self.args[0])
        } else {
            self.args[0]
        };
        flags & libc::CLONE_THREAD as u64 != 0
    }

    /// A call on an open file. stderr is the operator's and no state; it is no point.
    fn descriptor(&self, around: &Surroundings) -> Option<(Kind, String)> {
        let target = std::fs::read_link(format!("/proc/{}/fd/{}", self.pid, self.args[0])).unwrap_or_default();
        match (self.args[0], target.to_str().unwrap_or_default()) {
            (2, _) => None,
            (1, _) => Some((Kind::Other, "the result".to_owned())),
            (_, pipe) if pipe.starts_with("pipe:") => Some((Kind::Helper, "stdin of IPAM".to_owned())),
            (_, path) => Some(around.file(path)),
        }
    }

    fn sent(&self, around: &Surroundings) -> (Kind, String) {
        let family = around.sockets.get(&self.args[0]).copied().unwrap_or_default();
        if family != libc::AF_NETLINK as u64 {
            return (Kind::Other, format!("to a socket of family {family}"));
        }
        let (address, length) = self.message();
        let request = Request::read(self.pid, address, length);
        let kind = if request.changes { Kind::Change } else { Kind::Question };
        (kind, request.name)
    }

    /// Address and length of what is sent.
    pub(super) fn message(&self) -> (u64, usize) {
        let (address, length) = if self.number == libc::SYS_sendmsg {
            // The first part: `msg_iov` is the third field of `struct msghdr`.
            let part = memory::number(self.pid, self.args[1] + 16);
            (memory::number(self.pid, part), memory::number(self.pid, part + 8))
        } else {
            (self.args[1], self.args[2])
        };
        (address, usize::try_from(length).unwrap_or_default())
    }
}

fn opened(around: &Surroundings, path: &str, flags: u64) -> Option<(Kind, String)> {
    let changing = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u64;
    (flags & changing != 0).then(|| around.file(path))
}

impl Surroundings {
    fn file(&self, path: &str) -> (Kind, String) {
        let kind = if Path::new(path).starts_with(&self.state) {
            Kind::State
        } else {
            Kind::Other
        };
        let base = format!("{}/", self.base);
        let shown = path.strip_prefix(&base).unwrap_or(path);
        (kind, without_moment(shown))
    }
}

/// A ticket of the queue and a lease are named after a process and a moment, and who waits after its container, which two
/// runs do not have in common.
fn without_moment(path: &str) -> String {
    let digits = |name: &str| name.starts_with(|c: char| c.is_ascii_digit());
    match (path.rsplit_once("queue/"), path.rsplit_once("leases/")) {
        (Some((before, ticket)), _) if digits(ticket) => format!("{before}queue/TICKET"),
        (_, Some((before, lease))) if digits(lease) => {
            let (_, extension) = lease.rsplit_once('.').unwrap_or_default();
            format!("{before}leases/ATTEMPT.{extension}")
        }
        _ => match path.rsplit_once("waiting/") {
            Some((before, _attachment)) => format!("{before}waiting/ATTACHMENT"),
            None => path.to_owned(),
        },
    }
}
