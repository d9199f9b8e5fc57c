//! One file for each `CNI_COMMAND`, and `chain` for those of our entry in a list; `entry` tells which is meant.

mod add;
mod chain;
mod check;
mod del;
mod entry;
mod gc;
mod other_version;
mod ownership;
mod previous;
mod status;
mod version;
mod wait;

pub use del::del;
pub use entry::{add, check, status};
pub use gc::gc;
pub use version::{about, help, version};
