//! What is known of the node beside the kernel's answers: what its operator allows, and what the daemon found out.
//!
//! So that the node's own NIC is never given away: a NAD is its author's word only, and what stands on a device in another namespace
//! cannot be seen from the device. And so that what a pool's operator decides ([`Policies`]) holds while no daemon runs.

mod allow;
mod config;
mod device_names;
mod findings;
mod interface_pattern;
mod policies;
mod runtime_lists;
mod trusted;
mod uppers;

pub use allow::{Allow, AskedSettings, Excess, VlanRange};
pub use config::{DEFAULT as CONFIG_PATH, NodeConfig, NodeConfigError, StorePlace};
pub use device_names::DeviceNames;
pub use findings::{Findings, FindingsError};
pub use interface_pattern::{BadPattern, InterfacePattern};
pub use policies::{AttachBy, Policies, PoliciesError, PoolPolicy, RequireAllocation};
pub use runtime_lists::{DEFAULT_DIRECTORY, OurEntry, configurations, is_our_entry, our_entries, read_configuration};
pub use trusted::{Untrusted, read_trusted};
pub use uppers::{SearchError, Upper, search};
