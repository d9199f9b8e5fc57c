//! The network configuration on stdin, as sriov-cni's and host-device's users have it, checked field by field.
//!
//! Contract: CNI spec 1.1.0, section 1, and the fields of sriov-cni 2.10 and of the reference host-device. Keys in any case, `null` is absent, unknown keys are ignored. A
//! tenant writes it: size, depth and values have a bound before anything else is done with it. Two depths: DEL, GC and STATUS need only [`Base`], which no wrong optional field can spoil; ADD and CHECK read [`NetConf`].

mod bandwidth;
mod base;
mod bounds;
mod device_name;
mod document;
mod examine;
mod field;
mod kernel_path;
mod keys;
mod log_settings;
mod net_conf;
mod pod_conf;
mod typos;
mod vf_settings;
mod vlan;
mod vlan_trunk;
mod without_effect;

pub use base::{Base, is_beyond_bounds, too_large};
pub use bounds::Bounds;
pub use device_name::{DeviceName, LookupBy};
pub use examine::{Examined, examine};
pub use kernel_path::KernelPath;
pub use log_settings::{LogLevel, LogSettings};
pub use net_conf::NetConf;
pub use pod_conf::PodConf;
pub use vf_settings::VfSettings;
pub use vlan::{VlanId, VlanSettings};
pub use vlan_trunk::VlanTrunk;
