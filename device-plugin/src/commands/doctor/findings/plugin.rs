//! The CNI plugin's program, where the runtime looks for it.

use super::commands::{our_program, quoted, restart_daemon};
use crate::ask::fix::Fix;
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::plugin::{Program, Version};
use crate::commands::doctor::finding::{Finding, Mend, Severity};
use crate::commands::doctor::name::Name;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let Some(program) = &facts.plugin.ours else {
        return Vec::new();
    };
    let found = match program {
        Program::Missing => Some((
            Name::PluginMissing,
            Severity::Error,
            "it is not there: every pod on one of our networks waits".to_owned(),
            "nothing has installed it on this node, or somebody removed it".to_owned(),
            None,
        )),
        Program::NotExecutable { mode, since } => Some((
            Name::PluginNotExecutable,
            Severity::Error,
            "it cannot be executed: every pod on one of our networks waits".to_owned(),
            format!("its permissions are {mode:04o}, or it is no file"),
            *since,
        )),
        Program::Foreign { since } => Some((
            Name::PluginForeign,
            Severity::Error,
            "it is another program than ours".to_owned(),
            "somebody has put another program in its place".to_owned(),
            *since,
        )),
        Program::Ours {
            version,
            is_same,
            since,
        } => old(version, *is_same).map(|(what, why)| (Name::PluginOld, Severity::Warning, what, why, *since)),
    };
    let path = facts.plugin.path.display().to_string();
    let finding = found.map(|(name, severity, what, why, since)| {
        let found = Finding::mended_by(command(facts), name, severity, path, what);
        found.because(why).since(since).fixed_by(Fix::Plugin)
    });
    finding.into_iter().collect()
}

/// The daemon's work where one runs.
fn command(facts: &Facts) -> Mend {
    let directory = quoted(&facts.places.cni_bin.display().to_string());
    match (&facts.daemon, facts.places.in_pod) {
        (Ok(_), _) => our_program(facts, "doctor --fix"),
        (Err(_), false) => Mend::on_node(format!("hardwired install-cni --to {directory}")),
        (Err(_), true) => restart_daemon(facts),
    }
}

fn old(version: &Result<Version, String>, is_same: Option<bool>) -> Option<(String, String)> {
    let ours = Version::of_this_build()?;
    match version {
        Err(error) => Some((
            "it does not tell its version".to_owned(),
            format!("it was asked with --version: {error}"),
        )),
        Ok(there) if !there.is(&ours) => Some((
            format!("it is {there}, and hardwired is {ours}"),
            "it was not installed with this hardwired, or could not be".to_owned(),
        )),
        Ok(there) if is_same == Some(false) => Some((
            format!("it says that it is {there}, and differs from the plugin that came with hardwired"),
            "it was built from another commit".to_owned(),
        )),
        Ok(_) => None,
    }
}
