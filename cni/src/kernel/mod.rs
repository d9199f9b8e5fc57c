//! Changing links, VFs, addresses, routes and sysctls: one file per verb.
//!
//! The messages are netlink-packet-route's, sent through `hardwire-pci`'s socket; its types stay private to this room,
//! since the crate breaks them every few months. Contract: rtnetlink(7); `do_setlink`, `do_setvfinfo` in
//! net/core/rtnetlink.c for the order in which one message's parts are applied.

mod address;
mod altname;
mod bpf;
mod devlink;
pub mod ethtool;
mod link;
mod route;
mod sysctl;
mod vf;

pub use address::{AddressFlag, add_address, new_address};
pub use altname::{add_altname, delete_altname, is_taken};
pub use bpf::{Direction, TcxProgram, detach_link, detach_tcx, tcx_programs, xdp_link};
pub use devlink::set_eswitch_mode;
pub use link::{LinkChange, change_link, delete_group, delete_link, set_link};
pub use route::new_route;
pub use sysctl::{Sysctl, SysctlError};
pub use vf::{VfAttribute, set_vf};
