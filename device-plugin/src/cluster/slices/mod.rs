//! `ResourceSlices`: which devices of this node claims may have, for the scheduler.
//!
//! Contract: resource.k8s.io/v1. A node has one pool, called as the node; its devices are in slices, of which consumers use those
//! with the highest generation, and only when as many of them are there as each says. What a slice says of a device is what that
//! is like when it is free: an attachment writes nothing. The kubelet deletes all slices of a driver when it starts, and 30 s
//! after it has lost the driver; we never do, since pods go on without us.
//!
//! - `attributes`: what is said of a device, and [`layout`]: which slice it is in;
//! - [`plan`]: what is to be written, so that what is there is what should be;
//! - [`publishing`]: when.

mod attributes;
pub mod layout;
pub mod plan;
pub mod publishing;

pub use super::object::DIGEST;

/// Where a slice says of which generation of the pool it is, which lists of metadata do not tell.
pub const POOL_GENERATION: &str = "hardwire.dev/pool-generation";
