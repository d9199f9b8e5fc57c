//! What is known of the node beside the kernel's answers: what its operator allows, and what the daemon found out.
//!
//! So that the node's own NIC is never given away: a NAD is its author's word only, and what stands on a device in another namespace
//! cannot be seen from the device.

mod config;
mod findings;
mod uppers;

pub use config::{DEFAULT as CONFIG_PATH, NodeConfig, NodeConfigError, StorePlace};
pub use findings::{Findings, FindingsError};
pub use uppers::{SearchError, Upper, search};
