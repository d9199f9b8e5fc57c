//! Attaching one network device to a pod, and putting everything back: the library behind `hardwire`, whose release code
//! `hardwired` runs too when a DEL never came.
//!
//! Synchronous, and linked with no C library, so that `hardwire` is one static file. The way of an ADD:
//! [`protocol`] and [`config`] (text becomes types) → [`device`] (which one, and may it be given away; [`entitlement`]: to this pod) → [`journal`] (what
//! was, and whose it is now) → [`pf`] and [`attach`] (one message to the PF, one move) → [`ipam`] → result. [`release`] is
//! the way back and needs the journal only; [`migration`] honours what the replaced plugins left. [`verbs`] has one file for each `CNI_COMMAND`.

pub mod ask;
pub mod attach;
pub mod baseline;
pub mod beneath;
mod boot;
pub mod claims;
pub mod config;
mod context;
pub mod device;
pub mod entitlement;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod ipam;
pub mod journal;
pub mod kernel;
pub mod leases;
pub mod migration;
pub mod netns;
pub mod node;
pub mod pf;
pub mod printable;
pub mod protocol;
pub mod queue;
pub mod release;
pub mod report;
pub mod state_file;
pub mod unclean;
pub mod verbs;
mod write_out;

pub use boot::boot_id;
pub use context::Context;

/// What both programs say of themselves: `0.1.0 (commit 0123456789ab)`.
pub const VERSION: &str = env!("HARDWIRE_VERSION");
/// The commit that they were built from, `unknown` where the build was not told.
pub const COMMIT: &str = env!("HARDWIRE_COMMIT_SHOWN");
