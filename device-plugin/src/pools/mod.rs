//! Which devices are there, and which pool each belongs to, or why it belongs to none.
//!
//! [`Hardware`] is what was read, once, and [`Profiles`] what is asked of a tool beside it; [`assign`] is a pure function of it and of the configuration, so that both commands,
//! and later every change of either, give the same answer. [`offer`] is what a pool shows to the kubelet.

mod assign;
pub mod ddp;
mod details;
mod given;
mod hardware;
mod late;
pub mod offer;
mod profiles;
mod reason;
mod uppers;

pub use assign::{Assignment, Contest, Override, PoolMatch, assign};
pub use given::Given;
pub use hardware::{Hardware, HostUse, Stale};
pub use late::Late;
pub use profiles::Profiles;
pub use reason::{Difference, Reason};
pub use uppers::{find_uppers, upper_uses};

#[cfg(test)]
#[path = "pools_tests.rs"]
mod tests;
