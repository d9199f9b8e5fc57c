//! The conversation with the kubelet: whether it listens, knows our pools, and tells who holds what.

use std::path::{Path, PathBuf};

use super::commands::{patch_volume, quoted, restart_daemon};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::{Cause, Finding, Severity};
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
        Behind::NoSocket => "its directory is not there",
    };
    let directory = facts.places.device_plugins.display().to_string();
    let what = "no kubelet listens for device plugins here: the node has no resource of ours";
    let found = Finding::mended_by(
        "systemctl restart kubelet",
        Name::KubeletAbsent,
        Severity::Error,
        directory,
        what,
    );
    let found = match facts.kubelet.processes.as_deref() {
        Some([]) => found.because(format!("{why}, and no kubelet runs")),
        Some([process, ..]) => found.because(format!("{why}; a kubelet runs as process {}", process.pid)),
        None => found.because(why),
    };
    Some(found.after([Cause::any(Name::KubeletOtherRoot)]))
}

/// The root of a running kubelet that is not where the podresources socket is looked for.
fn foreign_root(facts: &Facts) -> Option<PathBuf> {
    let mut roots = facts
        .kubelet
        .processes
        .iter()
        .flatten()
        .filter_map(|process| process.root.as_deref());
    let looked_for = facts.places.pod_resources.parent().unwrap_or_else(|| Path::new("/"));
    roots.find(|root| *root != looked_for).map(Path::to_owned)
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
    let command = if facts.places.in_pod || facts.places.pod_resources == Path::new("/var/lib/kubelet/pod-resources") {
        patch_volume("pod-resources", &theirs)
    } else {
        let config = facts.configured.file.as_deref().unwrap_or_else(|| Path::new("FILE"));
        let config = quoted(&config.display().to_string());
        format!(
            "hardwired run --config {config} --pod-resources-dir {}",
            quoted(&theirs)
        )
    };
    let name = Name::KubeletOtherRoot;
    let found = Finding::mended_by(command, name, Severity::Error, root.display().to_string(), what);
    Some(found.because(format!("the kubelet was started with --root-dir={}", root.display())))
}

fn unheard(facts: &Facts) -> Option<Finding> {
    let why = facts.kubelet.held.as_ref().err()?;
    let directory = facts.places.pod_resources.display().to_string();
    let what =
        "the kubelet does not tell which pod holds which device: no VF is compared, and nothing is released on request";
    let command = patch_volume("pod-resources", "/var/lib/kubelet/pod-resources");
    let found = Finding::mended_by(command, Name::PodresourcesUnheard, Severity::Warning, directory, what);
    let causes = [Cause::any(Name::KubeletOtherRoot), Cause::any(Name::KubeletAbsent)];
    Some(found.because(why).after(causes))
}

/// Pools that the kubelet does not know, by the daemon's word, else by the kubelet's checkpoint.
fn unregistered(facts: &Facts) -> Vec<Finding> {
    let restart = restart_daemon(&quoted(&facts.places.node));
    let since = facts
        .kubelet
        .checkpoint
        .as_ref()
        .and_then(|checkpoint| checkpoint.written);
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
        Err(_) => facts
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
        let found = Finding::mended_by(&restart, name, Severity::Error, resource, what);
        found.because(why).since(since).after(causes)
    };
    pools.into_iter().map(finding).collect()
}
