//! The CNI plugin's program, where the runtime looks for it.

use std::path::Path;

use super::commands::{our_program, quoted, restart_daemon};
use crate::ask::fix::Fix;
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::plugin::{Program, Version};
use crate::commands::doctor::finding::{Finding, Mend, Severity};
use crate::commands::doctor::name::Name;
use crate::commands::install_cni::CNI_PROGRAM;

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

/// The daemon's work where one runs that has the program: in a pod it has its image's.
fn command(facts: &Facts) -> Mend {
    let directory = quoted(&facts.places.cni_bin.display().to_string());
    let is_in_pod = facts.places.in_pod || facts.places.pod.is_some();
    if facts.daemon.is_ok() && (is_in_pod || facts.plugin.has_program) {
        return our_program(facts, "doctor --fix");
    }
    if facts.places.in_pod {
        return restart_daemon(facts);
    }
    let usual = facts.plugin.has_program && facts.places.cni_program == Path::new(CNI_PROGRAM);
    match &facts.plugin.beside {
        _ if usual => Mend::on_node(format!("hardwired install-cni --to {directory}")),
        Some(program) => Mend::on_node(format!(
            "hardwired install-cni --from {} --to {directory}",
            quoted(&program.display().to_string())
        )),
        None => Mend::by_hand(format!(
            "put the program hardwire there that belongs to this hardwired (hardwired install-cni --from FILE --to {directory})"
        )),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::facts::NoDaemon;

    /// As README installs it by hand: into the directory of plugins only.
    #[test]
    fn a_plugin_is_put_back_from_a_program_that_there_is() {
        let mut facts = Facts::sample();
        facts.plugin.ours = Some(Program::Missing);
        let mend = |facts: &Facts| findings(facts).remove(0).mend;
        assert!(
            matches!(mend(&facts), Mend::ByHand(_)),
            "a daemon on the node without the program"
        );
        facts.plugin.beside = Some("/usr/local/bin/hardwire".into());
        let from_beside = Mend::on_node("hardwired install-cni --from /usr/local/bin/hardwire --to /opt/cni/bin");
        assert_eq!(mend(&facts), from_beside);
        facts.plugin.has_program = true;
        assert_eq!(mend(&facts), Mend::on_node("hardwired doctor --fix"));
        facts.daemon = Err(NoDaemon::Absent("connection refused".to_owned()));
        assert_eq!(mend(&facts), Mend::on_node("hardwired install-cni --to /opt/cni/bin"));
        facts.plugin.has_program = false;
        assert_eq!(mend(&facts), from_beside);
        facts.plugin.beside = None;
        assert!(matches!(mend(&facts), Mend::ByHand(_)));
    }
}
