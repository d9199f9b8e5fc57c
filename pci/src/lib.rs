//! What network hardware a node has: a read-only model.
//!
//! Two sources, both the kernel's: sysfs (Documentation/ABI/testing/sysfs-bus-pci, sysfs-class-net) through an injectable
//! root, and netlink for what sysfs does not tell: links in other namespaces, addresses, routes, a PF's VFs. Nothing here
//! changes anything, knows Kubernetes or CNI, or runs asynchronously; both programs stand on it.
//!
//! - [`PciAddress`], [`MacAddr`], [`IfName`], [`DeviceId`]: text becomes a type before it becomes a path;
//! - [`Sysfs`]: reading one attribute, one link, one directory;
//! - [`Device`], [`Inventory`]: one device, all devices, and why some could not be read;
//! - [`char_devices`]: the files through which user space drives a device;
//! - [`netlink`]: the socket and its questions;
//! - [`NodeUse`]: whether the node itself lives on a device.

mod address;
mod attachable;
pub mod char_devices;
mod details;
mod device;
mod entries;
mod exhaustion;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod id;
mod identity;
mod ifname;
mod in_common;
mod interface;
mod inventory;
mod mac;
mod netdevs;
pub mod netlink;
mod node_use;
mod parallel;
mod ports;
mod read;
mod read_device;
mod read_error;
mod sysfs;

pub use address::{BadPciAddress, PciAddress};
pub use attachable::{number_of_port, pf_interface, read_attachable};
pub use device::{BaseClass, Device, Function, LinkType, Netdev, Vdpa, VdpaDriver, Vf};
pub use exhaustion::{exhaustions, is_exhaustion, noted};
pub use id::{AuxiliaryName, BadDeviceId, DeviceId, NetdevsimPort, PortName};
pub use ifname::{BadIfName, IfName};
pub use interface::{has_random_address, index_of_instance, instance};
pub use inventory::{Inventory, Skipped};
pub use mac::{BadMac, MacAddr};
pub use node_use::{NodeUse, NodeUseError, NodeUses, node_use};
pub use parallel::in_parallel;
pub use read_device::read_device;
pub use read_error::ReadError;
pub use sysfs::{Sysfs, SysfsError};
