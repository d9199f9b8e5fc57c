//! What the daemon may not do, and who forbids it: a right that is not there, a seccomp or an `AppArmor` profile.

use rustix::io::Errno;

use super::commands::{patch_container, patch_of_container};
use crate::ask::rights::{Attempt, DAC_OVERRIDE, NET_ADMIN, Refused, Rights, SYS_ADMIN};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::{Finding, Mend, Severity};
use crate::commands::doctor::name::Name;

/// The filter that lets the daemon's system calls pass.
const DEFAULT_FILTER: &str = "{seccompProfile: {type: RuntimeDefault}}";

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
    let (name, mend, why) = match denier(rights, refusal) {
        Denier::ReadOnly => (
            Name::RightMissing,
            patch_of_container(
                facts,
                "volumeMounts: [{name: sys, mountPath: /sys, readOnly: false}]",
                "volumes: [{name: sys, hostPath: {path: /sys, type: Directory}}], ",
            ),
            format!("/sys is mounted read-only, as in every container that has no mount of its own there: {error}"),
        ),
        Denier::AppArmor(profile) => (
            Name::ApparmorDenies,
            unconfined(facts),
            format!("the AppArmor profile {profile} forbids it: {error}"),
        ),
        Denier::Seccomp => (
            Name::SeccompDenies,
            patch_container(facts, DEFAULT_FILTER),
            format!("a seccomp filter judges the system calls of this process: {error}"),
        ),
        Denier::Either(profile) => (
            Name::SeccompDenies,
            Mend::by_hand(format!(
                "see which of both it is, in the node's log (dmesg, or journalctl -k: type=1326 is seccomp, apparmor=\"DENIED\" \
                 the profile); then in the DaemonSet the seccompProfile RuntimeDefault, or the AppArmor profile Unconfined instead \
                 of {profile}"
            )),
            format!("a seccomp filter or the AppArmor profile {profile} forbids it: {error}"),
        ),
        Denier::Identity => (
            Name::RightMissing,
            Mend::by_hand(
                "run it as root (runAsUser: 0) with the capabilities of deploy/base, and where SELinux enforces as spc_t, as there",
            ),
            format!("this is not root, or SELinux forbids it: {error}"),
        ),
    };
    Some(Finding::mended_by(mend, name, Severity::Error, subject, what(meaning)).because(why))
}

/// Who says no.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Denier<'a> {
    ReadOnly,
    AppArmor(&'a str),
    Seccomp,
    /// One of both: what the system says is what either says.
    Either(&'a str),
    Identity,
}

/// `AppArmor` denies files and sockets with EACCES and capabilities with EPERM, seccomp (as runtimes write its profiles) system calls
/// with EPERM, and no file by its name.
fn denier<'a>(rights: &'a Rights, refused: &Refused) -> Denier<'a> {
    let profile = rights.apparmor.as_deref();
    let error = refused.errno.map(Errno::from_raw_os_error);
    let is_filtered = rights.is_filtered && refused.what != Attempt::WriteSysfs;
    match (error, profile) {
        (Some(Errno::ROFS), _) => Denier::ReadOnly,
        (Some(Errno::ACCESS), Some(profile)) => Denier::AppArmor(profile),
        (Some(Errno::ACCESS), None) => Denier::Identity,
        // A netlink socket takes no capability.
        (Some(Errno::PERM), Some(_)) if is_filtered && refused.what == Attempt::Netlink => Denier::Seccomp,
        (_, Some(profile)) if is_filtered => Denier::Either(profile),
        (_, Some(profile)) => Denier::AppArmor(profile),
        (_, None) if is_filtered => Denier::Seccomp,
        (_, None) => Denier::Identity,
    }
}

/// The field is known from Kubernetes 1.30 on, which takes no annotation for it any more when it makes pods anew.
fn unconfined(facts: &Facts) -> Mend {
    patch_container(facts, "{appArmorProfile: {type: Unconfined}}").once(
        "before Kubernetes 1.30 there is no such field: there, the pod template's annotation \
         container.apparmor.security.beta.kubernetes.io/CONTAINER: unconfined (deploy/before-1.30)",
    )
}

fn what(meaning: &str) -> String {
    format!("it is denied: {meaning}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: Option<&str> = Some("cri-containerd.apparmor.d");

    fn with(what: Attempt, error: Errno, apparmor: Option<&str>, is_filtered: bool) -> Facts {
        let mut facts = Facts::sample();
        facts.rights = Rights {
            capabilities: Some(u64::MAX),
            is_filtered,
            apparmor: apparmor.map(str::to_owned),
            refused: vec![Refused {
                what,
                error: error.to_string(),
                errno: Some(error.raw_os_error()),
            }],
        };
        facts
    }

    /// Under containerd both a filter and a profile are on: only the error tells them apart.
    #[test]
    fn who_denies_is_named_by_what_the_system_says() {
        use Attempt::{EnterNamespace, Netlink, WriteSysfs};

        for (what, error, apparmor, is_filtered, name) in [
            (WriteSysfs, Errno::ACCESS, PROFILE, true, Name::ApparmorDenies),
            (WriteSysfs, Errno::ACCESS, None, true, Name::RightMissing),
            (WriteSysfs, Errno::PERM, None, true, Name::RightMissing),
            (EnterNamespace, Errno::PERM, None, true, Name::SeccompDenies),
            (EnterNamespace, Errno::PERM, PROFILE, false, Name::ApparmorDenies),
            (EnterNamespace, Errno::ACCESS, PROFILE, true, Name::ApparmorDenies),
            (Netlink, Errno::ACCESS, PROFILE, true, Name::ApparmorDenies),
            (Netlink, Errno::PERM, PROFILE, true, Name::SeccompDenies),
            (Netlink, Errno::ACCESS, None, true, Name::RightMissing),
            (Netlink, Errno::PERM, None, false, Name::RightMissing),
        ] {
            let found = refused(&with(what, error, apparmor, is_filtered), what);
            assert_eq!(
                found.map(|found| found.name),
                Some(name),
                "{what:?} {error:?} {apparmor:?}"
            );
        }
    }

    #[test]
    fn where_either_may_deny_both_are_named_and_none_is_changed_by_a_command() {
        let mut facts = with(Attempt::EnterNamespace, Errno::PERM, PROFILE, true);
        for errno in [Some(Errno::PERM.raw_os_error()), None] {
            facts.rights.refused[0].errno = errno;
            let found = refused(&facts, Attempt::EnterNamespace).unwrap();
            let Mend::ByHand(how) = &found.mend else {
                panic!("{found:?}")
            };
            assert!(how.contains("RuntimeDefault") && how.contains("Unconfined"), "{how}");
            assert!(
                found
                    .why
                    .unwrap()
                    .contains("seccomp filter or the AppArmor profile cri-containerd")
            );
        }
    }

    #[test]
    fn a_read_only_sys_is_mended_by_a_mount_and_not_by_an_identity() {
        let facts = with(Attempt::WriteSysfs, Errno::ROFS, PROFILE, false);
        let found = refused(&facts, Attempt::WriteSysfs).unwrap();
        assert_eq!(found.name, Name::RightMissing);
        assert!(
            matches!(&found.mend, Mend::Considered { text, .. } if text.contains("hostPath: {path: /sys")),
            "{found:?}"
        );
    }

    #[test]
    fn the_field_that_older_clusters_do_not_know_is_not_given_without_a_word() {
        let facts = with(Attempt::WriteSysfs, Errno::ACCESS, PROFILE, false);
        let Mend::Considered { how, text, .. } = refused(&facts, Attempt::WriteSysfs).unwrap().mend else {
            panic!("a command alone")
        };
        assert!(
            how.contains("before Kubernetes 1.30") && how.contains("container.apparmor.security.beta"),
            "{how}"
        );
        assert!(text.contains("appArmorProfile: {type: Unconfined}"), "{text}");
    }

    #[test]
    fn a_missing_capability_is_one_finding_and_not_two() {
        let mut facts = with(Attempt::EnterNamespace, Errno::PERM, None, true);
        facts.rights.capabilities = Some(1 << NET_ADMIN | 1 << DAC_OVERRIDE);
        assert_eq!(refused(&facts, Attempt::EnterNamespace), None);
        assert_eq!(findings(&facts).len(), 1);
    }
}
