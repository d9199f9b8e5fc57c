//! The daemon, its state directory and its sockets; what IPAM has not released of before the boot.

use super::commands::{our_program, patch_volume, quoted, restart_daemon};
use crate::ask::fix::Fix;
use crate::commands::doctor::facts::{Facts, NoDaemon};
use crate::commands::doctor::finding::{Cause, Finding, Mend, Severity};
use crate::commands::doctor::name::Name;
use crate::events::socket::Behind;

/// Where the plugin on the node writes.
const STATE: &str = "/run/hardwire";

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = absent(facts).into_iter().collect();
    let directory = facts.state.directory.display().to_string();
    found.extend(facts.state.unknown.iter().map(|why| {
        let what = "it is not the directory that the plugin on the node writes: what is attached is not known";
        let command = patch_volume(facts, "state", STATE);
        Finding::mended_by(command, Name::StateNotShared, Severity::Error, &directory, what).because(why)
    }));
    // What is not the node's at all is told of already.
    let on_disk = facts.state.on_disk.filter(|_| facts.state.unknown.is_none());
    found.extend(on_disk.map(|kind| {
        let what = "it outlives the boot, and the attachments that it describes do not";
        let why = format!("its file system (type {kind:#x}) is no tmpfs");
        let (name, severity) = (Name::StateOnDisk, Severity::Error);
        let found = if facts.places.in_pod {
            Finding::mended_by(patch_volume(facts, "state", STATE), name, severity, &directory, what)
        } else {
            let how = format!(
                "the node's /run on a tmpfs, as systemd makes it, and nothing in HARDWIRE_STATE_DIR but {STATE}"
            );
            Finding::by_hand(how, name, severity, &directory, what)
        };
        found.because(why)
    }));
    found.extend(facts.state.stale_sockets.iter().map(|(path, since)| {
        let path = path.display().to_string();
        let what = "nobody serves this socket: the process that made it was killed";
        Finding::mended_by(
            our_program(facts, "doctor --fix"),
            Name::StaleSocket,
            Severity::Warning,
            path,
            what,
        )
        .since(*since)
        .fixed_by(Fix::Sockets)
        .after([Cause::any(Name::DaemonAbsent)])
    }));
    found.extend(owed(facts));
    found
}

fn absent(facts: &Facts) -> Option<Finding> {
    let Err(NoDaemon::Absent(why)) = &facts.daemon else {
        return None;
    };
    let what = "it does not run: nothing is offered, allocated or repaired";
    let file = facts.configured.file.as_ref();
    let mend = match (facts.kubelet.registration, file) {
        // By hand, without a cluster.
        (Some(Behind::NoSocket) | None, Some(file)) if !facts.places.in_pod => Mend::on_node(format!(
            "hardwired run --config {}",
            quoted(&file.display().to_string())
        )),
        _ => restart_daemon(facts),
    };
    // It starts with nothing, and with one good pool, but not with a configuration that is of no use.
    let refused = facts
        .configured
        .config
        .pools
        .is_empty()
        .then(|| Cause::any(Name::PoolRefused));
    let causes = [Cause::any(Name::ConfigurationRefused)].into_iter().chain(refused);
    let found = Finding::mended_by(mend, Name::DaemonAbsent, Severity::Error, "hardwired", what);
    Some(found.because(why).since(facts.state.view_written).after(causes))
}

/// Leases of an earlier boot, one finding for all of a plugin.
fn owed(facts: &Facts) -> Vec<Finding> {
    let Some(boot) = &facts.state.boot else {
        return Vec::new();
    };
    let leases = facts.state.leases.iter().filter(|(lease, _)| lease.boot != *boot);
    let mut by_plugin = std::collections::BTreeMap::<&str, Vec<_>>::new();
    for (lease, since) in leases {
        by_plugin.entry(&lease.ipam.plugin).or_default().push((lease, *since));
    }
    let finding = |(plugin, leases): (&str, Vec<(&hardwire_cni::leases::Lease, _)>)| {
        let what = format!(
            "{} attachments of before the boot may still have their addresses",
            leases.len()
        );
        let how = "the daemon asks it again at growing intervals, and its log says why it refuses; other IPAM plugins than \
                   host-local, whereabouts and dhcp are asked if --ipam-by-container-id names them";
        let since = leases.iter().filter_map(|(_, since)| *since).min();
        Finding::by_hand(how, Name::LeaseOwed, Severity::Warning, plugin, what)
            .because("no DEL came for them, and the plugin has not released them yet")
            .devices(leases.iter().map(|(lease, _)| lease.device.to_string()))
            .since(since)
            .after([Cause::any(Name::DaemonAbsent)])
    };
    by_plugin.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_cannot_be_asked_is_not_called_absent() {
        let mut facts = Facts::sample();
        facts.daemon = Err(NoDaemon::Unheard("permission denied".to_owned()));
        assert_eq!(findings(&facts), []);
        facts.daemon = Err(NoDaemon::Absent("connection refused".to_owned()));
        assert_eq!(findings(&facts)[0].name, Name::DaemonAbsent);
    }
}
