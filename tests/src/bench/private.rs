//! A place of its own for the bench: network, mounts and processes, so that the machine's own links are never touched and
//! nothing is left behind however it ends. The kernel takes all of it away with its first process.

use std::ffi::OsString;
use std::process::{Command, ExitStatus};

use crate::node::run;

/// The variable that tells the inner program where it is.
const INSIDE: &str = "HARDWIRE_BENCH_INSIDE";

/// Whether this process is in its own place, or in the emulated node, which is thrown away.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some() || std::env::var_os("HARDWIRE_VM").is_some()
}

/// Runs this program with its own arguments inside. The end of this process, by whatever signal, is the end of that one.
pub fn enter(arguments: impl Iterator<Item = OsString>) -> std::io::Result<ExitStatus> {
    let bound = ["--pdeathsig", "KILL", "--", "unshare"];
    let apart = [
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--",
    ];
    Command::new("setpriv")
        .args(bound)
        .args(apart)
        .arg(std::env::current_exe()?)
        .args(arguments)
        .env(INSIDE, "1")
        .status()
}

/// Lays the place out: a sysfs of this network, and a tmpfs for state and programs as on a node.
pub fn lay_out() {
    if std::env::var_os(INSIDE).is_some() {
        run(&["mount", "-t", "sysfs", "sysfs", "/sys"]);
        run(&["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]);
        run(&["ip", "link", "set", "lo", "up"]);
    }
}
