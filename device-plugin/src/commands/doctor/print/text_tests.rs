//! Findings, as they look.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::commands::doctor::causes::folded;
use crate::commands::doctor::facts::unseen::Unseen;
use crate::commands::doctor::finding::Cause;
use crate::commands::doctor::name::Name;

fn printed(findings: Vec<Finding>, unseen: &[Unseen], paint: Paint) -> String {
    let findings = folded(findings);
    let report = Report {
        node: "node-1",
        now: UNIX_EPOCH + Duration::from_secs(1_795_743_153),
        findings: &findings,
        unseen,
        fixes: &[],
        paint,
    };
    let mut out = Vec::new();
    write(&mut out, &report).unwrap();
    String::from_utf8(out).unwrap()
}

fn pf_down() -> Finding {
    let what = "its interface is down: 7 VFs of pools have no link";
    Finding::mended_by(
        Mend::on_node("ip link set dev eth0 up"),
        Name::PfDown,
        Severity::Error,
        "eth0 (0000:01:00.0)",
        what,
    )
    .since(Some(UNIX_EPOCH + Duration::from_secs(1_795_742_433)))
    .devices((0..7).map(|index| format!("0000:01:10.{index}")))
}

#[test]
fn a_finding_has_its_cause_its_time_and_its_command() {
    let what = "7 of its devices are not given out: its PF 0000:01:00.0 has no carrier";
    let follower = Finding::by_hand("", Name::DeviceUnhealthy, Severity::Warning, "intel.com/vfs", what)
        .after([Cause::of(Name::PfDown, "eth0 (0000:01:00.0)")]);
    let unseen = [Unseen::new(
        "which kubelet runs",
        "a container shows its own processes only",
        "ps on the node",
    )];
    let expected = "\
node-1: 1 error, 1 warning

error    pf-down  eth0 (0000:01:00.0)
         its interface is down: 7 VFs of pools have no link
         since: 2026-11-27T01:20:33Z, 12 min ago
         of:    0000:01:10.0, 0000:01:10.1, 0000:01:10.2, 0000:01:10.3 and 3 more
         mend:  on the node, as root:
                ip link set dev eth0 up
         follows: device-unhealthy  intel.com/vfs: 7 of its devices are not given out: its PF
           0000:01:00.0 has no carrier

not to be seen from here:
- which kubelet runs: a container shows its own processes only. To see it: ps on the node
";
    assert_eq!(printed(vec![follower, pf_down()], &unseen, Paint::NONE), expected);
}

#[test]
fn colours_are_for_terminals_and_texts_are_spelt_out() {
    assert!(printed(vec![pf_down()], &[], Paint::ALWAYS).contains("\u{1b}[31merror  \u{1b}[0m  pf-down"));
    let tenant = Finding::by_hand(
        "x\u{1b}[2J",
        Name::NadUnknownResource,
        Severity::Error,
        "a\nb",
        "c\u{202e}",
    );
    let text = printed(vec![tenant], &[], Paint::NONE);
    assert!(
        !text.contains(['\u{1b}', '\u{202e}']) && text.contains("a\\nb"),
        "{text}"
    );
    assert_eq!(
        printed(Vec::new(), &[], Paint::NONE),
        "node-1: healthy, as far as can be seen from here\n"
    );
}

#[test]
fn a_command_that_a_person_judges_first_stands_below_what_there_is_to_see_to() {
    let mend = Mend::on_node("echo 7 > /sys/x").once("see that no pod has it");
    let found = Finding::mended_by(mend, Name::NoVfs, Severity::Error, "eth0", "it has no VFs");
    let text = printed(vec![found], &[], Paint::NONE);
    let expected = "\
         mend:  by hand: see that no pod has it. Then, on the node, as root:
                echo 7 > /sys/x
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn no_line_has_more_than_100_columns() {
    let long = "a word and ".repeat(40);
    let patch = format!(
        "kubectl patch daemonset hardwired -p '{{spec: {{{}}}}}'",
        "a: b, ".repeat(30)
    );
    let found = Finding::mended_by(
        Mend::kubectl(patch),
        Name::StateNotShared,
        Severity::Error,
        &long,
        &long,
    )
    .because(&long);
    let text = printed(vec![found], &[Unseen::new(&long, &long, &long)], Paint::NONE);
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{text}");
}

#[test]
fn rule_9_what_programs_read_is_json_without_a_character_that_is_not_to_be_seen() {
    let tenant = "a\u{9b}31m\u{202e}b\nc";
    let found = Finding::by_hand(tenant, Name::NadUnknownResource, Severity::Error, tenant, tenant);
    let report = Report {
        node: "node-1",
        now: UNIX_EPOCH,
        findings: &[found],
        unseen: &[],
        fixes: &[],
        paint: Paint::NONE,
    };
    let mut out = Vec::new();
    crate::commands::doctor::print::json::write(&mut out, &report).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains(['\u{9b}', '\u{202e}']), "{text}");
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["findings"][0]["what"], tenant);
}
