//! What tests that need a kernel, a kubelet or a runtime share.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

pub mod binaries;
pub mod daemon;
pub mod kubelet;
pub mod node;
pub mod plugin;
pub mod sysfs_tree;
