//! Plugins that run: each in a process group of its own, so that its end takes along what it has started.
//!
//! A program that ends ends them too ([`end_all`]): nobody would read their answer. Contract: setpgid(2), kill(2) of a
//! group, `pidfd_open(2)` (Linux 5.3). A group is signalled only while its first process is not reaped, for only so long
//! its number belongs to nobody else.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// A killed process ends at once, unless the kernel itself holds it (a file server that does not answer).
const KILL_BOUND: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

static GROUPS: Mutex<Groups> = Mutex::new(Groups {
    is_closed: false,
    running: Vec::new(),
});

struct Groups {
    /// No other plugin is to begin.
    is_closed: bool,
    running: Vec<Pid>,
}

/// A plugin that was started. Dropped before its end it is killed.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    group: Pid,
    /// Becomes readable with its end; none where the kernel has no such descriptors.
    end: Option<OwnedFd>,
    is_reaped: bool,
}

/// Kills every plugin that runs, with what it has started, and lets no other begin: for a program that ends.
pub fn end_all() {
    let mut groups = groups();
    groups.is_closed = true;
    for group in &groups.running {
        kill(*group);
    }
}

/// Whether [`end_all`] was called: a plugin that failed was not let do its work.
pub fn all_are_ended() -> bool {
    groups().is_closed
}

// === impl Running ===

impl Running {
    /// Starts a plugin.
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        // Held until it is listed: one that begins while all are ended is ended too.
        let mut groups = groups();
        if groups.is_closed {
            return Err(io::Error::other("this program ends: no plugin is started any more"));
        }
        let child = command.process_group(0).spawn()?;
        let group = Pid::from_child(&child);
        groups.running.push(group);
        Ok(Self {
            child,
            group,
            end: pidfd_open(group, PidfdFlags::empty()).ok(),
            is_reaped: false,
        })
    }

    /// Its pipes; each once.
    pub(super) fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        let child = &mut self.child;
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    }

    /// What becomes readable with its end; none where only the end of its pipes tells.
    pub(super) fn end(&self) -> Option<&OwnedFd> {
        self.end.as_ref()
    }

    /// Whether it has ended, what it has started apart.
    pub(super) fn has_ended(&self) -> bool {
        self.ends_within(Timespec { tv_sec: 0, tv_nsec: 0 }).unwrap_or(false)
    }

    /// Waits for its end.
    pub(super) fn wait(mut self) -> io::Result<ExitStatus> {
        if let Some(end) = &self.end {
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut [PollFd::new(end, PollFlags::IN)], None))?;
        }
        self.reap()
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.is_reaped = true;
        groups().running.retain(|group| *group != self.group);
        self.child.wait()
    }

    /// Whether it ends in that time; `None` where that cannot be told.
    fn ends_within(&self, bound: Timespec) -> Option<bool> {
        let mut ended = [PollFd::new(self.end.as_ref()?, PollFlags::IN)];
        let ready = rustix::io::retry_on_intr(|| rustix::event::poll(&mut ended, Some(&bound)));
        ready.ok().map(|count| count > 0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        kill(self.group);
        if self.ends_within(KILL_BOUND) == Some(false) {
            tracing::warn!("process {}: killed, and it does not end", self.group);
            groups().running.retain(|group| *group != self.group);
            return;
        }
        // How it ended is known: we did it.
        drop(self.reap());
    }
}

fn kill(group: Pid) {
    // One that has ended meanwhile needs no signal.
    let _ = kill_process_group(group, Signal::KILL);
}

fn groups() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
