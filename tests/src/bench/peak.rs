//! The most memory that a program had resident: `VmHWM`, read when it is about to end.
//!
//! `ru_maxrss` would not do: it keeps what the starting process had before exec, and the greatest of the children. Under
//! ptrace a process stops at its end with its memory still there.

use std::fs;

use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::gate::fork;
use super::process::Process;

/// Runs a process to its successful end and returns its `VmHWM` in KiB, its children's not counted.
pub fn vm_hwm_kib(process: &Process) -> u64 {
    let pid = Pid::from_raw(fork(process, || {
        // A child that is not traced runs to its end, which the first wait finds.
        let _untraced = ptrace::traceme();
    }));
    let wait = || waitpid(pid, None).expect("a child");
    assert!(
        matches!(wait(), WaitStatus::Stopped(..)),
        "no stop at the exec of {process:?}"
    );
    let options = ptrace::Options::PTRACE_O_TRACEEXIT | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(pid, options).expect("a traced process");
    let mut peak = 0;
    let mut signal = None;
    loop {
        ptrace::cont(pid, signal).expect("a traced process");
        signal = None;
        match wait() {
            WaitStatus::PtraceEvent(..) => peak = vm_hwm(pid),
            // On its way to the process, as the end of a child is: handed on.
            WaitStatus::Stopped(_, arriving) => signal = Some(arriving),
            WaitStatus::Exited(_, 0) => return peak,
            other => panic!("{process:?}: {other:?}:\n{}", process.output()),
        }
    }
}

fn vm_hwm(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the status of a stopped process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.expect("VmHWM")
}
