//! A node within the machine, for tests that run on one they must not disturb.
//!
//! A network namespace of its own shows none of the machine's links, and a mount namespace of its own none of what the
//! test puts into `/run` and `/sys`. Both belong to one thread and the processes it starts, and end with them.

use std::panic::resume_unwind;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Runs `body` on a thread, in namespaces of its own.
pub fn isolated<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        enter();
        body()
    };
    match thread::scope(|scope| scope.spawn(inside).join()) {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    }
}

fn enter() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces: this test needs root");
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).expect("a private mount tree");
    // sysfs shows the links of the namespace in which it was mounted.
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), nothing).expect("a sysfs");
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).expect("a /run");
}
