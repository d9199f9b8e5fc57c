//! One file for each `CNI_COMMAND`.

mod add;
mod check;
mod del;
mod ownership;
mod version;

pub use add::add;
pub use check::check;
pub use del::del;
pub use version::{about, version};
