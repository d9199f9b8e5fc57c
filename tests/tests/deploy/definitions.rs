//! Custom resources of others, as their own definitions have them. Nothing here runs `OpenShift` or Prometheus: what their API
//! servers would take is not yet what they do with it.

use std::io::Write;
use std::process::{Output, Stdio};

use hardwire_tests::binaries::peer;

use super::*;

/// What the definitions say to this text; `None` where the program or the definitions are not to be had.
fn checked(text: &str) -> Option<Output> {
    let program = peer("crd-check")?;
    let definitions = std::fs::read_dir(program.with_extension("d")).ok()?;
    let mut child = Command::new(&program)
        .args(definitions.map(|entry| entry.unwrap().path()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// Of these files, every object is one that a definition is for, and is as it says; and no change goes unnoticed.
#[track_caller]
fn are_as_defined(names: &[&str], spoilt: &[(&str, &str)]) {
    let whole: Vec<String> = names.iter().map(|name| text(name)).collect();
    let whole = whole.join("\n---\n");
    let Some(output) = checked(&whole) else { return };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let seen = String::from_utf8_lossy(&output.stdout);
    assert_eq!(seen.lines().count(), names.len(), "{seen}");
    for (right, wrong) in spoilt {
        assert!(whole.contains(right), "{right}");
        let output = checked(&whole.replacen(right, wrong, 1)).unwrap();
        assert_eq!(output.status.code(), Some(1), "{wrong} was taken");
    }
}

#[test]
fn openshifts_constraints_are_as_openshift_defines_them() {
    are_as_defined(
        &["openshift/scc.yaml"],
        &[
            ("allowHostPID: false", "allowHostPid: false"),
            ("uid: 0", "uid: root"),
            ("volumes: [configMap, hostPath, projected]", "volumes: all"),
        ],
    );
}

#[test]
fn the_monitor_and_the_rules_are_as_prometheus_operator_and_prometheus_define_them() {
    are_as_defined(
        &["prometheus/podmonitor.yaml", "prometheus/rules.yaml"],
        &[
            ("podMetricsEndpoints:", "podMetricEndpoints:"),
            ("interval: 30s", "interval: half a minute"),
            ("for: 5m", "for: five"),
            ("hardwired_registered == 0", "hardwired_registered = 0"),
        ],
    );
}
