//! The conversation with the kubelet: whether it listens, knows our pools, and tells who holds what.

use std::path::{Path, PathBuf};

use super::commands::{patch_volume, restart_daemon};
use crate::commands::doctor::facts::{Facts, NoDaemon};
use crate::commands::doctor::finding::{Cause, Finding, Mend, Severity};
use crate::commands::doctor::name::Name;
use crate::events::socket::Behind;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(absent(facts));
    found.extend(other_root(facts));
    found.extend(unheard(facts));
    found.extend(unregistered(facts));
    found
}

fn absent(facts: &Facts) -> Option<Finding> {
    let why = match facts.kubelet.registration? {
        Behind::Somebody => return None,
        Behind::Nobody => "its socket is there and nobody serves it: the kubelet was killed",
        Behind::NoSocket if facts.kubelet.has_directory => "its socket is not there",
        Behind::NoSocket => {
            "its directory is not there (--kubelet-dir, or the daemon's --device-plugin-dir, names another)"
        }
    };
    let directory = facts.places.device_plugins.display().to_string();
    let what = "no kubelet listens for device plugins here: the node has no resource of ours";
    let runs = facts
        .kubelet
        .processes
        .as_ref()
        .is_some_and(|processes| !processes.is_empty());
    let mend = if runs || facts.kubelet.has_service == Some(true) {
        Mend::on_node("systemctl restart kubelet")
    } else {
        Mend::by_hand(
            "start the kubelet, by the service that runs it on this node (kubelet; k3s and rke2: their own service)",
        )
    };
    let found = Finding::mended_by(mend, Name::KubeletAbsent, Severity::Error, directory, what);
    Some(match facts.kubelet.processes.as_deref() {
        Some([]) => found.because(format!("{why}, and no kubelet runs")),
        Some([process, ..]) => found.because(format!("{why}; a kubelet runs as process {}", process.pid)),
        None => found.because(why),
    })
}

/// The root of the running kubelet, where that is not where the podresources socket is looked for.
fn foreign_root(facts: &Facts) -> Option<PathBuf> {
    let kubelets = facts.kubelet.processes.as_ref()?;
    let looked_for = facts.places.pod_resources.parent().unwrap_or_else(|| Path::new("/"));
    if kubelets.iter().any(|process| process.root == looked_for) {
        return None;
    }
    kubelets.first().map(|process| process.root.clone())
}

fn other_root(facts: &Facts) -> Option<Finding> {
    facts.kubelet.held.as_ref().err()?;
    let root = foreign_root(facts)?;
    let theirs = root.join("pod-resources").display().to_string();
    let ours = &facts.places.pod_resources;
    let what = format!(
        "the kubelet's root directory is {}, and its podresources are looked for in {}",
        root.display(),
        ours.display()
    );
    let mend = if facts.places.pod.is_some() {
        patch_volume(facts, "pod-resources", &theirs)
    } else {
        Mend::by_hand(format!(
            "where hardwired is a DaemonSet, give its volume pod-resources the hostPath {theirs:?}; else start it anew with \
             --pod-resources-dir {theirs:?}"
        ))
    };
    let name = Name::KubeletOtherRoot;
    let found = Finding::mended_by(mend, name, Severity::Error, root.display().to_string(), what);
    Some(found.because("so the kubelet that runs here was started (--root-dir, else /var/lib/kubelet)"))
}

/// What deploy/ mounts is what most kubelets have: where that is not it, only the kubelet's arguments tell.
fn unheard(facts: &Facts) -> Option<Finding> {
    let why = facts.kubelet.held.as_ref().err()?;
    let directory = facts.places.pod_resources.display().to_string();
    let what =
        "the kubelet does not tell which pod holds which device: no VF is compared, and nothing is released on request";
    let how = "look for the kubelet's --root-dir (on the node: ps -o args= -C kubelet), and give the daemon the pod-resources \
               directory below it: as the hostPath of that volume, or by --pod-resources-dir";
    let found = Finding::by_hand(how, Name::PodresourcesUnheard, Severity::Warning, directory, what);
    let causes = [Cause::any(Name::KubeletOtherRoot), Cause::any(Name::KubeletAbsent)];
    Some(found.because(why).after(causes))
}

/// Pools that the kubelet does not know, by the daemon's word, else by the kubelet's checkpoint.
fn unregistered(facts: &Facts) -> Vec<Finding> {
    let pools: Vec<(String, String)> = match &facts.daemon {
        Ok(running) => running
            .unregistered
            .iter()
            .map(|resource| {
                (
                    resource.clone(),
                    "it took no registration, or ended the stream".to_owned(),
                )
            })
            .collect(),
        Err(NoDaemon::Unheard(_)) => Vec::new(),
        Err(NoDaemon::Absent(_)) => facts
            .configured
            .config
            .pools
            .iter()
            .map(|pool| pool.resource.clone())
            .filter(|resource| {
                let endpoint = resource.endpoint();
                let mut sockets = facts.kubelet.plugins.iter();
                !sockets.any(|socket| socket.name == endpoint && socket.behind == Behind::Somebody)
            })
            .map(|resource| (resource.to_string(), "nobody serves its socket".to_owned()))
            .collect(),
    };
    let finding = |(resource, why): (String, String)| {
        let what = "the kubelet does not listen to this pool: the node has 0 of it";
        let name = Name::KubeletNotRegistered;
        let causes = [Cause::any(Name::KubeletAbsent), Cause::any(Name::DaemonAbsent)];
        let found = Finding::mended_by(restart_daemon(facts), name, Severity::Error, resource, what);
        found.because(why).after(causes)
    };
    pools.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::own_pod::OwnPod;
    use crate::commands::doctor::facts::kubelet::KubeletProcess;

    fn kubelet_at(root: &str, looked_for: &str) -> Facts {
        let mut facts = Facts::sample();
        facts.kubelet.held = Err("no socket".to_owned());
        facts.places.pod_resources = looked_for.into();
        facts.kubelet.processes = Some(vec![KubeletProcess {
            pid: 7,
            root: root.into(),
        }]);
        facts
    }

    #[test]
    fn another_root_is_told_from_either_side() {
        let usual = "/var/lib/kubelet";
        assert_eq!(other_root(&kubelet_at(usual, "/var/lib/kubelet/pod-resources")), None);
        let theirs = kubelet_at("/data/kubelet", "/var/lib/kubelet/pod-resources");
        assert!(
            matches!(other_root(&theirs).unwrap().mend, Mend::ByHand(how) if how.contains("/data/kubelet/pod-resources"))
        );
        let ours = kubelet_at(usual, "/data/kubelet/pod-resources");
        assert!(
            other_root(&ours).is_some(),
            "the daemon's own --kubelet-dir is the wrong one"
        );
    }

    #[test]
    fn a_process_that_only_calls_itself_kubelet_puts_nothing_into_a_command() {
        let mut facts = kubelet_at("/x'; reboot; '", "/var/lib/kubelet/pod-resources");
        facts.places.pod = Some(OwnPod {
            namespace: "a".to_owned(),
            name: "hardwired-abcde".to_owned(),
            node: "n".to_owned(),
        });
        assert!(matches!(other_root(&facts).unwrap().mend, Mend::ByHand(_)));
    }

    #[test]
    fn a_service_is_restarted_by_a_command_only_where_there_is_one() {
        let mut facts = Facts::sample();
        facts.kubelet.registration = Some(Behind::NoSocket);
        let command = Mend::on_node("systemctl restart kubelet");
        assert_eq!(absent(&facts).unwrap().mend, command);
        for has_service in [Some(false), None] {
            facts.kubelet.has_service = has_service;
            assert!(matches!(absent(&facts).unwrap().mend, Mend::ByHand(how) if how.contains("k3s")));
        }
        facts.kubelet.processes = kubelet_at("/var/lib/kubelet", "/p").kubelet.processes;
        assert_eq!(absent(&facts).unwrap().mend, command);
        facts.kubelet.has_directory = false;
        assert!(absent(&facts).unwrap().why.unwrap().contains("--kubelet-dir"));
    }

    #[test]
    fn without_a_word_from_the_daemon_nothing_is_said_of_its_pools() {
        let mut facts = Facts::sample();
        facts.daemon = Err(NoDaemon::Unheard("permission denied".to_owned()));
        assert_eq!(unregistered(&facts), []);
        facts.daemon = Err(NoDaemon::Absent("connection refused".to_owned()));
        assert_eq!(unregistered(&facts).len(), 1);
    }
}
