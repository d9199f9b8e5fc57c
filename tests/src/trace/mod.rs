//! One call of the plugin under ptrace(2): watched, or disturbed at exactly one of its system calls.
//!
//! A *point* is a system call that may change something outside the process: every one that is not known to be harmless
//! (`point`). Points are numbered in the order in which they begin, over all threads: the plugin's threads take turns,
//! so that two runs of the same call have the same points. The IPAM plugin that the call starts is followed to its exec
//! and then let go, or held there.
//!
//! Registers are read and written as x86-64 has them, which the emulated node needs as well.

mod ipam_process;
mod memory;
mod netlink;
mod point;
mod tracer;

pub use ipam_process::Helper;
pub use point::{Kind, Point};

use crate::plugin::{Call, Outcome};

/// When, at a point, a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At the entry: the kernel does not execute the call.
    Before,
    /// The new process of a `vfork` exists, and has not run.
    During,
    /// At the exit: the call has been executed, its result is not seen.
    After,
}

/// What happens to a traced call.
#[derive(Debug, Clone, Copy)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// SIGKILL to the whole process.
    Kill {
        /// Point.
        at: usize,
        /// When.
        moment: Moment,
    },
    /// A netlink request is not executed, and answered with an `NLMSG_ERROR`.
    Refuse {
        /// Point.
        at: usize,
        /// The error, positive.
        errno: i32,
    },
    /// A system call on the state directory is not executed, and returns an error.
    Fail {
        /// Point.
        at: usize,
        /// The error, positive.
        errno: i32,
        /// Whether every later one that would write fails too.
        lasting: bool,
    },
}

/// What became of a traced call.
#[derive(Debug)]
pub struct Traced {
    /// Its points, in order.
    pub points: Vec<Point>,
    /// Whether a request was refused, or a call on the state directory failed, as it was to.
    pub disturbed: bool,
    /// How it ended; status -1 is a signal.
    pub outcome: Outcome,
    /// The IPAM process that it started last, if it started one.
    pub helper: Option<Helper>,
}

/// Makes a call under `disturbance`. With `hold`, the IPAM process that it starts waits at its first instruction until it
/// is released, which the call itself may be waiting for: only for calls that are killed before they do.
pub fn trace(call: &Call, disturbance: Disturbance, hold: bool) -> Traced {
    tracer::Tracer::start(call, disturbance, hold).run()
}
