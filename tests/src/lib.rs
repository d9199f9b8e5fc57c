//! What tests that need a kernel, a kubelet or a runtime share.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

pub mod api_server;
pub mod bench;
pub mod binaries;
pub mod cdi;
pub mod daemon;
pub mod http;
pub mod kubelet;
#[cfg(target_arch = "x86_64")]
pub mod matrix;
pub mod node;
pub mod plugin;
pub mod records;
pub mod seccomp;
pub mod sysfs_tree;
#[cfg(target_arch = "x86_64")]
pub mod trace;
