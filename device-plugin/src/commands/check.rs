//! The command `check`: what is wrong with a configuration, told before anything runs with it.

use std::io::{self, Write};

use crate::commands::args::CheckArgs;
use crate::config::{Config, ConfigError, Pool};

/// Why a configuration does not pass.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Some of it is of no use. Which pools has been printed.
    #[error("{file}: {refused} of {} refused", pools(*.all))]
    Refused {
        /// Which file.
        file: String,
        /// How many pools are refused.
        refused: usize,
        /// How many pools there are.
        all: usize,
    },
    /// Nobody reads what is printed.
    #[error("stdout: {0}")]
    Output(#[from] io::Error),
}

/// Prints what a configuration is and what is wrong with it, one line each.
pub fn check(args: &CheckArgs, out: &mut impl Write) -> Result<(), CheckError> {
    let file = args.config.display().to_string();
    let config = Config::read(&args.config, &args.node.defaults())?;
    for refused in &config.refused {
        writeln!(out, "{file}: pool refused: {refused}")?;
    }
    for warning in &config.warnings {
        writeln!(out, "{file}: warning: {warning}")?;
    }
    for pool in &config.pools {
        writeln!(out, "{}", described(pool))?;
    }
    if !config.refused.is_empty() {
        out.flush()?;
        return Err(CheckError::Refused {
            file,
            refused: config.refused.len(),
            all: config.refused.len() + config.pools.len(),
        });
    }
    let remark = if config.pools.is_empty() {
        ", nothing to offer"
    } else {
        ""
    };
    writeln!(out, "{file}: good: {}{remark}", pools(config.pools.len()))?;
    Ok(out.flush()?)
}

fn described(pool: &Pool) -> String {
    let kind = pool.device_type.word();
    let variables = pool.variables.join(" ");
    let selectors = match pool.selectors.len() {
        1 => "1 selector".to_owned(),
        count => format!("{count} selectors"),
    };
    format!("{}: {kind}, {selectors}, {variables}", pool.resource)
}

fn pools(count: usize) -> String {
    match count {
        1 => "1 pool".to_owned(),
        count => format!("{count} pools"),
    }
}
