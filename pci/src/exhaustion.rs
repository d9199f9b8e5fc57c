//! Whether descriptors or memory ran out while something was read: what could not be opened then is not gone.
//!
//! open(2) and socket(2) fail with `EMFILE`, `ENFILE` or `ENOMEM` for reasons that have nothing to do with what they are about,
//! and so does most of what was being read meanwhile. A whole look at the node is then worth nothing, and no event tells when
//! the next one is.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

static TIMES: AtomicU64 = AtomicU64::new(0);

/// How many times anything here was not opened for want of descriptors or memory, in this process: it is compared with what
/// it was before.
pub fn exhaustions() -> u64 {
    TIMES.load(Ordering::Relaxed)
}

/// Whether an error says that descriptors or memory ran out.
pub fn is_exhaustion(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM]
        .iter()
        .any(|of| errno == Some(of.raw_os_error()))
}

/// Takes note of what kept something from being opened.
pub fn noted(error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    if is_exhaustion(&error) {
        TIMES.fetch_add(1, Ordering::Relaxed);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_run_out_counts() {
        assert!(is_exhaustion(&noted(Errno::MFILE)) && is_exhaustion(&noted(Errno::NFILE)));
        assert!(!is_exhaustion(&noted(Errno::NOENT)) && !is_exhaustion(&io::Error::other("ran out")));
        assert!(exhaustions() >= 2);
    }
}
