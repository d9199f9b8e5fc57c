//! The write-out of a file's content, begun and not waited for.
//!
//! Filesystems that allocate late (ext4, xfs, btrfs) have the name of a new file on disk within seconds and its content half a
//! minute later: a power cut between the two leaves it empty. Where the write-out has begun, the content comes first, or within
//! the time that one write takes.
//! Contract: fadvise(2), and Linux' mm/fadvise.c since 2.5: `POSIX_FADV_DONTNEED` begins the write-out of each page that
//! the range touches, and drops those that are wholly in it. None is here: dropping waits for all processors.

use std::num::NonZeroU64;
use std::os::fd::AsFd;

use rustix::fs::{Advice, fadvise};

/// No page of Linux is smaller.
const PAGE: usize = 4096;

/// Begins it for the first `length` bytes. A filesystem that does not take the advice writes when it likes, as ever.
pub(crate) fn begin(file: impl AsFd, length: usize) {
    for page in (0..length).step_by(PAGE) {
        if fadvise(file.as_fd(), page as u64 + 1, NonZeroU64::new(1), Advice::DontNeed).is_err() {
            return;
        }
    }
}
