//! The CNI protocol: what comes in through the environment and stdin, what goes out through stdout.
//!
//! Contract: CNI spec 1.1.0 and what libcni and the reference plugins make of it. Texts that
//! runtimes or people depend on are the reference's.

mod args;
mod chain_call;
mod environment;
mod error;
mod fold;
mod names;
mod pod;
mod result;
mod version;

pub use args::CniArgs;
pub use chain_call::ChainCall;
pub use environment::{Command, Environment};
pub use error::{CniError, code};
pub use fold::AnyCase;
pub use names::{BadName, ContainerId, NetworkName};
pub use pod::CallingPod;
pub use result::{Dns, Interface, IpConfig, NextHop, ResultError, Route, Success};
pub use version::{SUPPORTED, SpecVersion, UnknownVersion};
