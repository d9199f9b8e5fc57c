//! The systemd unit that makes VFs at boot. What it runs is tried on a card (`cni_igb`).

use super::*;

#[test]
fn systemd_takes_the_unit_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    // An instance: the name of the PF is in the file's name.
    let unit = place.path().join("sriov-vfs@ens1f0.service");
    std::fs::copy(path("node/sriov-vfs@.service"), &unit).unwrap();
    // Folders of its own and no others: a unit of this machine that is wrong is not this test's.
    let verified = Command::new("systemd-analyze").arg("verify").arg(&unit).output();
    let output = match verified {
        Ok(output) => output,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "left out: systemd-analyze verify: {error}"));
            return;
        }
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let of_ours: Vec<&str> = told.lines().filter(|line| line.contains("sriov-vfs")).collect();
    assert!(of_ours.is_empty(), "{of_ours:?}");
}

/// The kubelet is not kept from starting: the unit ends, whether its PF comes or not.
#[test]
fn the_unit_is_given_up_when_its_pf_does_not_come() {
    let unit = text("node/sriov-vfs@.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let seconds: u32 = value("JobTimeoutSec").unwrap().parse().unwrap();
    // Ten of them are for the carrier.
    assert!((20..90).contains(&seconds), "{seconds}");
    assert_eq!(value("Before"), Some("kubelet.service"));
    assert!(
        value("RequiredBy").is_none() && !unit.contains("Requires=kubelet"),
        "{unit}"
    );
}
