//! `hack/bench`: what an attachment costs, as ratios of whole processes to whole processes.
//!
//! The contestants are the floor (`cni/examples/floor.rs`: the kernel's messages and nothing else), `hardwire`, and the
//! plugins that it replaces. They take turns on the same devices, started the same way ([`process`]), so that whatever the
//! machine does meanwhile happens to all of them. One file for each way of measuring: [`sequential`], [`parallel`],
//! [`storm`], [`startup`], [`manager`] for `hardwired`, and [`node`] for what needs the emulated node. [`figures`] has the bars.

pub mod contestant;
pub mod figures;
pub mod gate;
pub mod manager;
pub mod measured;
pub mod node;
pub mod parallel;
pub mod peak;
pub mod plot;
pub mod private;
pub mod process;
pub mod report;
pub mod scene;
pub mod sequential;
pub mod startup;
pub mod stats;
pub mod storm;

pub use contestant::{Contestant, Programs, Verb};
pub use measured::{Effort, Measured};
pub use scene::{Scene, Slot};
