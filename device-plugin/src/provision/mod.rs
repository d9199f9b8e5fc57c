//! VFs made as configured, and never under a pod: what is (`now`), what is wanted (the configuration's `pfs`), what is to be done
//! about the difference (`plan`, a function without I/O), and doing it (`carry_out`).
//!
//! The kernel protects nobody here: a write of `sriov_numvfs` takes interfaces out of pods, or blocks until a user of VFIO lets
//! go. So each step names the VFs that it needs free, and a PF is not touched while a witness names a holder of one of them or
//! cannot be heard. What is set is on record before it is, with what was before, and only that is ever undone.
//!
//! Contract: Documentation/ABI/testing/sysfs-bus-pci (`sriov_*`, `driver_override`, `drivers_probe`, `sriov_vf_msix_count`),
//! drivers/pci/iov.c for what a write of `sriov_numvfs` does (from 0 only, and perhaps fewer than asked), devlink for the mode of
//! the switch, rtnetlink for the attributes of VFs.
//!
//! - [`traits`]: what is particular to each driver, as data;
//! - [`now`]: a PF and its VFs as they are; [`look`]: reading that; [`holders`]: who has which VF; [`owners`]: who else makes VFs;
//! - [`wanted`]: which entry is a PF's; [`record`]: what we set;
//! - [`plan`]: the steps; [`step`]: one of them;
//! - [`machine`]: the writes; [`carry_out`]: the steps of one PF, in order; [`side_by_side`]: those of all, each within a bound;
//! - [`node`]: all PFs of this node at once;
//! - [`report`]: how all that is told; [`import`]: what sriov-network-operator wants of a node.

pub mod carry_out;
#[cfg(test)]
mod fixture;
pub mod holders;
pub mod import;
pub mod look;
pub mod machine;
pub mod node;
pub mod now;
pub mod owners;
pub mod plan;
pub mod record;
pub mod report;
pub mod side_by_side;
pub mod step;
pub mod traits;
pub mod wanted;
