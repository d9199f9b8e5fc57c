//! Devices whose pods are gone: namespaces that live on, and attachments that nobody ended.

use std::time::{Duration, SystemTime};

use hardwire_cni::journal::Ending;

use super::commands::{our_program, plain_word, quoted};
use crate::ask::fix::Fix;
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::state::Attached;
use crate::commands::doctor::finding::{Cause, Finding, Mend, Severity};
use crate::commands::doctor::name::Name;

/// A pod that ends leaves the kubelet's list some time before its namespace goes, and a DEL takes its time.
const ENDING: Duration = Duration::from_secs(60);
/// A kubelet that has just started lists no pods until it has heard of them.
const HEARING: Duration = Duration::from_secs(300);
/// Where runtimes name namespaces, and `ip netns` finds them.
const NAMED: [&str; 2] = ["/run/netns/", "/var/run/netns/"];

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let attached = facts.state.attachments.values();
    let mut found: Vec<Finding> = attached
        .filter(|attached| is_older(facts, attached.since, ENDING))
        .filter_map(|attached| left(facts, attached).or_else(|| leaked(facts, attached)))
        .collect();
    found.extend(facts.state.unreadable.iter().map(|record| {
        let what = "this record of the journal is not understood: its device is in use, as far as anybody can tell";
        let how =
            "delete its pod: the DEL ends what can be ended; of another version's record, go back to that version";
        let file = record.path.display().to_string();
        Finding::by_hand(how, Name::RecordUnreadable, Severity::Error, file, what).because(&record.reason)
    }));
    found
}

fn is_older(facts: &Facts, since: Option<SystemTime>, age: Duration) -> bool {
    let since = since.and_then(|since| facts.now.duration_since(since).ok());
    since.is_some_and(|old| old > age)
}

fn left(facts: &Facts, attached: &Attached) -> Option<Finding> {
    if !attached.is_abandoned {
        return None;
    }
    let device = &attached.record.device;
    let what = format!(
        "its attachment to {} was never ended: it is not given out",
        attached.owner()
    );
    let why = if attached.record.ending == Some(Ending::Del) {
        "a DEL came and did not come to its end: it was killed, or could not give the device back".to_owned()
    } else {
        format!(
            "the namespace {} is gone, and no DEL came",
            attached.record.owner.netns_path
        )
    };
    let held = facts.kubelet.held.as_ref().ok();
    let holder = held.and_then(|held| held.holder(&device.to_string()));
    let (name, severity) = (Name::AttachmentLeft, Severity::Warning);
    let found = if let Some(holder) = holder {
        Finding::by_hand(
            format!(
                "see what the pod is waiting for: kubectl -n {} describe pod {}",
                quoted(&holder.namespace),
                quoted(&holder.pod)
            ),
            name,
            severity,
            device.to_string(),
            format!(
                "{what}, and the kubelet says that {}/{} has it",
                holder.namespace, holder.pod
            ),
        )
    } else {
        let mend = our_program(facts, "doctor --fix");
        Finding::mended_by(mend, name, severity, device.to_string(), what).fixed_by(Fix::Release(device.clone()))
    };
    let causes = [Cause::any(Name::DaemonAbsent), Cause::any(Name::StateNotShared)];
    Some(found.because(why).since(attached.since).after(causes))
}

/// Its pod is one of Kubernetes', the kubelet runs it no more, and its namespace lives.
///
/// The kubelet's list is one witness, and none until it has heard of its pods: while it is empty or its socket young, nothing is
/// concluded. The other witness are processes in the namespace: a pod may live in it. Where they cannot be seen it is for a person
/// to look.
fn leaked(facts: &Facts, attached: &Attached) -> Option<Finding> {
    let pod = attached.record.pod.as_ref().filter(|_| !attached.is_hidden)?;
    let held = facts.kubelet.held.as_ref().ok()?;
    let has_heard = held.has_pods() && is_older(facts, facts.kubelet.listening_since, HEARING);
    if !has_heard || held.runs(&pod.namespace, &pod.name) || held.holder(&attached.record.device.to_string()).is_some()
    {
        return None;
    }
    let owner = &attached.record.owner;
    let what = format!(
        "the kubelet runs {} no more, and the device is in its namespace {}",
        attached.owner(),
        owner.netns_path
    );
    let (severity, mend, why) = match attached.processes {
        Some(0) => (
            Severity::Error,
            end(&owner.netns_path),
            "no process is in it: the runtime never ended the sandbox, or somebody keeps its namespace; while it lives, nothing is \
             released",
        ),
        Some(_) => (
            Severity::Warning,
            look(owner.container_id.as_str()),
            "processes are in it: the runtime has not ended the sandbox, or the pod lives and the kubelet does not say so",
        ),
        None => (
            Severity::Warning,
            look(owner.container_id.as_str()),
            "the kubelet's list alone says so: which processes are in it cannot be seen from here",
        ),
    };
    let device = attached.record.device.to_string();
    Some(
        Finding::mended_by(mend, Name::NetnsLeaked, severity, device, what)
            .because(why)
            .since(attached.since),
    )
}

/// What ends a namespace that nobody is in. Its path was parsed by nobody.
fn end(path: &str) -> Mend {
    let name = NAMED.iter().find_map(|directory| path.strip_prefix(directory));
    match name.and_then(plain_word) {
        Some(name) => Mend::on_node(format!("ip netns delete {name}")),
        None => Mend::by_hand(format!("see who keeps the namespace {path:?}, and end that")),
    }
}

/// For a person, who sees whether the pod lives.
fn look(container: &str) -> Mend {
    let sandbox = plain_word(container).unwrap_or("SANDBOX");
    Mend::by_hand(format!(
        "look for the pod first (kubectl get pod -A; on the node: crictl pods --id {sandbox}). Where it is gone from the cluster and \
         its sandbox is still there, on the node: crictl rmp -f {sandbox}"
    ))
}

#[cfg(test)]
#[path = "attachments_tests.rs"]
mod tests;
