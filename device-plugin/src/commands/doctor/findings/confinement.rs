//! What the daemon may not do, and who forbids it: a right that is not there, a seccomp or an `AppArmor` profile.

use super::commands::{container, patch_container, patch_pod};
use crate::ask::rights::{Attempt, DAC_OVERRIDE, NET_ADMIN, SYS_ADMIN};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::{Finding, Mend, Severity};
use crate::commands::doctor::name::Name;

const NEEDED: [(u32, &str, &str); 3] = [
    (NET_ADMIN, "NET_ADMIN", "interfaces and VFs cannot be put back"),
    (SYS_ADMIN, "SYS_ADMIN", "pods' network namespaces cannot be entered"),
    (
        DAC_OVERRIDE,
        "DAC_OVERRIDE",
        "IPAM plugins that repair runs cannot read what their ADD wrote",
    ),
];

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let rights = &facts.rights;
    let mut found: Vec<Finding> = NEEDED
        .iter()
        .filter(|(capability, ..)| !rights.may(*capability))
        .map(|(_, name, meaning)| {
            let security = "{capabilities: {drop: [ALL], add: [NET_ADMIN, SYS_ADMIN, DAC_OVERRIDE]}}";
            let mend = patch_container(facts, security);
            let subject = format!("CAP_{name}");
            Finding::mended_by(
                mend,
                Name::RightMissing,
                Severity::Error,
                subject,
                format!("it is missing: {meaning}"),
            )
        })
        .collect();
    found.extend(
        [Attempt::Netlink, Attempt::EnterNamespace, Attempt::WriteSysfs]
            .into_iter()
            .filter_map(|attempt| refused(facts, attempt)),
    );
    found
}

fn refused(facts: &Facts, attempt: Attempt) -> Option<Finding> {
    let rights = &facts.rights;
    let refusal = rights.refusal(attempt)?;
    let error = &refusal.error;
    // Told of already.
    if attempt == Attempt::EnterNamespace && !rights.may(SYS_ADMIN) {
        return None;
    }
    let (subject, meaning) = match attempt {
        Attempt::Netlink => ("netlink", "the kernel cannot be asked about any link"),
        Attempt::EnterNamespace => (
            "setns(2)",
            "pods' network namespaces cannot be entered, so nothing is repaired",
        ),
        Attempt::WriteSysfs => ("/sys", "VLANs cannot be taken out of the trunk of a VF"),
    };
    let unconfined = |profile: &str| {
        (
            Name::ApparmorDenies,
            patch_container(facts, "{appArmorProfile: {type: Unconfined}}"),
            format!("the AppArmor profile {profile} forbids it: {error}"),
        )
    };
    // Of a system call that needs no more than what is there, only a filter says no; of a file, only a profile or a mount.
    let (name, mend, why) = match (&rights.apparmor, attempt) {
        (_, Attempt::WriteSysfs) if refusal.is_read_only => (
            Name::RightMissing,
            patch_pod(facts, &writable_sys(facts)),
            format!("/sys is mounted read-only, as in every container that has no mount of its own there: {error}"),
        ),
        (Some(profile), Attempt::WriteSysfs) => unconfined(profile),
        (_, Attempt::WriteSysfs) => (
            Name::RightMissing,
            Mend::by_hand("run it as root (runAsUser: 0), and where SELinux enforces as spc_t, as in deploy/base"),
            format!("this is not root, or SELinux forbids it: {error}"),
        ),
        _ if rights.is_filtered => (
            Name::SeccompDenies,
            patch_container(facts, "{seccompProfile: {type: RuntimeDefault}}"),
            format!("a seccomp filter judges the system calls of this process: {error}"),
        ),
        (Some(profile), _) => unconfined(profile),
        _ => (
            Name::RightMissing,
            Mend::by_hand("run it as root, with the capabilities of deploy/base"),
            format!("the system says: {error}"),
        ),
    };
    Some(Finding::mended_by(mend, name, Severity::Error, subject, what(meaning)).because(why))
}

fn what(meaning: &str) -> String {
    format!("it is denied: {meaning}")
}

/// The node's /sys at its place.
fn writable_sys(facts: &Facts) -> String {
    let container = container(facts);
    format!(
        "{{volumes: [{{name: sys, hostPath: {{path: /sys, type: Directory}}}}], containers: [{{name: {container}, \
         volumeMounts: [{{name: sys, mountPath: /sys, readOnly: false}}]}}]}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::rights::{Refused, Rights};

    fn with(what: Attempt, apparmor: Option<&str>, is_filtered: bool) -> Facts {
        let mut facts = Facts::sample();
        facts.rights = Rights {
            capabilities: Some(u64::MAX),
            is_filtered,
            apparmor: apparmor.map(str::to_owned),
            refused: vec![Refused {
                what,
                error: "EACCES".to_owned(),
                is_read_only: false,
            }],
        };
        facts
    }

    #[test]
    fn who_denies_is_named() {
        let profile = Some("cri-containerd.apparmor.d");
        for (what, apparmor, is_filtered, name) in [
            (Attempt::WriteSysfs, profile, true, Name::ApparmorDenies),
            (Attempt::WriteSysfs, None, true, Name::RightMissing),
            (Attempt::EnterNamespace, None, true, Name::SeccompDenies),
            (Attempt::EnterNamespace, profile, false, Name::ApparmorDenies),
            (Attempt::Netlink, profile, true, Name::SeccompDenies),
        ] {
            let found = refused(&with(what, apparmor, is_filtered), what);
            assert_eq!(found.map(|found| found.name), Some(name), "{what:?} {apparmor:?}");
        }
    }

    #[test]
    fn a_read_only_sys_is_mended_by_a_mount_and_not_by_an_identity() {
        let mut facts = with(Attempt::WriteSysfs, Some("cri-containerd.apparmor.d"), false);
        facts.rights.refused[0].is_read_only = true;
        let found = refused(&facts, Attempt::WriteSysfs).unwrap();
        assert_eq!(found.name, Name::RightMissing);
        assert!(
            matches!(&found.mend, Mend::Command { text, .. } if text.contains("hostPath: {path: /sys")),
            "{found:?}"
        );
    }

    #[test]
    fn a_missing_capability_is_one_finding_and_not_two() {
        let mut facts = with(Attempt::EnterNamespace, None, true);
        facts.rights.capabilities = Some(1 << NET_ADMIN | 1 << DAC_OVERRIDE);
        assert_eq!(refused(&facts, Attempt::EnterNamespace), None);
        assert_eq!(findings(&facts).len(), 1);
    }
}
