//! `SO_NETNS_COOKIE`, which neither std nor rustix reads.
#![allow(unsafe_code, reason = "getsockopt with an option that no safe wrapper knows")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// The cookie of the namespace that a socket was opened in; `None` on kernels before 5.14.
pub(super) fn of(socket: BorrowedFd<'_>) -> Option<u64> {
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).ok()?;
    // SAFETY: the descriptor is open for the call, and the kernel writes at most `length` bytes into a u64.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (status == 0 && cookie != 0).then_some(cookie)
}
