//! What others ask of the running daemon, and what it leaves for them to read.
//!
//! - [`control`]: a socket in the state directory, for operators;
//! - [`pods`]: another, for the CNI plugin; [`attachments`]: what a pod that was given devices gets of them;
//!   `checkpoint`: who was given what;
//! - [`announcements`]: a third, for what the plugin does not wait for;
//! - [`in_force`]: the configuration that the daemon goes by;
//! - [`fix`]: what the daemon mends when it is told to; [`rights`]: what it may do on this node;
//! - [`own_pod`]: the pod that it runs in;
//! - [`view`]: a file there, with what the daemon knows of each device.

pub mod announcements;
pub mod attachments;
mod checkpoint;
pub mod control;
pub mod fix;
pub mod in_force;
mod listening;
pub mod own_pod;
pub mod pods;
pub mod rights;
pub mod view;
