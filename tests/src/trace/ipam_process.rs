//! The process that a traced call started.

use std::os::fd::OwnedFd;

use nix::sys::ptrace;
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, pidfd_open};

use super::tracer::unless_gone;

const BOUND: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// An IPAM process; held ones are released when dropped.
#[derive(Debug)]
pub struct Helper {
    pid: Pid,
    process: Option<OwnedFd>,
    held: bool,
}

impl Helper {
    /// Of a process that is a tracee still, stopped at its exec.
    pub(super) fn hold(pid: Pid) -> Self {
        let mut helper = Self::let_go_of(pid);
        helper.held = true;
        helper
    }

    /// Of a process that goes its own way.
    pub(super) fn let_go_of(pid: Pid) -> Self {
        let number = rustix::process::Pid::from_raw(pid.as_raw());
        // One that has been waited for is gone.
        let process = number.and_then(|number| pidfd_open(number, PidfdFlags::empty()).ok());
        Self {
            pid,
            process,
            held: false,
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it waits at its first instruction.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Lets it run. Only on the thread that traced it.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.held) {
            unless_gone(ptrace::detach(self.pid, None));
        }
    }

    /// Lets it run and waits until it has ended.
    pub fn finish(&mut self) {
        self.release();
        let Some(process) = &self.process else { return };
        let mut ended = [PollFd::new(process, PollFlags::IN)];
        let count = rustix::event::poll(&mut ended, Some(&BOUND)).expect("poll");
        assert_eq!(count, 1, "the IPAM process does not end");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.release();
    }
}
