//! A seccomp filter that denies one system call, as a node's profile may.
#![allow(
    unsafe_code,
    reason = "a filter is installed between fork(2) and execve(2), for which there is no safe wrapper"
)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_RET | BPF_K` (`linux/bpf_common.h`).
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Makes `command` run without the right to call setns(2): it says EPERM.
///
/// # Panics
/// Never.
pub fn deny_setns(command: &mut Command) -> &mut Command {
    let install = || {
        let number = u32::try_from(libc::SYS_setns).unwrap_or_default();
        let statement = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let mut filter = [
            // `nr` of struct seccomp_data.
            statement(LOAD, 0, 0, 0),
            statement(EQUAL, 0, 1, number),
            statement(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs()),
            statement(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog {
            len: 4,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: prctl(2) reads the program, which lives until it returns; both calls are async-signal-safe.
        let failed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
        };
        if failed {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    };
    // SAFETY: what runs there is the closure above, which allocates nothing and takes no lock.
    unsafe { command.pre_exec(install) }
}
