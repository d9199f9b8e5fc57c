//! Delegation to an IPAM plugin, or its part played here.
//!
//! Contract: CNI spec 1.1.0 section 4 and libcni's pkg/invoke: found along `CNI_PATH`, run in the host's
//! namespace with our environment and our stdin byte for byte, its errors handed on unchanged.
//! `in_process` does what two of the reference plugins do, without a program.

mod exchange;
mod find;
mod host_local;
mod in_process;
mod newer_verbs;
mod run;
mod running;

use std::path::{Path, PathBuf};

#[cfg(any(test, fuzzing))]
pub(crate) use self::in_process::gives_back as in_process_gives_back;
use self::in_process::{Attachment, InProcess, Kind, Permission, permission};
use crate::Context;
use crate::journal::{self, Owner};
use crate::node::NodeConfig;
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
    /// Whose attachment it is about.
    attachment: Attachment,
    /// Where the operator's word is.
    context: &'a Context,
    /// Whether no program is to be run where none is needed.
    is_repair: bool,
}

/// An IPAM plugin that was found.
#[derive(Debug)]
pub struct Located<'a> {
    delegate: &'a Delegate<'a>,
    server: Server<'a>,
}

/// Who does what the plugin does.
#[derive(Debug)]
enum Server<'a> {
    /// Its program.
    Program(PathBuf),
    /// This one.
    InProcess(Box<InProcess<'a>>),
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
    pub fn of_call(context: &'a Context, plugin: &'a str, environment: &'a Environment, stdin: &'a [u8]) -> Self {
        let text = |text: Result<String, CniError>| text.unwrap_or_default();
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
            attachment: Attachment {
                container_id: text(environment.container_id().map(ToString::to_string)),
                ifname: text(environment.ifname().map(ToString::to_string)),
                args: environment.raw_args.clone(),
            },
            context,
            is_repair: false,
        }
    }

    /// The plugin of an attachment on record, with a configuration that is made of the record's.
    pub fn on_record(context: &'a Context, ipam: &'a journal::Ipam, owner: &Owner, config: &'a [u8]) -> Self {
        Self {
            plugin: &ipam.plugin,
            path: &ipam.path,
            config,
            variables: vec![
                ("CNI_ARGS", ipam.args.clone()),
                ("CNI_IFNAME", owner.ifname.to_string()),
                ("CNI_PATH", ipam.path.clone()),
            ],
            attachment: Attachment::on_record(ipam, owner),
            context,
            is_repair: false,
        }
    }

    /// Finds the program, or that none is needed, before anything is done that would have to be undone without it.
    pub fn locate(&self) -> Result<Located<'_>, FindError> {
        Ok(Located {
            delegate: self,
            server: self.server()?,
        })
    }

    fn server(&self) -> Result<Server<'_>, FindError> {
        let Some(kind) = Kind::of(self.plugin) else {
            return find(self.plugin, self.path).map(Server::Program);
        };
        let operator = match NodeConfig::read(&self.context.plugin_config) {
            Ok(operator) => operator.unwrap_or_default(),
            Err(error) => {
                tracing::warn!("{error}: IPAM plugin {} is left to its program", self.plugin);
                return find(self.plugin, self.path).map(Server::Program);
            }
        };
        let permission = permission(kind, self.config, &operator);
        let here = |operator| {
            Server::InProcess(Box::new(InProcess {
                kind,
                config: self.config,
                attachment: self.attachment.clone(),
                operator,
            }))
        };
        match permission {
            Permission::InProcess => Ok(here(operator)),
            Permission::WhereMissing if self.is_repair => Ok(here(operator)),
            Permission::WhereMissing => match find(self.plugin, self.path) {
                Err(FindError::Missing { .. } | FindError::NoPath) => Ok(here(operator)),
                found => found.map(Server::Program),
            },
            Permission::Program => find(self.plugin, self.path).map(Server::Program),
        }
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
        let program = match &self.server {
            Server::Program(program) => program,
            Server::InProcess(here) => return checked(self.delegate.plugin, here.add()?),
        };
        let stdout = self.call(program, Command::Add)?;
        let plugin = self.delegate.plugin;
        let broken =
            |problem: &dyn std::fmt::Display| CniError::new(code::INTERNAL, format!("IPAM plugin {plugin}: {problem}"));
        let value = serde_json::from_slice(&stdout).map_err(|error| broken(&format!("its result: {error}")))?;
        let result = Success::from_json(&value, version).map_err(|error| broken(&error))?;
        let result = checked(plugin, result)?;
        if plugin == host_local::NAME {
            host_local::begin_write_out(self.delegate.config, &result.ips);
        }
        Ok(result)
    }

    /// Calls a verb of which only success or failure counts.
    pub fn run(&self, command: Command) -> Result<(), CniError> {
        match &self.server {
            Server::Program(program) => self.call(program, command).map(|_stdout| ()),
            Server::InProcess(here) => here.run(command),
        }
    }

    /// What the program says of itself; nothing where there is none.
    fn version(&self) -> Option<Vec<u8>> {
        match &self.server {
            Server::Program(program) => self.call(program, Command::Version).ok(),
            Server::InProcess(_) => None,
        }
    }

    fn call(&self, program: &Path, command: Command) -> Result<Vec<u8>, CniError> {
        Call {
            program,
            command,
            config: self.delegate.config,
            variables: &self.delegate.variables,
        }
        .run()
    }
}

/// Addresses that an attachment can have.
fn checked(plugin: &str, result: Success) -> Result<Success, CniError> {
    let families = result.check_families();
    families.map_err(|error| CniError::new(code::INTERNAL, format!("IPAM plugin {plugin}: {error}")))?;
    if result.ips.is_empty() {
        let missing = CniError::new(code::INTERNAL, "IPAM plugin returned missing IP config");
        return Err(missing.with_details(format!("ipam.type {plugin}")));
    }
    Ok(result)
}

/// IPAM DEL with what the attachment's record holds, whatever the caller's configuration says.
pub fn release(context: &Context, ipam: &journal::Ipam, owner: &Owner, by: ReleasedBy<'_>) -> Result<(), CniError> {
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
        attachment: Attachment::on_record(ipam, owner),
        context,
        is_repair: matches!(by, ReleasedBy::Repair),
    }
    .run(Command::Del)
}
