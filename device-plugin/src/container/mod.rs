//! What a container gets with its devices, and what others are told of it: device nodes, the `_INFO` variable, CDI specs and
//! device-info files.
//!
//! All of it is decided when an offer is made, and belongs to the offer: two offers are equal if containers get the same of
//! both. An Allocate reads no sysfs, unless something was missing; it only sees to it that the documents it relies on are where their readers look.
//! Contracts: sriov-network-device-plugin's Allocate (what its users' containers read), the Container Device Interface 0.5.0
//! and the device-info-spec 1.1.0 of the Network Plumbing Working Group.
//!
//! - [`host_paths`]: where to read, and what is the same for all devices;
//! - [`member`]: the device, and what its selector wants with it;
//! - [`characters`], [`node`], `info`: the files of one device, as nodes and as the sections of the variable;
//! - [`cdi`], [`device_info`]: the two documents; [`claim_spec`]: the first for a claim; [`document`]: a file with a content;
//! - [`publisher`]: documents come with an offer and go with the pool, but for those (`kept`, `spec_file`) of devices that
//!   somebody has.

pub mod cdi;
pub mod characters;
pub mod claim_spec;
pub mod device_info;
pub mod document;
pub(crate) mod go_json;
pub mod host_paths;
mod info;
mod kept;
pub mod member;
pub mod node;
pub mod publisher;
mod spec_file;

pub use cdi::CdiPool;
pub use characters::Characters;
pub use document::Document;
pub use host_paths::{HostPaths, Shared};
pub use member::Member;
pub use node::Node;
pub use publisher::{Published, Publisher};

pub(crate) use info::info;
#[cfg(any(test, fuzzing))]
pub(crate) use spec_file::in_text as devices_of_spec;

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "tree_tests.rs"]
pub(crate) mod tests_tree;
