//! The command `check --nad`: what an ADD of a pod on these networks would refuse, told before there is a pod.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use hardwire_cni::Context;
use hardwire_cni::printable::printable;

use super::definition::{self, KIND};
use super::examine::{Verdict, examine};
use super::known_pools;
use crate::commands::args::CheckArgs;
use crate::config::manifest::{Manifest, OfKind};
use crate::config::{ConfigError, Pool};

/// Why networks do not pass.
#[derive(Debug, thiserror::Error)]
pub enum NetworksError {
    /// The file with them, or the one with the pools, is of no use.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// Pods on some of them would not start. Which and why has been printed.
    #[error("{file}: {refused} of {all} networks refused")]
    Refused {
        /// Which file.
        file: String,
        /// How many.
        refused: usize,
        /// Of how many.
        all: usize,
    },
    /// There are warnings, which have been printed, and `--strict`.
    #[error("{file}: {count} {}, which --strict does not let pass", if *.count == 1 { "warning" } else { "warnings" })]
    Strict {
        /// Which file.
        file: String,
        /// How many warnings there are.
        count: usize,
    },
    /// Nobody reads what is printed.
    #[error("stdout: {0}")]
    Output(#[from] io::Error),
}

/// Prints what is wrong with each network of a file, one line each.
pub fn check(args: &CheckArgs, nad: &Path, out: &mut impl Write) -> Result<(), NetworksError> {
    let file = nad.display().to_string();
    let text = fs::read_to_string(nad).map_err(|source| ConfigError::Read {
        path: nad.to_owned(),
        source,
    })?;
    let OfKind {
        objects: networks,
        ignored,
    } = Manifest::all_of_kind(&text, &file, KIND)?;
    for text in ignored {
        writeln!(out, "{}", printable(&format!("{text}: not checked")))?;
    }
    let pools = pools(args, out)?;
    let takes_sriov = known_pools::takes_sriov();
    let (mut refused, mut warnings) = (0, 0);
    for network in &networks {
        let verdict = examine(network, pools.as_deref(), takes_sriov);
        refused += usize::from(!verdict.refused.is_empty());
        warnings += verdict.warnings.len();
        print(&format!("{file}: {}", definition::name(network)), &verdict, out)?;
    }
    out.flush()?;
    if refused > 0 {
        let all = networks.len();
        return Err(NetworksError::Refused { file, refused, all });
    }
    if args.strict && warnings > 0 {
        let count = warnings;
        return Err(NetworksError::Strict { file, count });
    }
    Ok(())
}

fn pools(args: &CheckArgs, out: &mut impl Write) -> Result<Option<Vec<Pool>>, NetworksError> {
    if let Some(config) = &args.config {
        return Ok(Some(known_pools::of_file(config, &args.node.defaults())?));
    }
    let context = Context::read(|name| std::env::var_os(name));
    match known_pools::in_force(&context.state) {
        Ok(pools) => Ok(Some(pools)),
        Err(reason) => {
            let line =
                format!("whether their resources are there is not checked: {reason} (--config FILE names pools)");
            writeln!(out, "{}", printable(&line))?;
            Ok(None)
        }
    }
}

fn print(network: &str, verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    let Verdict {
        refused,
        warnings,
        notes,
        ours,
    } = verdict;
    for (kind, texts) in [("refused: ", refused), ("warning: ", warnings), ("", notes)] {
        for text in texts {
            writeln!(out, "{}", printable(&format!("{network}: {kind}{text}")))?;
        }
    }
    if refused.is_empty() && *ours > 0 {
        writeln!(out, "{}", printable(&format!("{network}: good")))?;
    }
    Ok(())
}
