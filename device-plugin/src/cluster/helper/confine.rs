//! What the helper gives up before it speaks to anybody: it reads what an API server sends, and was started by a daemon that
//! may do everything with this machine's network.

use std::io;

use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
};

/// The first descriptor that is not stdin, stdout or stderr.
const FIRST: libc::c_uint = 3;

/// Why it could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The kernel does not take a step.
    #[error("{step}: {source}")]
    Step {
        /// Which.
        step: &'static str,
        /// What it says.
        source: io::Error,
    },
    /// The kernel took it, and did not do it.
    #[error("capabilities are left: {0:?}")]
    Left(CapabilitySets),
}

/// Gives up all capabilities, now and for every program that is started from here, and every descriptor but the three. Ends with
/// the thread that started it. To be done while there is one thread only.
pub fn confine() -> Result<(), ConfineError> {
    let step = |step: &'static str, done: Result<(), Errno>| {
        done.map_err(|errno| ConfineError::Step {
            step,
            source: errno.into(),
        })
    };
    // The end of stdin tells it as well; this is for a helper that looks at nothing.
    step("PR_SET_PDEATHSIG", set_parent_process_death_signal(Some(Signal::KILL)))?;
    step("PR_SET_NO_NEW_PRIVS", set_no_new_privs(true))?;
    step("PR_CAP_AMBIENT", clear_ambient_capability_set())?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    step("capset", set_capabilities(None, none))?;
    close_others().map_err(|source| ConfineError::Step {
        step: "close_range",
        source,
    })?;
    match capabilities(None) {
        Ok(left) if left == none => Ok(()),
        Ok(left) => Err(ConfineError::Left(left)),
        Err(errno) => step("capget", Err(errno)),
    }
}

/// `close_range(2)`, Linux 5.9 and later.
#[allow(unsafe_code, reason = "there is no safe call for it")]
fn close_others() -> io::Result<()> {
    // SAFETY: nothing of this process has opened a descriptor yet; those that it was started with have no owner here.
    let done = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0 as libc::c_uint) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
