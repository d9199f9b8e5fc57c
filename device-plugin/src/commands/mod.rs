//! What a person types: each command of `hardwired`, its flags, and the flags of the program that it replaces.
//!
//! Here is the edge: arguments become paths, names and durations, and what goes wrong becomes an exit code and a sentence.
//!
//! - [`args`], [`container_args`]: the flags; [`upstream_flags`]: those of sriov-network-device-plugin, translated;
//! - [`run`]: the daemon, from its lock to its drain; [`tasks`]: what it does at the same time;
//! - [`chain`]: our entry in the default network's list, which `install-cni` and the daemon put there;
//! - [`devices`], [`check`], [`install_cni`]: the commands of the same names (`adopt` is [`crate::ask::control`]'s client).

pub mod args;
pub mod chain;
pub mod check;
pub mod container_args;
pub mod devices;
pub mod install_cni;
pub mod run;
pub mod tasks;
pub mod upstream_flags;
