//! One file for each `CNI_COMMAND`.

mod add;
mod check;
mod del;
mod gc;
mod other_version;
mod ownership;
mod previous;
mod status;
mod version;
mod wait;

pub use add::add;
pub use check::check;
pub use del::del;
pub use gc::gc;
pub use status::status;
pub use version::{about, help, version};
