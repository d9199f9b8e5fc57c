//! Many processes that begin at the same instant: each is forked and waits at a gate, and becomes its program when the
//! gate opens. Starting them one after the other would spread their beginnings over as long as some of them take.
#![allow(unsafe_code, reason = "between fork and exec only plain system calls are allowed")]

use std::ffi::CStr;
use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::process::{Process, wait};

/// From the opening of the gate: when the last process had ended, and when each had.
#[derive(Debug)]
pub struct Race {
    /// The last end.
    pub total: Duration,
    /// All ends.
    pub each: Vec<Duration>,
}

/// Runs all processes, released together.
pub fn race(processes: &[Process]) -> Race {
    let (gate, opener) = pipe().expect("a pipe");
    let (mut ready, arrived) = pipe().expect("a pipe");
    let pids: Vec<libc::pid_t> = processes
        .iter()
        .map(|process| fork_at(process, &gate, &opener, &arrived))
        .collect();
    for _process in processes {
        ready.read_exact(&mut [0]).expect("a child at the gate");
    }
    let begun = Instant::now();
    drop(opener);
    let each = processes.iter().map(|_| {
        let ended = wait(-1);
        let which = pids.iter().position(|pid| *pid == ended.pid);
        processes[which.expect("one of these")].check(&ended);
        ended.at - begun
    });
    let each: Vec<Duration> = each.collect();
    Race {
        total: each.iter().max().copied().unwrap_or_default(),
        each,
    }
}

fn fork_at(process: &Process, gate: &PipeReader, opener: &PipeWriter, arrived: &PipeWriter) -> libc::pid_t {
    let (gate, opener, arrived) = (gate.as_raw_fd(), opener.as_raw_fd(), arrived.as_raw_fd());
    let before = || {
        let mut byte = 0_u8;
        // SAFETY: a live byte, and descriptors that the fork has copied.
        unsafe {
            // The gate opens when its last writer closes it.
            libc::close(opener);
            libc::write(arrived, (&raw const byte).cast(), 1);
            libc::read(gate, (&raw mut byte).cast(), 1);
        }
    };
    fork(process, before)
}

/// Forks a child that calls `before` and becomes the process. `before` makes system calls and nothing else.
pub(super) fn fork(process: &Process, before: impl Fn()) -> libc::pid_t {
    let (arguments, environment) = process.lists();
    // SAFETY: this program has one thread, and the child only makes system calls until it is another program.
    unsafe {
        match libc::fork() {
            0 => {
                open(&process.stdin, libc::O_RDONLY, 0);
                open(&process.output, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, 1);
                libc::dup2(1, 2);
                before();
                libc::execve(
                    process.program.as_ptr(),
                    arguments.as_ptr().cast(),
                    environment.as_ptr().cast(),
                );
                libc::_exit(127)
            }
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            pid => pid,
        }
    }
}

/// SAFETY: between fork and exec; system calls only.
unsafe fn open(path: &CStr, flags: libc::c_int, descriptor: libc::c_int) {
    // SAFETY: the path ends with a zero byte.
    unsafe {
        let opened = libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o600);
        libc::dup2(opened, descriptor);
    }
}
