//! The commands `plan` and `apply`: PFs and VFs as configured, with the daemon or without it.
//!
//! A plan is made here, whoever runs. It is applied by the daemon where one runs, which then gives none of these VFs away
//! meanwhile, and by this process where none does. Whichever it is holds the lock of each PF that it changes.

pub mod args;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardwire_cni::Context;
use serde_json::{Value, json};

use self::args::{ApplyArgs, PlanArgs, SurveyArgs};
use crate::ask::control::{self, ControlError};
use crate::commands::args::{CONFIG, NodeArgs};
use crate::commands::doctor::args::{BadPath, readable};
use crate::commands::yaml;
use crate::config::manifest::{Manifest, OfKind};
use crate::config::{Config, ConfigError, Pfs, ProvisionMode};
use crate::ledger::podresources::PodResources;
use crate::ledger::state_directory::StateDirectory;
use crate::provision::import;
use crate::provision::node::{Heard, Node, Survey};
use crate::provision::plan::Outlook;
use crate::provision::report::{self, Report};

/// Why there is nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An argument names what is not there.
    #[error(transparent)]
    Argument(#[from] BadPath),
    /// It is no such state.
    #[error("{}: {why}", file.display())]
    Import {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A daemon runs, and another configuration is named.
    #[error(
        "--config {}: hardwired runs here and goes by its own configuration, {}: leave --config out, or change that file", named.display(), its.display()
    )]
    OtherConfig {
        /// The one that is named.
        named: PathBuf,
        /// The daemon's.
        its: PathBuf,
    },
    /// The daemon did not do it.
    #[error(transparent)]
    Daemon(#[from] ControlError),
    /// Somebody else has the state directory.
    #[error("{0}")]
    State(String),
    /// Nobody reads what is printed.
    #[error("stdout: {0}")]
    Output(#[from] io::Error),
    /// It has no JSON form.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Prints what would be done. Returns the exit status.
pub fn plan(args: &PlanArgs, out: &mut impl Write) -> Result<u8, ProvisionError> {
    if let Some(file) = &args.from {
        print_import(file, out)?;
        return Ok(0);
    }
    let context = context(&args.survey.node);
    let (pfs, refused) = configured(&args.survey, &context)?;
    let survey = with_refused(survey(&args.survey, &context, &pfs)?, refused);
    print(&survey, args.json, out)?;
    Ok(status(&survey, &pfs).exit_status())
}

/// Does it. Returns the exit status: 0 everything is as configured, 1 something failed, 2 something was refused.
pub fn apply(args: &ApplyArgs, out: &mut impl Write) -> Result<u8, ProvisionError> {
    let context = context(&args.survey.node);
    for name in &args.survey.force {
        writeln!(
            out,
            "--force {name}: whoever uses its link is interrupted; a VF in use is left alone all the same"
        )?;
    }
    if let Ok(running) = control::running(&context.state) {
        if let Some(named) = args
            .survey
            .config
            .as_ref()
            .filter(|named| **named != running.in_force.file)
        {
            return Err(ProvisionError::OtherConfig {
                named: named.clone(),
                its: running.in_force.file,
            });
        }
        let answer = control::apply(&context.state, &args.survey.force)?;
        out.write_all(answer.text.as_bytes())?;
        out.flush()?;
        return Ok(answer.status);
    }
    // No daemon comes meanwhile, and no other apply.
    let named = crate::commands::run::is_state_named();
    let claimed = StateDirectory::claim(&context.state, named);
    let (_state, _lock) = claimed.map_err(|error| ProvisionError::State(error.to_string()))?;
    let (pfs, refused) = configured(&args.survey, &context)?;
    let survey = with_refused(survey(&args.survey, &context, &pfs)?, refused);
    print(&survey, false, out)?;
    out.flush()?;
    let outcomes = node(&args.survey, &context).apply(&survey, &pfs.entries);
    write!(out, "{}", report::outcomes(&outcomes))?;
    out.flush()?;
    if outcomes.iter().any(|outcome| outcome.failed.is_some()) {
        return Ok(1);
    }
    let is_refused = status(&survey, &pfs) == Outlook::Refused;
    Ok(if is_refused { 2 } else { 0 })
}

fn context(node: &NodeArgs) -> Context {
    Context {
        sysfs: node.sysfs(),
        ..Context::read(|name| std::env::var_os(name))
    }
}

/// What is configured, and its entries that are refused.
fn configured(args: &SurveyArgs, context: &Context) -> Result<(Pfs, Vec<String>), ProvisionError> {
    readable("--sysfs-root", Some(&args.node.sysfs_root), |path| {
        fs::read_dir(path).map(drop)
    })?;
    let config = match &args.config {
        Some(file) => Config::read(file, &args.node.defaults())?,
        None => match control::running(&context.state) {
            Ok(running) => {
                let origin = running.in_force.file.display().to_string();
                Config::from_text(&origin, running.in_force.text, &running.defaults)?
            }
            Err(_no_daemon) => Config::read(Path::new(CONFIG), &args.node.defaults())?,
        },
    };
    let refused = config.pfs.refused.iter().map(ToString::to_string).collect();
    Ok((config.pfs, refused))
}

fn with_refused(mut survey: Survey, refused: Vec<String>) -> Survey {
    survey
        .notes
        .extend(refused.into_iter().map(|refused| format!("refused: {refused}")));
    survey
}

fn status(survey: &Survey, pfs: &Pfs) -> Outlook {
    if pfs.refused.is_empty() {
        survey.outlook()
    } else {
        Outlook::Refused
    }
}

fn node(args: &SurveyArgs, context: &Context) -> Node {
    Node {
        context: context.clone(),
        checkpoint: args.node.device_plugin_dir(),
        root: args.root.clone(),
        bound: Duration::from_secs(args.write_bound),
    }
}

fn survey(args: &SurveyArgs, context: &Context, pfs: &Pfs) -> Result<Survey, ProvisionError> {
    let podresources = PodResources::in_directory(&args.node.pod_resources_dir());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let heard: Heard = runtime.block_on(podresources.held());
    let forced: BTreeSet<String> = args.force.iter().cloned().collect();
    Ok(node(args, context).survey(&pfs.entries, &heard, &BTreeMap::new(), &forced))
}

fn print(survey: &Survey, json: bool, out: &mut impl Write) -> Result<(), ProvisionError> {
    if json {
        serde_json::to_writer_pretty(&mut *out, &Report::of(survey))?;
        writeln!(out)?;
    } else {
        out.write_all(report::text(survey).as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

/// Prints what sriov-network-operator wants of a node, as a configuration of ours.
fn print_import(file: &Path, out: &mut impl Write) -> Result<(), ProvisionError> {
    let text = fs::read_to_string(file).map_err(|source| ConfigError::Read {
        path: file.to_owned(),
        source,
    })?;
    let OfKind { objects, .. } = Manifest::all_of_kind(&text, &file.display().to_string(), import::KIND)?;
    let (mut pfs, mut left_out) = (Vec::new(), Vec::new());
    for object in &objects {
        let imported = import::import(object).map_err(|why| ProvisionError::Import {
            file: file.to_owned(),
            why,
        })?;
        pfs.extend(imported.pfs);
        left_out.extend(imported.left_out);
    }
    for left_out in left_out {
        writeln!(
            out,
            "# not taken over: {}",
            hardwire_cni::printable::printable(&left_out)
        )?;
    }
    let document: Value = json!({"provision": ProvisionMode::Verify.word(), "pfs": pfs});
    out.write_all(yaml::document(&document).as_bytes())?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::commands::args::{Cli, Command};

    #[test]
    fn a_state_of_the_operators_is_printed_as_a_configuration_that_check_takes() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("state.yaml");
        let state = "\
apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodeState
metadata: {name: worker-1}
spec:
  interfaces:
  - name: ens803f0
    numVfs: 4
    pciAddress: 0000:86:00.0
    vfGroups:
    - {deviceType: vfio-pci, resourceName: dpdk, vfRange: ens803f0#0-3}
  system: {rdmaMode: shared}
";
        fs::write(&file, state).unwrap();
        let Command::Plan(args) = Cli::parse_from(["hardwired", "plan", "--from", file.to_str().unwrap()]).command
        else {
            panic!("another command")
        };
        let mut out = Vec::new();
        assert_eq!(plan(&args, &mut out).unwrap(), 0);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("# not taken over: spec.system"), "{text}");
        let config = Config::from_text("f", text, &args.survey.node.defaults()).unwrap();
        assert_eq!((config.pfs.entries.len(), config.pfs.refused.len()), (1, 0));
    }
}
