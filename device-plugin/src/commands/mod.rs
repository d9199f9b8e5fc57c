//! What a person types: each command of `hardwired`, its flags, and the flags of the program that it replaces.
//!
//! Here is the edge: arguments become paths, names and durations, and what goes wrong becomes an exit code and a sentence.
//!
//! - [`args`], [`container_args`]: the flags; `examples`, below their help; [`upstream_flags`]: those of
//!   sriov-network-device-plugin, translated;
//! - [`run`]: the daemon, from its lock to its drain; [`tasks`]: what it does at the same time;
//! - [`chain`]: our entry in the default network's list, which `install-cni` and the daemon put there;
//! - [`doctor`]: what is wrong, why, and what mends it; [`mending`]: what the daemon does of that;
//! - [`devices`], [`check`], [`install_cni`], [`completions`]: the commands of the same names (`adopt` is
//!   [`crate::ask::control`]'s client);
//! - [`networks`]: `nad`, `deviceclass`, and `check --nad`;
//! - [`provision`]: `plan` and `apply`;
//! - [`terminal`], [`yaml`]: how they print.

pub mod args;
pub mod chain;
pub mod check;
pub mod completions;
pub mod container_args;
pub mod devices;
pub mod doctor;
mod examples;
pub mod install_cni;
pub mod mending;
pub mod networks;
pub mod provision;
pub mod run;
pub mod tasks;
pub mod terminal;
pub mod upstream_flags;
pub mod yaml;
