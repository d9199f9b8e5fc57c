//! Starting a process and waiting for its end, with as little between the clock and the kernel as can be.
//!
//! `posix_spawn` and `wait4`, everything they need prepared before the clock runs: `std::process` builds argument and
//! environment lists and pipes within each start. Every contestant is started by this code, with its stdin from a file and
//! its stdout and stderr into one.
#![allow(unsafe_code, reason = "posix_spawn and wait4 have no safe wrapper")]

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

/// A process that is ready to be started, any number of times.
#[derive(Debug)]
pub struct Process {
    pub(super) program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    pub(super) stdin: CString,
    pub(super) output: CString,
    output_path: PathBuf,
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Which.
    pub pid: libc::pid_t,
    /// When it was reaped.
    pub at: Instant,
    /// Whether its exit status was 0.
    pub succeeded: bool,
}

fn c_string(text: impl AsRef<OsStr>) -> CString {
    CString::new(text.as_ref().as_bytes()).expect("no zero byte")
}

/// As `execve` takes it: pointers, and a null one at the end.
pub(super) fn pointers(strings: &[CString]) -> Vec<*mut libc::c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr().cast_mut());
    pointers.chain([null_mut()]).collect()
}

impl Process {
    /// `program` with these arguments and variables and no others; `stdin` is written to `FILES.in`, the process writes to
    /// `FILES.out`.
    pub fn new(
        program: &Path,
        arguments: &[String],
        environment: &[(&str, String)],
        stdin: &[u8],
        files: &Path,
    ) -> Self {
        let (stdin_path, output_path) = (files.with_extension("in"), files.with_extension("out"));
        fs::write(&stdin_path, stdin).expect("a file for stdin");
        let name = [c_string(program)];
        let variables = environment
            .iter()
            .map(|(name, value)| c_string(format!("{name}={value}")));
        Self {
            program: c_string(program),
            arguments: name.into_iter().chain(arguments.iter().map(c_string)).collect(),
            environment: variables.collect(),
            stdin: c_string(&stdin_path),
            output: c_string(&output_path),
            output_path,
        }
    }

    /// Argument and environment lists. They point into this process's own strings.
    pub(super) fn lists(&self) -> (Vec<*mut libc::c_char>, Vec<*mut libc::c_char>) {
        (pointers(&self.arguments), pointers(&self.environment))
    }

    /// Runs it to success and returns how long it took, from before the start to after the wait.
    #[track_caller]
    pub fn time(&self) -> Duration {
        let timed = self.try_time();
        timed.unwrap_or_else(|| panic!("{:?} failed:\n{}", self.arguments, self.output()))
    }

    /// The same; `None` where it fails.
    pub fn try_time(&self) -> Option<Duration> {
        let (arguments, environment) = self.lists();
        let actions = Actions::new(self);
        let begun = Instant::now();
        let pid = spawn(&self.program, &actions, &arguments, &environment);
        let ended = wait(pid);
        ended.succeeded.then(|| ended.at - begun)
    }

    /// Starts it.
    pub fn start(&self) -> libc::pid_t {
        let (arguments, environment) = self.lists();
        spawn(&self.program, &Actions::new(self), &arguments, &environment)
    }

    /// What the last run wrote.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.output_path).unwrap_or_default()
    }

    /// Ends the bench where the process failed: figures of failures are none.
    #[track_caller]
    pub fn check(&self, ended: &Ended) {
        assert!(ended.succeeded, "{:?} failed:\n{}", self.arguments, self.output());
    }
}

/// What the child opens: 0 for reading, 1 and 2 for writing.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new(process: &Process) -> Self {
        let write = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC;
        let mut actions = std::mem::MaybeUninit::uninit();
        // SAFETY: initialised by the first call; the paths are copied.
        let actions = unsafe {
            libc::posix_spawn_file_actions_init(actions.as_mut_ptr());
            let mut actions = actions.assume_init();
            libc::posix_spawn_file_actions_addopen(&raw mut actions, 0, process.stdin.as_ptr(), libc::O_RDONLY, 0);
            libc::posix_spawn_file_actions_addopen(&raw mut actions, 1, process.output.as_ptr(), write, 0o600);
            libc::posix_spawn_file_actions_adddup2(&raw mut actions, 1, 2);
            actions
        };
        Self(actions)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new` and not used after.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

fn spawn(
    program: &CString,
    actions: &Actions,
    arguments: &[*mut libc::c_char],
    environment: &[*mut libc::c_char],
) -> libc::pid_t {
    let mut pid = 0;
    // SAFETY: all strings outlive the call, and both lists end with a null pointer.
    let status = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            null(),
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    };
    assert_eq!(
        status,
        0,
        "starting {program:?}: {}",
        std::io::Error::from_raw_os_error(status)
    );
    pid
}

/// Waits for the end of a process; -1 is any.
pub fn wait(pid: libc::pid_t) -> Ended {
    let mut status = 0;
    // SAFETY: the status is written to a live integer; no usage is asked for.
    let pid = unsafe { libc::wait4(pid, &raw mut status, 0, null_mut()) };
    let at = Instant::now();
    assert!(pid > 0, "waiting: {}", std::io::Error::last_os_error());
    Ended {
        pid,
        at,
        succeeded: libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
    }
}
