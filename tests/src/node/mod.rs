//! The node that tests act on: its links, its namespaces, its emulated hardware.
//!
//! What is seen is read with iproute2, not with hardwire's own netlink code, so that a mistake there cannot hide itself.
//! Everything made here is unmade when it is dropped.

mod bpf;
mod igb;
mod isolated;
mod links;
mod netdevsim;
mod pod;
mod shell;
mod veth;
mod vfio;

pub use bpf::{Hook, Program, programs_on};
pub use igb::Igb;
pub use isolated::isolated;
pub use links::{Address, host_link, host_links, link_in, vf, vfs};
pub use netdevsim::Netdevsim;
pub use pod::Pod;
pub use shell::{run, succeeds, wait_until};
pub use veth::Veth;
pub use vfio::VfioBound;

/// Fails outside the emulated node: for tests that would disturb a real one.
#[track_caller]
pub fn assert_emulated() {
    assert!(
        std::path::Path::new("/sys/bus/netdevsim").exists(),
        "only in the emulated node: run hack/test or hack/vm"
    );
}
