//! The queue for the move: who comes first, moves first.
//!
//! The kernel moves one device at a time, under RTNL, and a move waits for RCU meanwhile. Of many calls at once each asks
//! and tells the kernel several things besides, every one behind all the moves that wait: without an order they all finish
//! together at the end. In this queue one is moving, and the others wait in front of it; half are done in half the time.
//!
//! It is an order and no lock: what goes wrong in it is logged and the call goes on without. A ticket is a file that its
//! holder locks (flock(2), released by the kernel when the holder dies), and each waits for the ticket before its own, so
//! that the end of a turn wakes one process and not all (a CLH lock, made of files).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::journal::lock_within;

/// As long as a PF's firmware takes for a reset, and no longer: who is in front may have been stopped by hand.
const BOUND: Duration = Duration::from_secs(10);
/// Tickets are short; a longer name is none.
const NAME_MAX: u64 = 64;

/// The lock, held until it is dropped; who waited longest is next.
#[derive(Debug)]
pub struct FairLock {
    ticket: Option<Ticket>,
}

#[derive(Debug)]
struct Ticket {
    path: PathBuf,
    /// Held locked.
    _file: File,
}

impl FairLock {
    /// Waits until all who came before are done; `state` is the state directory.
    pub fn acquire(state: &Path) -> Self {
        let ticket = Ticket::draw(&state.join("queue"));
        let ticket = ticket.map_err(|error| tracing::debug!("moving out of turn: {error}"));
        Self { ticket: ticket.ok() }
    }
}

impl Drop for FairLock {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            // Who comes next removes it where this fails.
            drop(fs::remove_file(&ticket.path));
        }
    }
}

impl Ticket {
    /// Takes a place behind the last one, and waits for that.
    fn draw(directory: &Path) -> io::Result<Self> {
        let (ticket, before) = {
            let mut tail = open_tail(directory)?;
            tail = lock_within(tail, BOUND)?;
            let mut before = String::new();
            (&tail).take(NAME_MAX).read_to_string(&mut before)?;
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let name = format!("{}-{}", std::process::id(), since.as_nanos());
            // Written down first: a ticket that nobody knows of would never be cleared away.
            tail.rewind()?;
            tail.write_all(name.as_bytes())?;
            tail.set_len(u64::try_from(name.len()).unwrap_or_default())?;
            let path = directory.join(&name);
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(&path)?;
            file.lock()?;
            (Self { path, _file: file }, before)
        };
        // Only what was drawn here names a ticket: digits.
        if before.bytes().all(|b| b.is_ascii_digit() || b == b'-') && !before.is_empty() {
            wait_for(&directory.join(before));
        }
        Ok(ticket)
    }
}

fn open_tail(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    match options.open(directory.join("tail")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            options.open(directory.join("tail"))
        }
        tail => tail,
    }
}

/// Waits for the end of another's turn, which may be over, and clears away what one that was killed left.
fn wait_for(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    match lock_within(file, BOUND) {
        Ok(_ended) => drop(fs::remove_file(path)),
        Err(error) => tracing::debug!("not waiting any longer for {}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::*;

    fn tickets(state: &Path) -> usize {
        fs::read_dir(state.join("queue")).unwrap().count() - 1
    }

    #[test]
    fn turns_are_taken_one_at_a_time_and_leave_nothing() {
        let state = tempfile::tempdir().unwrap();
        let moving = Mutex::new(());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let turn = FairLock::acquire(state.path());
                        assert!(turn.ticket.is_some());
                        assert!(moving.try_lock().is_ok(), "two at once");
                        drop(turn);
                    }
                });
            }
        });
        assert_eq!(tickets(state.path()), 0);
    }

    #[test]
    fn who_comes_first_moves_first() {
        let state = tempfile::tempdir().unwrap();
        let order = Mutex::new(Vec::new());
        let first = FairLock::acquire(state.path());
        thread::scope(|scope| {
            for n in 0..5 {
                let waiting = tickets(state.path());
                scope.spawn({
                    let (state, order) = (state.path(), &order);
                    move || {
                        let _turn = FairLock::acquire(state);
                        order.lock().unwrap().push(n);
                    }
                });
                while tickets(state.path()) == waiting {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_ticket_whose_holder_died_holds_up_nobody() {
        let state = tempfile::tempdir().unwrap();
        drop(FairLock::acquire(state.path()));
        let queue = state.path().join("queue");
        fs::write(queue.join("1-1"), "").unwrap();
        fs::write(queue.join("tail"), "1-1").unwrap();
        let turn = FairLock::acquire(state.path());
        assert!(turn.ticket.is_some() && !queue.join("1-1").exists());
    }

    #[test]
    fn without_a_queue_a_call_goes_on() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("queue"), "in the way").unwrap();
        assert!(FairLock::acquire(state.path()).ticket.is_none());
        fs::remove_file(state.path().join("queue")).unwrap();
        drop(FairLock::acquire(state.path()));
        fs::write(state.path().join("queue/tail"), "../../etc/passwd").unwrap();
        assert!(FairLock::acquire(state.path()).ticket.is_some());
    }
}
