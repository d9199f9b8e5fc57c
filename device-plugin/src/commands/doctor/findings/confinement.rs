//! What the daemon may not do, and who forbids it: a right that is not there, a seccomp or an `AppArmor` profile.

use super::commands::patch_container;
use crate::ask::rights::{Attempt, DAC_OVERRIDE, NET_ADMIN, Rights, SYS_ADMIN};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::{Finding, Severity};
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
            let command = patch_container("{capabilities: {drop: [ALL], add: [NET_ADMIN, SYS_ADMIN, DAC_OVERRIDE]}}");
            let subject = format!("CAP_{name}");
            Finding::mended_by(
                command,
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
            .filter_map(|attempt| refused(rights, attempt)),
    );
    found
}

fn refused(rights: &Rights, attempt: Attempt) -> Option<Finding> {
    let error = rights.refusal(attempt)?;
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
    let what = format!("it is denied: {meaning}");
    // Of a system call that needs no more than what is there, only a filter says no; of a file, only a profile or a mount.
    let (name, command, why) = match (&rights.apparmor, attempt) {
        (Some(profile), Attempt::WriteSysfs) => (
            Name::ApparmorDenies,
            patch_container("{appArmorProfile: {type: Unconfined}}"),
            format!("the AppArmor profile {profile} forbids it: {error}"),
        ),
        (_, Attempt::WriteSysfs) => (
            Name::RightMissing,
            patch_container("{runAsUser: 0}"),
            format!("/sys is mounted read-only, or this is not root: {error}"),
        ),
        _ if rights.is_filtered => (
            Name::SeccompDenies,
            patch_container("{seccompProfile: {type: RuntimeDefault}}"),
            format!("a seccomp filter judges the system calls of this process: {error}"),
        ),
        (Some(profile), _) => (
            Name::ApparmorDenies,
            patch_container("{appArmorProfile: {type: Unconfined}}"),
            format!("the AppArmor profile {profile} forbids it: {error}"),
        ),
        _ => (
            Name::RightMissing,
            patch_container("{privileged: false, runAsUser: 0}"),
            format!("the system says: {error}"),
        ),
    };
    Some(Finding::mended_by(command, name, Severity::Error, subject, what).because(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::rights::Refused;

    fn rights(what: Attempt, apparmor: Option<&str>, is_filtered: bool) -> Rights {
        Rights {
            capabilities: Some(u64::MAX),
            is_filtered,
            apparmor: apparmor.map(str::to_owned),
            refused: vec![Refused {
                what,
                error: "EPERM".to_owned(),
            }],
        }
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
            let found = refused(&rights(what, apparmor, is_filtered), what);
            assert_eq!(found.map(|found| found.name), Some(name), "{what:?} {apparmor:?}");
        }
    }

    #[test]
    fn a_missing_capability_is_one_finding_and_not_two() {
        let without = Rights {
            capabilities: Some(1 << NET_ADMIN | 1 << DAC_OVERRIDE),
            ..rights(Attempt::EnterNamespace, None, true)
        };
        assert_eq!(refused(&without, Attempt::EnterNamespace), None);
    }
}
