//! When a namespace counts as leaked, and what ends it.

use super::*;

const VF: &str = "0000:01:10.0";

/// A device in a namespace that nobody is in, of a pod that the kubelet does not run, on a kubelet that has heard of its pods.
fn leak() -> Facts {
    let mut facts = Facts::sample();
    facts.add_vf(0, Some("igbvf"));
    facts.attach(VF, "red", "a");
    facts.hold("red", "other", "intel.com/vfs", "0000:01:10.1");
    facts.kubelet.listening_since = Some(facts.now - Duration::from_secs(3600));
    facts
}

fn attached(facts: &mut Facts) -> &mut Attached {
    facts.state.attachments.get_mut(&VF.parse().unwrap()).unwrap()
}

#[test]
fn a_namespace_that_nobody_is_in_and_nobody_knows_is_ended_by_its_name() {
    let found = findings(&leak());
    assert_eq!((found.len(), found[0].name), (1, Name::NetnsLeaked));
    assert_eq!(found[0].mend, Mend::on_node("ip netns delete pod1"));
}

#[test]
fn a_kubelet_that_has_just_started_says_nothing_of_pods() {
    let mut young = leak();
    young.kubelet.listening_since = Some(young.now - Duration::from_secs(20));
    assert_eq!(findings(&young), []);
    let mut unknown = leak();
    unknown.kubelet.listening_since = None;
    assert_eq!(findings(&unknown), []);
    let mut empty = leak();
    empty.kubelet.held = Ok(crate::ledger::podresources::Held::default());
    assert_eq!(findings(&empty), []);
    let mut lives = leak();
    lives.hold("red", "a", "cpu", "1");
    assert_eq!(findings(&lives), []);
    let mut ends = leak();
    attached(&mut ends).since = Some(ends.now - Duration::from_secs(10));
    assert_eq!(findings(&ends), []);
}

#[test]
fn a_namespace_with_processes_or_out_of_sight_is_for_a_person_to_judge() {
    for processes in [Some(1), None] {
        let mut facts = leak();
        attached(&mut facts).processes = processes;
        let found = findings(&facts);
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(
            matches!(&found[0].mend, Mend::ByHand(how) if how.contains("crictl rmp -f c1")),
            "{found:?}"
        );
    }
}

#[test]
fn only_a_plain_name_where_ip_netns_looks_is_deleted() {
    assert_eq!(
        end("/var/run/netns/cni-1a2b"),
        Mend::on_node("ip netns delete cni-1a2b")
    );
    for bad in [
        "/proc/7/ns/net",
        "/run/other/pod1",
        "/run/netns/a/b",
        "/run/netns/$(reboot)",
        "/run/netns/-all",
        "/run/netns/",
    ] {
        assert!(matches!(end(bad), Mend::ByHand(_)), "{bad}");
    }
    assert!(matches!(look("$(reboot)"), Mend::ByHand(how) if !how.contains("reboot")));
}

#[test]
fn a_del_that_still_runs_is_not_one_that_was_left() {
    let mut facts = leak();
    attached(&mut facts).is_abandoned = true;
    let found = findings(&facts);
    assert_eq!((found[0].name, found[0].fix.is_some()), (Name::AttachmentLeft, true));
    assert!(found[0].why.as_ref().is_some_and(|why| why.contains("no DEL came")));
    attached(&mut facts).record.ending = Some(Ending::Del);
    assert!(
        findings(&facts)[0]
            .why
            .as_ref()
            .is_some_and(|why| why.contains("a DEL came"))
    );
    attached(&mut facts).since = Some(facts.now);
    assert_eq!(findings(&facts), []);
}
