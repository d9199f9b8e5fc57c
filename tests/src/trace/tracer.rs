//! The loop: stop, look, disturb, go on.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::point::{Entry, Kind, Surroundings};
use super::{Disturbance, Helper, Moment, Point, Traced, netlink};
use crate::plugin::{Call, Outcome};

/// A thread between the entry and the exit of a system call.
#[derive(Debug, Clone, Copy)]
struct Inside {
    entry: Entry,
    point: Option<usize>,
    /// What the call returns instead of being executed.
    fails_with: Option<i32>,
}

/// The plugin while it is traced.
#[derive(Debug)]
pub(super) struct Tracer {
    disturbance: Disturbance,
    hold: bool,
    /// Files, not pipes: the IPAM process may have them open still when the plugin has ended.
    stdout: File,
    stderr: File,
    leader: Pid,
    threads: HashMap<Pid, Option<Inside>>,
    around: Surroundings,
    points: Vec<Point>,
    /// A new process that has not come to its exec.
    unborn: Option<Pid>,
    helper: Option<Helper>,
    helper_runs: bool,
    /// Socket on which the answer to a refused request is to be changed.
    refused_on: Option<(u64, i32)>,
    disturbed: bool,
    ended: Option<i32>,
}

impl Tracer {
    /// Starts the call, stopped at its first instruction.
    pub(super) fn start(call: &Call, disturbance: Disturbance, hold: bool) -> Self {
        let file = || tempfile::tempfile().expect("a file");
        let (stdout, stderr) = (file(), file());
        let mut process = call.process();
        process
            .stdin(Stdio::piped())
            .stdout(stdout.try_clone().expect("a descriptor"))
            .stderr(stderr.try_clone().expect("a descriptor"));
        #[allow(
            unsafe_code,
            reason = "a process must ask to be traced itself, or its first calls are missed"
        )]
        // SAFETY: ptrace(2) is a plain system call: it takes no lock and allocates nothing.
        unsafe {
            process.pre_exec(|| ptrace::traceme().map_err(Into::into));
        }
        #[allow(clippy::zombie_processes, reason = "waited for with its threads, until its end")]
        let mut child = process.spawn().expect("the plugin");
        let leader = Pid::from_raw(child.id().cast_signed());
        let first = waitpid(leader, Some(WaitPidFlag::__WALL)).expect("its first stop");
        assert_eq!(
            first,
            WaitStatus::Stopped(leader, Signal::SIGTRAP),
            "stopped at its exec"
        );
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(leader, options).expect("options");
        // Within what a pipe holds.
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(call.input()).expect("stdin");
        drop(stdin);
        let state = call.variable("HARDWIRE_STATE_DIR");
        let base = state.rsplit_once('/').map_or("", |(base, _)| base).to_owned();
        Self {
            disturbance,
            hold,
            stdout,
            stderr,
            leader,
            threads: HashMap::from([(leader, None)]),
            around: Surroundings {
                state,
                base,
                ..Surroundings::default()
            },
            points: Vec::new(),
            unborn: None,
            helper: None,
            helper_runs: false,
            refused_on: None,
            disturbed: false,
            ended: None,
        }
    }

    /// Runs it to its end.
    pub(super) fn run(mut self) -> Traced {
        go_on(self.leader, None);
        while self.ended.is_none() || self.unborn.is_some() {
            // Only our own: other tests have children of their own on other threads.
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let status = waitpid(None, Some(flags)).expect("a tracee");
            self.stopped(status);
        }
        Traced {
            points: self.points,
            disturbed: self.disturbed,
            outcome: Outcome {
                status: self.ended.unwrap_or(-1),
                stdout: text(self.stdout),
                stderr: text(self.stderr),
            },
            helper: self.helper,
        }
    }

    fn stopped(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::Exited(pid, code) => self.gone(pid, code),
            WaitStatus::Signaled(pid, ..) => self.gone(pid, -1),
            WaitStatus::PtraceSyscall(pid) => {
                self.at_syscall(pid);
                go_on(pid, None);
            }
            WaitStatus::PtraceEvent(pid, _, event) if self.unborn == Some(pid) => self.helper_event(pid, event),
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.new_task(pid, event);
                go_on(pid, None);
            }
            WaitStatus::Stopped(pid, signal) if self.threads.contains_key(&pid) => {
                // A new thread begins with a stop that is no signal of its own.
                go_on(pid, Some(signal).filter(|signal| *signal != Signal::SIGSTOP));
            }
            WaitStatus::Stopped(pid, _) => self.first_stop(pid),
            other => panic!("unexpected: {other:?}"),
        }
    }

    fn gone(&mut self, pid: Pid, status: i32) {
        self.threads.remove(&pid);
        if pid == self.leader {
            self.ended = Some(status);
        }
        if self.unborn == Some(pid) {
            self.unborn = None;
        }
    }

    /// A task that came to life before its parent's event was seen, or a new process that goes on to its exec.
    fn first_stop(&mut self, pid: Pid) {
        if is_thread_of(pid, self.leader) {
            self.threads.insert(pid, None);
            go_on(pid, None);
        } else {
            self.unborn = Some(pid);
            unless_gone(ptrace::cont(pid, None));
        }
    }

    fn new_task(&mut self, parent: Pid, event: i32) {
        let task = Pid::from_raw(i32::try_from(ptrace::getevent(parent).unwrap_or_default()).unwrap_or_default());
        if event == Event::PTRACE_EVENT_CLONE as i32 {
            self.threads.entry(task).or_insert(None);
        } else if event != Event::PTRACE_EVENT_EXEC as i32 {
            // It may have been faster than its parent's event.
            if self.helper.as_ref().is_none_or(|helper| helper.pid() != task) {
                self.unborn = Some(task);
            }
            self.helper_runs = true;
            if let Some(inside) = self.threads.get(&parent).copied().flatten() {
                self.kill_at(inside.point, Moment::During);
            }
        }
    }

    /// The new process is at its exec: from here on it is the IPAM plugin.
    fn helper_event(&mut self, pid: Pid, event: i32) {
        if event != Event::PTRACE_EVENT_EXEC as i32 {
            unless_gone(ptrace::cont(pid, None));
            return;
        }
        self.unborn = None;
        if self.hold {
            self.helper = Some(Helper::hold(pid));
        } else {
            self.helper = Some(Helper::let_go_of(pid));
            unless_gone(ptrace::detach(pid, None));
        }
    }

    fn at_syscall(&mut self, pid: Pid) {
        // A thread that was killed is on its way out.
        let Ok(registers) = ptrace::getregs(pid) else { return };
        let thread = self.threads.entry(pid).or_insert(None);
        if let Some(inside) = thread.take() {
            self.at_exit(pid, inside, registers);
            return;
        }
        let entry = Entry {
            pid,
            number: registers.orig_rax.cast_signed(),
            args: [
                registers.rdi,
                registers.rsi,
                registers.rdx,
                registers.r10,
                registers.r8,
                registers.r9,
            ],
        };
        let point = entry.point(&self.around, self.helper_runs);
        let index = point.is_some().then_some(self.points.len());
        let fails_with = point.as_ref().and_then(|point| self.disturb(&entry, point, index));
        self.points.extend(point);
        self.kill_at(index, Moment::Before);
        if fails_with.is_some() {
            let mut skipped = registers;
            skipped.orig_rax = u64::MAX;
            unless_gone(ptrace::setregs(pid, skipped));
        }
        self.threads.insert(
            pid,
            Some(Inside {
                entry,
                point: index,
                fails_with,
            }),
        );
    }

    /// What the disturbance does to a call that begins: the error that it gets instead of being executed.
    fn disturb(&mut self, entry: &Entry, point: &Point, index: Option<usize>) -> Option<i32> {
        match self.disturbance {
            Disturbance::Refuse { at, errno } if index == Some(at) => {
                netlink::spoil(entry.pid, entry.message().0);
                self.refused_on = Some((entry.args[0], errno));
                None
            }
            Disturbance::Fail { at, errno, lasting } if point.kind == Kind::State => {
                let hit = index == Some(at) || lasting && index > Some(at) && entry.number != libc::SYS_flock;
                self.disturbed |= hit;
                hit.then_some(errno)
            }
            _ => None,
        }
    }

    fn at_exit(&mut self, pid: Pid, inside: Inside, mut registers: libc::user_regs_struct) {
        let Inside { entry, .. } = inside;
        if let Some(errno) = inside.fails_with {
            registers.rax = i64::from(-errno).cast_unsigned();
            unless_gone(ptrace::setregs(pid, registers));
        }
        let result = registers.rax.cast_signed();
        match entry.number {
            libc::SYS_socket if result >= 0 => {
                self.around.sockets.insert(result.cast_unsigned(), entry.args[0]);
            }
            libc::SYS_wait4 | libc::SYS_waitid if result >= 0 => self.helper_runs = false,
            libc::SYS_recvfrom => {
                if let Some((socket, errno)) = self.refused_on
                    && socket == entry.args[0]
                    && result > 0
                    && let Ok(length) = usize::try_from(entry.args[2].min(registers.rax))
                    && netlink::put_error(pid, entry.args[1], length, errno)
                {
                    self.refused_on = None;
                    self.disturbed = true;
                }
            }
            _ => {}
        }
        self.kill_at(inside.point, Moment::After);
    }

    fn kill_at(&self, point: Option<usize>, now: Moment) {
        if let Disturbance::Kill { at, moment } = self.disturbance
            && point == Some(at)
            && moment == now
        {
            kill(self.leader, Signal::SIGKILL).expect("the plugin");
        }
    }
}

/// Resumes a thread until its next stop.
fn go_on(pid: Pid, signal: Option<Signal>) {
    unless_gone(ptrace::syscall(pid, signal));
}

/// Of a request to a tracee that may have been killed meanwhile.
pub(super) fn unless_gone(done: nix::Result<()>) {
    assert!(matches!(done, Ok(()) | Err(Errno::ESRCH)), "ptrace: {done:?}");
}

fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("its beginning");
    file.read_to_end(&mut bytes).expect("what was written");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_thread_of(pid: Pid, leader: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    group.is_some_and(|group| group.trim() == leader.to_string())
}
