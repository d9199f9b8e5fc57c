//! The systemd units for a node. What the one that makes VFs runs is tried on a card (`cni_igb`).

use hardwire_tests::binaries::hardwired;

use super::*;

/// What `systemd-analyze verify` has to say of a unit of that text and name, and of no other.
fn verify(name: &str, text: &str) {
    let place = tempfile::tempdir().unwrap();
    let unit = place.path().join(name);
    std::fs::write(&unit, text).unwrap();
    let output = match Command::new("systemd-analyze").arg("verify").arg(&unit).output() {
        Ok(output) => output,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "left out: systemd-analyze verify: {error}"));
            return;
        }
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {told}");
    let of_ours: Vec<&str> = told.lines().filter(|line| line.contains(name)).collect();
    assert!(of_ours.is_empty(), "{of_ours:?}");
}

#[test]
fn systemd_takes_the_units_as_they_are() {
    // An instance: the name of the PF is in the file's name.
    verify("sriov-vfs@ens1f0.service", &text("node/sriov-vfs@.service"));
    let unit = text("node/hardwired.service");
    let program = "/usr/local/bin/hardwired ";
    assert!(unit.contains(program));
    // It has to be there.
    verify(
        "hardwired.service",
        &unit.replace(program, &format!("{} ", hardwired().display())),
    );
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
