//! Delegation to an IPAM plugin.
//!
//! Contract: CNI spec 1.1.0 section 4 and libcni's pkg/invoke (contract.md 2.1): found along `CNI_PATH`, run in the host's
//! namespace with our environment and our stdin byte for byte, its errors handed on unchanged.

mod find;
mod run;

use crate::journal::{self, Owner};
use crate::protocol::{CniError, Command, Environment, SpecVersion, Success, code};

pub use find::{FindError, find};
pub use run::Call;

/// An IPAM plugin to be called as part of this call.
#[derive(Debug)]
pub struct Delegate<'a> {
    /// `ipam.type`.
    pub plugin: &'a str,
    /// `CNI_PATH`.
    pub path: &'a str,
    /// stdin for it.
    pub config: &'a [u8],
    /// Variables beside our own environment; for a release that no runtime asked for.
    pub variables: Vec<(&'static str, String)>,
}

impl<'a> Delegate<'a> {
    /// The plugin of this very call: our environment and our stdin as they came.
    pub fn of_call(plugin: &'a str, environment: &'a Environment, stdin: &'a [u8]) -> Self {
        Self {
            plugin,
            path: &environment.path,
            config: stdin,
            variables: Vec::new(),
        }
    }

    /// Asks for addresses.
    pub fn add(&self, version: SpecVersion) -> Result<Success, CniError> {
        let stdout = self.call(Command::Add)?;
        let broken = |problem: &dyn std::fmt::Display| {
            CniError::new(code::INTERNAL, format!("IPAM plugin {}: {problem}", self.plugin))
        };
        let value = serde_json::from_slice(&stdout).map_err(|error| broken(&format!("its result: {error}")))?;
        let result = Success::from_json(&value, version).map_err(|error| broken(&error))?;
        if result.ips.is_empty() {
            return Err(CniError::new(code::INTERNAL, "IPAM plugin returned missing IP config")
                .with_details(format!("ipam.type {}", self.plugin)));
        }
        Ok(result)
    }

    /// Calls a verb of which only success or failure counts.
    pub fn run(&self, command: Command) -> Result<(), CniError> {
        self.call(command).map(|_stdout| ())
    }

    fn call(&self, command: Command) -> Result<Vec<u8>, CniError> {
        let program = find(self.plugin, self.path).map_err(|error| CniError::new(code::INTERNAL, error))?;
        Call {
            program: &program,
            command,
            config: self.config,
            variables: &self.variables,
        }
        .run()
    }
}

/// IPAM DEL for an attachment that no runtime calls for any more, with what its record holds.
pub fn release(ipam: &journal::Ipam, owner: &Owner) -> Result<(), CniError> {
    let variables = vec![
        ("CNI_CONTAINERID", owner.container_id.to_string()),
        ("CNI_NETNS", owner.netns_path.clone()),
        ("CNI_IFNAME", owner.ifname.to_string()),
        ("CNI_ARGS", ipam.args.clone()),
        ("CNI_PATH", ipam.path.clone()),
    ];
    let config = ipam.config.as_bytes();
    Delegate {
        plugin: &ipam.plugin,
        path: &ipam.path,
        config,
        variables,
    }
    .run(Command::Del)
}
