//! The command `devices`: what is there, and where it is, for people and, as JSON, for programs.

mod configuration;
mod rows;
mod table;
mod uses;

use std::fs;
use std::io::{self, Write};
use std::sync::Arc;

use crate::commands::args::{DevicesArgs, Form};
use crate::commands::doctor::args::{BadPath, readable};
use crate::commands::terminal::Paint;
use crate::commands::yaml;
use crate::config::{ConfigError, Pool};
use crate::pools::{Hardware, Profiles, assign, ddp, find_uppers, upper_uses};
use configuration::Chosen;

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody reads it.
    #[error("stdout: {0}")]
    Output(#[from] io::Error),
    /// An argument names what is not there.
    #[error(transparent)]
    Argument(#[from] BadPath),
    /// There is no way to ask for DDP profiles.
    #[error("DDP profiles: {0}")]
    Profiles(io::Error),
    /// It has no JSON form.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Prints the node's devices, in colours where there are any.
pub fn print(args: &DevicesArgs, paint: Paint, out: &mut impl Write) -> Result<(), DevicesError> {
    readable("--sysfs-root", args.sysfs_root.as_ref(), |path| {
        fs::read_dir(path).map(drop)
    })?;
    let Chosen { node, config, told } = Chosen::by(args)?;
    let sysfs = node.sysfs();
    let mut hardware = Hardware::read(&sysfs);
    hardware.read_details(&sysfs, &config.pools);
    let mut hardware = Arc::new(hardware);
    ask_profiles(&mut hardware, &config.pools).map_err(DevicesError::Profiles)?;
    match find_uppers(&sysfs) {
        Ok(uppers) => Arc::make_mut(&mut hardware).upper_uses = upper_uses(&uppers, &hardware.inventory),
        Err(error) => tracing::warn!("{error}"),
    }
    let assignment = assign(&hardware, &config.pools);
    let uses = uses::Uses::read(&node.pod_resources_dir());
    let report = rows::Report::new(&hardware, &assignment, &config.pools, &uses, told);
    match args.form() {
        Form::Json => {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            writeln!(out)?;
        }
        Form::Yaml => out.write_all(yaml::document(&serde_json::to_value(&report)?).as_bytes())?,
        Form::Table => table::write(out, &report, table::Width::Terminal, paint)?,
        Form::Wide => table::write(out, &report, table::Width::Whole, paint)?,
    }
    out.flush()?;
    Ok(())
}

/// Where no pool wants DDP profiles, nothing is asked.
fn ask_profiles(hardware: &mut Arc<Hardware>, pools: &[Pool]) -> io::Result<()> {
    let mut profiles = Profiles::default();
    let functions = profiles.to_ask(hardware, pools);
    if !functions.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for function in functions {
            profiles.answered(function, runtime.block_on(ddp::ask(function)));
        }
    }
    profiles.apply(hardware);
    Ok(())
}

#[cfg(test)]
#[path = "guide_tests.rs"]
mod guide_tests;
#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
