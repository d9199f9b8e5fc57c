//! Delegation to an IPAM plugin.
//!
//! Contract: CNI spec 1.1.0 section 4 and libcni's pkg/invoke: found along `CNI_PATH`, run in the host's
//! namespace with our environment and our stdin byte for byte, its errors handed on unchanged.

mod exchange;
mod find;
mod host_local;
mod newer_verbs;
mod run;
mod running;

use std::path::PathBuf;

use crate::journal::{self, Owner};
use crate::protocol::{CniError, Command, Environment, SpecVersion, Success, code};

pub use find::{FindError, find};
pub use run::Call;
pub use running::{all_are_ended, end_all};

/// An IPAM plugin to be called as part of this call.
#[derive(Debug)]
pub struct Delegate<'a> {
    /// `ipam.type`.
    pub plugin: &'a str,
    /// `CNI_PATH`.
    pub path: &'a str,
    /// stdin for it.
    pub config: &'a [u8],
    /// Variables beside our own environment; for a release by a record.
    pub variables: Vec<(&'static str, String)>,
}

/// An IPAM plugin that was found.
#[derive(Debug)]
pub struct Located<'a> {
    delegate: &'a Delegate<'a>,
    program: PathBuf,
}

/// Who releases an attachment's addresses.
#[derive(Debug, Clone, Copy)]
pub enum ReleasedBy<'a> {
    /// The runtime's DEL of this very attachment. It may know that the namespace is gone, and name none.
    ItsDel(&'a Environment),
    /// GC, or the next ADD; with its `CNI_PATH`.
    Another(&'a Environment),
    /// The daemon.
    Repair,
}

impl<'a> Delegate<'a> {
    /// The plugin of this very call: our environment and our stdin as they came.
    pub fn of_call(plugin: &'a str, environment: &'a Environment, stdin: &'a [u8]) -> Self {
        Self {
            plugin,
            path: &environment.path,
            config: stdin,
            // The environment that it inherits names the interface of the call, and whatever was asked for in it.
            variables: match (&environment.chain, environment.ifname()) {
                (Some(_), Ok(ifname)) => vec![
                    ("CNI_IFNAME", ifname.to_string()),
                    ("CNI_ARGS", environment.raw_args.clone()),
                ],
                _ => Vec::new(),
            },
        }
    }

    /// Finds the program, before anything is done that would have to be undone without it.
    pub fn locate(&self) -> Result<Located<'_>, FindError> {
        Ok(Located {
            delegate: self,
            program: find(self.plugin, self.path)?,
        })
    }

    /// Calls a verb of which only success or failure counts.
    pub fn run(&self, command: Command) -> Result<(), CniError> {
        let located = self.locate().map_err(|error| CniError::new(code::INTERNAL, error))?;
        located.run(command)
    }
}

impl Located<'_> {
    /// Asks for addresses.
    pub fn add(&self, version: SpecVersion) -> Result<Success, CniError> {
        let stdout = self.call(Command::Add)?;
        let plugin = self.delegate.plugin;
        let broken =
            |problem: &dyn std::fmt::Display| CniError::new(code::INTERNAL, format!("IPAM plugin {plugin}: {problem}"));
        let value = serde_json::from_slice(&stdout).map_err(|error| broken(&format!("its result: {error}")))?;
        let result = Success::from_json(&value, version).map_err(|error| broken(&error))?;
        result.check_families().map_err(|error| broken(&error))?;
        if result.ips.is_empty() {
            return Err(CniError::new(code::INTERNAL, "IPAM plugin returned missing IP config")
                .with_details(format!("ipam.type {plugin}")));
        }
        if plugin == host_local::NAME {
            host_local::begin_write_out(self.delegate.config, &result.ips);
        }
        Ok(result)
    }

    /// Calls a verb of which only success or failure counts.
    pub fn run(&self, command: Command) -> Result<(), CniError> {
        self.call(command).map(|_stdout| ())
    }

    fn call(&self, command: Command) -> Result<Vec<u8>, CniError> {
        Call {
            program: &self.program,
            command,
            config: self.delegate.config,
            variables: &self.delegate.variables,
        }
        .run()
    }
}

/// IPAM DEL with what the attachment's record holds, whatever the caller's configuration says.
pub fn release(ipam: &journal::Ipam, owner: &Owner, by: ReleasedBy<'_>) -> Result<(), CniError> {
    let mut variables = vec![
        ("CNI_ARGS", ipam.args.clone()),
        ("CNI_IFNAME", owner.ifname.to_string()),
    ];
    if !matches!(by, ReleasedBy::ItsDel(_)) {
        variables.extend([
            ("CNI_CONTAINERID", owner.container_id.to_string()),
            ("CNI_NETNS", owner.netns_path.clone()),
        ]);
    }
    // Plugins may have been moved since the ADD.
    let path = match by {
        ReleasedBy::ItsDel(caller) | ReleasedBy::Another(caller) if find(&ipam.plugin, &ipam.path).is_err() => {
            if find(&ipam.plugin, &caller.path).is_ok() {
                &caller.path
            } else {
                &ipam.path
            }
        }
        _ => &ipam.path,
    };
    variables.push(("CNI_PATH", path.clone()));
    Delegate {
        plugin: &ipam.plugin,
        path,
        config: ipam.config.as_bytes(),
        variables,
    }
    .run(Command::Del)
}
