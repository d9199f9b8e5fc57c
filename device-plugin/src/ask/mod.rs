//! What others ask of the running daemon, and what it leaves for them to read.
//!
//! - [`control`]: a socket in the state directory, for operators;
//! - [`pods`]: another, for the CNI plugin; [`attachments`]: what a pod that was given devices gets of them;
//!   `checkpoint`: who was given what;
//! - [`in_force`]: the configuration that the daemon goes by;
//! - [`view`]: a file there, with what the daemon knows of each device.

pub mod attachments;
mod checkpoint;
pub mod control;
pub mod in_force;
mod listening;
pub mod pods;
pub mod view;
