//! The command `devices`: what is there, and where it is, for people and, as JSON, for programs.

mod configuration;
mod rows;
mod table;
mod uses;

use std::io::{self, Write};

use crate::commands::args::DevicesArgs;
use crate::config::ConfigError;
use configuration::Chosen;

use crate::pools::{Hardware, assign, find_uppers, upper_uses};

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody reads it.
    #[error("stdout: {0}")]
    Output(#[from] io::Error),
    /// It has no JSON form.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Prints the node's devices.
pub fn print(args: &DevicesArgs, out: &mut impl Write) -> Result<(), DevicesError> {
    let Chosen { node, config, told } = Chosen::by(args)?;
    let sysfs = node.sysfs();
    let mut hardware = Hardware::read(&sysfs);
    hardware.read_details(&sysfs, &config.pools);
    match find_uppers(&sysfs) {
        Ok(uppers) => hardware.upper_uses = upper_uses(&uppers, &hardware.inventory),
        Err(error) => tracing::warn!("{error}"),
    }
    let assignment = assign(&hardware, &config.pools);
    let uses = uses::Uses::read(&node.kubelet_dir);
    let report = rows::Report::new(&hardware, &assignment, &config.pools, &uses, told);
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        table::write(out, &report)?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
