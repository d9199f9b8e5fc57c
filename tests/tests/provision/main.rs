//! PFs and VFs as configured, on the emulated igb and on netdevsim: `hardwired plan`, `hardwired apply`, and the daemon.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod daemon;
mod in_use;
mod made;
mod node;
mod switch;
