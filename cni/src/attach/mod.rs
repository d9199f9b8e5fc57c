//! The changes of an ADD, in order: what was (original), what is to be (record), the PF, the move, the pod's addresses.
//!
//! Each step leaves the record true before it changes anything, so that [`crate::release`] can undo from any point.

mod announce;
mod configure;
mod device_info;
mod host_network;
mod move_to_pod;
mod original;
mod pod_interface;

pub use announce::{ANNOUNCEMENTS, LateAnnouncement, Tried};
pub use device_info::{DeviceInfoFile, WrittenDeviceInfo, pci_section};
pub use move_to_pod::MoveToPod;
pub use pod_interface::{CarrierBound, PodInterface};
