//! Devices whose pods are gone: namespaces that live on, and attachments that nobody ended.

use std::path::Path;
use std::time::Duration;

use crate::ask::fix::Fix;
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::state::Attached;
use crate::commands::doctor::finding::{Cause, Finding, Severity};
use crate::commands::doctor::name::Name;

/// A pod that ends leaves the kubelet's list some time before its namespace goes.
const ENDING: Duration = Duration::from_secs(60);

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let attached = facts.state.attachments.values();
    let mut found: Vec<Finding> = attached
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

fn left(facts: &Facts, attached: &Attached) -> Option<Finding> {
    if !attached.is_abandoned {
        return None;
    }
    let device = &attached.record.device;
    let what = format!(
        "its attachment to {} was never ended: it is not given out",
        attached.owner()
    );
    let why = format!(
        "the namespace {} is gone, and no DEL came, or none that could end it",
        attached.record.owner.netns_path
    );
    let held = facts.kubelet.held.as_ref().ok();
    let holder = held.and_then(|held| held.holder(&device.to_string()));
    let (name, severity) = (Name::AttachmentLeft, Severity::Warning);
    let found = match holder {
        Some(holder) => Finding::by_hand(
            format!(
                "see what the pod is waiting for: kubectl -n {} describe pod {}",
                holder.namespace, holder.pod
            ),
            name,
            severity,
            device.to_string(),
            format!(
                "{what}, and the kubelet says that {}/{} has it",
                holder.namespace, holder.pod
            ),
        ),
        None => Finding::mended_by("hardwired doctor --fix", name, severity, device.to_string(), what)
            .fixed_by(Fix::Release(device.clone())),
    };
    let causes = [Cause::any(Name::DaemonAbsent), Cause::any(Name::StateNotShared)];
    Some(found.because(why).since(attached.since).after(causes))
}

/// Its pod is one of Kubernetes', the kubelet runs it no more, and its namespace lives.
fn leaked(facts: &Facts, attached: &Attached) -> Option<Finding> {
    let pod = attached.record.pod.as_ref().filter(|_| !attached.is_hidden)?;
    let held = facts.kubelet.held.as_ref().ok()?;
    let is_old = attached
        .since
        .and_then(|since| facts.now.duration_since(since).ok())
        .is_some_and(|age| age > ENDING);
    if held.runs(&pod.namespace, &pod.name) || held.holder(&attached.record.device.to_string()).is_some() || !is_old {
        return None;
    }
    let path = &attached.record.owner.netns_path;
    let command = end(path)?;
    let what = format!(
        "the kubelet runs {} no more, and the device is in its namespace {path}",
        attached.owner()
    );
    let device = attached.record.device.to_string();
    Some(
        Finding::mended_by(command, Name::NetnsLeaked, Severity::Error, device, what)
            .because("the runtime never ended the sandbox, or somebody keeps its namespace; while it lives, nothing is released")
            .since(attached.since),
    )
}

/// What ends a namespace. Its path was parsed by nobody: it is a word of a shell only if it is a plain one.
fn end(path: &str) -> Option<String> {
    if let Some(pid) = path
        .strip_prefix("/proc/")
        .and_then(|rest| rest.strip_suffix("/ns/net"))
    {
        return pid.parse::<u32>().ok().map(|pid| format!("kill {pid}"));
    }
    let name = Path::new(path).file_name()?.to_str()?;
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_plain.then(|| format!("ip netns delete {name}"))
}
