//! Pods that sriov-cni and host-device attached: their DEL comes to hardwire, with what those plugins left on disk and link.
//!
//! What they left is partly text that a pod can write, and partly files that nobody has removed: only what the host side
//! recorded of this very container, or what the kernel says of the hardware, moves anything.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod host_device;
mod sriov_cni;
